// GET / over TLS and the status, with libcurl: HOST [PORT [CA-FILE]]
#include <curl/curl.h>

#include <iostream>
#include <memory>
#include <string>

int main(int argc, char** argv) {
    if (argc < 2) return 2;
    const std::unique_ptr<CURL, void (*)(CURL*)> curl(curl_easy_init(), curl_easy_cleanup);
    if (!curl) return 1;
    const std::string url = "https://" + std::string(argv[1]) + ":" + (argc > 2 ? argv[2] : "443") + "/";
    std::string body;
    const auto collect = [](char* data, std::size_t size, std::size_t count, void* into) {
        static_cast<std::string*>(into)->append(data, size * count);
        return size * count;
    };
    curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
    if (argc > 3) curl_easy_setopt(curl.get(), CURLOPT_CAINFO, argv[3]);
    curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, +collect);
    curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &body);
    if (const CURLcode error = curl_easy_perform(curl.get()); error != CURLE_OK) {
        std::cerr << curl_easy_strerror(error) << '\n';
        return 1;
    }
    long status = 0;
    curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
    std::cout << status << '\n';
}
