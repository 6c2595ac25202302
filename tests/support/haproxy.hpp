// A real haproxy on loopback in front of two servers, told over its admin socket which of them to use.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <stdexcept>
#include <string>

#include "support/certificates.hpp"
#include "support/server_process.hpp"

namespace hotpool::test {

class haproxy {
public:
    /// Takes turns between `first` and `second`, ports of 127.0.0.1.
    haproxy(const std::string& first, const std::string& second) {
        const identity own = root_.issue();
        files_.write("own.pem", own.certificate_pem + own.key_pem);
        files_.write("haproxy.cfg",
                     "global\n stats socket " + socket() +
                         " level admin\n"
                         "defaults\n mode http\n timeout connect 5s\n timeout client 30s\n timeout server 30s\n"
                         "frontend front\n bind 127.0.0.1:" +
                         port_ + "\n bind 127.0.0.1:" + tls_port_ + " ssl crt " + (files_ / "own.pem").string() +
                         "\n default_backend both\n" + "backend both\n balance roundrobin\n server first 127.0.0.1:" +
                         first + "\n server second 127.0.0.1:" + second + "\n");
        process_.start();
    }

    const std::string& port() const noexcept { return port_; }
    const std::string& tls_port() const noexcept { return tls_port_; }
    std::string root_pem() const { return root_.certificate_pem(); }

    /// @param name first or second
    void disable(const std::string& name) const { tell("disable server both/" + name); }
    void enable(const std::string& name) const { tell("enable server both/" + name); }

private:
    std::string socket() const { return (files_ / "admin").string(); }

    void tell(const std::string& command) const {
        sockaddr_un to{};
        to.sun_family = AF_UNIX;
        const std::string path = socket();
        if (path.size() >= sizeof to.sun_path) throw std::runtime_error("the admin socket's path is too long");
        path.copy(to.sun_path, path.size());
        const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const std::string line = command + '\n';
        const bool told = ::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0 &&
                          ::send(fd, line.data(), line.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(line.size());
        // An empty line means that it is done; anything more is a complaint.
        std::array<char, 256> answer{};
        const auto got = ::recv(fd, answer.data(), answer.size(), 0);
        ::close(fd);
        if (!told || got != 1) throw std::runtime_error("haproxy would not " + command + ": " + answer.data());
    }

    authority root_;
    std::string port_ = free_port();
    std::string tls_port_ = free_port();
    scratch_directory files_;
    server_process process_{{HOTPOOL_HAPROXY, "-db", "-q", "-f", (files_ / "haproxy.cfg").string()},
                            {port_, tls_port_}};
};

}  // namespace hotpool::test
