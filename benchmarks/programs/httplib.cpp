// GET / over TLS and the status, with cpp-httplib: HOST [PORT [CA-FILE]]
#define CPPHTTPLIB_OPENSSL_SUPPORT
#include <httplib.h>

#include <iostream>
#include <string>

int main(int argc, char** argv) {
    if (argc < 2) return 2;
    httplib::SSLClient client(argv[1], argc > 2 ? std::stoi(argv[2]) : 443);
    client.enable_server_certificate_verification(true);
    if (argc > 3) client.set_ca_cert_path(argv[3]);
    const auto reply = client.Get("/");
    if (!reply) {
        std::cerr << httplib::to_string(reply.error()) << '\n';
        return 1;
    }
    std::cout << reply->status << '\n';
}
