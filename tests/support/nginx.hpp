// A real nginx on loopback, with its own prefix and configuration, stopped with its object.
#pragma once

#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>

#include "support/certificates.hpp"

namespace hotpool::test {

/// A TCP port of loopback that was free a moment ago.
inline std::string free_port() {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in any{};
    socklen_t size = sizeof any;
    any.sin_family = AF_INET;
    any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* const name = reinterpret_cast<sockaddr*>(&any);
    const bool bound = ::bind(fd, name, size) == 0 && ::getsockname(fd, name, &size) == 0;
    ::close(fd);
    if (!bound) throw std::runtime_error("no port is free on loopback");
    return std::to_string(ntohs(any.sin_port));
}

class nginx {
public:
    /// @param in_http directives for the http block
    /// @param in_server those for the server; each @PORT@ in it becomes its plain port
    explicit nginx(const std::string& in_http = "", std::string in_server = "") {
        for (std::size_t at; (at = in_server.find("@PORT@")) != in_server.npos;)
            in_server.replace(at, 6, port_);
        std::string pattern = (std::filesystem::temp_directory_path() / "hotpool-nginx-XXXXXX").string();
        if (::mkdtemp(pattern.data()) == nullptr)
            throw std::runtime_error("cannot make a directory for nginx");
        prefix_ = pattern;
        std::filesystem::create_directory(prefix_ / "html");
        const identity own = root_.issue();
        write("own.pem", own.certificate_pem);
        write("own.key", own.key_pem);
        write("html/index.html", "hello from nginx\n");
        write("nginx.conf",
              std::string(::geteuid() == 0 ? "user root;\n"
                                           : "") +  // the workers must be able to read the prefix
                  "daemon off; master_process on; worker_processes 1; pid nginx.pid; error_log error.log;\n"
                  "events { worker_connections 512; }\n"
                  "http { access_log off; default_type text/plain;\n"
                  "client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; "
                  "scgi_temp_path t5;\n" +
                  in_http + "\nserver { listen 127.0.0.1:" + port_ + "; listen 127.0.0.1:" + tls_port_ +
                  " ssl; ssl_certificate own.pem; ssl_certificate_key own.key; root html;\n" + in_server +
                  "\n} }\n");
        start();
    }
    nginx(const nginx&) = delete;
    nginx& operator=(const nginx&) = delete;
    ~nginx() {
        stop();
        std::error_code ignored;
        std::filesystem::remove_all(prefix_, ignored);
    }

    const std::string& port() const noexcept { return port_; }
    const std::string& tls_port() const noexcept { return tls_port_; }
    std::string root_pem() const { return root_.certificate_pem(); }
    void serve(const std::string& name, std::string_view content) { write("html/" + name, content); }

    void start() {
        process_ = ::fork();
        if (process_ < 0) throw std::runtime_error("cannot fork");
        if (process_ == 0) {
            ::execl(HOTPOOL_NGINX, HOTPOOL_NGINX, "-p", (prefix_.string() + "/").c_str(), "-c", "nginx.conf",
                    nullptr);
            ::_exit(127);
        }
        for (int i = 0; !listens(); ++i) {
            if (i == 2'000 || ::waitpid(process_, nullptr, WNOHANG) != 0)
                throw std::runtime_error("nginx did not start");
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
    }
    /// Ends it and all its connections at once.
    void stop() {
        if (process_ <= 0) return;
        ::kill(process_, SIGTERM);
        while (::waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
        }
        process_ = -1;
    }

private:
    void write(const std::string& name, std::string_view content) const {
        std::ofstream(prefix_ / name, std::ios::binary)
            .write(content.data(), static_cast<std::streamsize>(content.size()));
    }
    bool listens() const {
        const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        to.sin_port = htons(static_cast<unsigned short>(std::stoi(port_)));
        const bool connected = ::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
        ::close(fd);
        return connected;
    }

    authority root_;
    std::string port_ = free_port();
    std::string tls_port_ = free_port();
    std::filesystem::path prefix_;
    pid_t process_ = -1;
};

}  // namespace hotpool::test
