// A real nginx on loopback, with its own prefix and configuration, stopped with its object.
#pragma once

#include <signal.h>
#include <unistd.h>

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

#include "support/certificates.hpp"
#include "support/server_process.hpp"

namespace hotpool::test {

class nginx {
public:
    /// @param in_http directives for the http block
    /// @param in_server those for the server; each @PORT@ in it becomes its plain port
    explicit nginx(const std::string& in_http = "", std::string in_server = "") {
        for (std::size_t at; (at = in_server.find("@PORT@")) != in_server.npos;) in_server.replace(at, 6, port_);
        std::filesystem::create_directory(prefix_ / "html");
        const identity own = root_.issue();
        prefix_.write("own.pem", own.certificate_pem);
        prefix_.write("own.key", own.key_pem);
        serve("index.html", "hello from nginx\n");
        prefix_.write(
            "nginx.conf",
            std::string(::geteuid() == 0 ? "user root;\n" : "") +  // the workers must be able to read the prefix
                "daemon off; master_process on; worker_processes 1; pid nginx.pid; error_log error.log;\n"
                "events { worker_connections 512; }\n"
                "http { access_log off; default_type text/plain;\n"
                "client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; "
                "scgi_temp_path t5;\n" +
                in_http + "\nserver { listen 127.0.0.1:" + port_ + "; listen 127.0.0.1:" + tls_port_ +
                " ssl; ssl_certificate own.pem; ssl_certificate_key own.key; root html;\n" + in_server + "\n} }\n");
        start();
    }

    const std::string& port() const noexcept { return port_; }
    const std::string& tls_port() const noexcept { return tls_port_; }
    std::string root_pem() const { return root_.certificate_pem(); }
    void serve(const std::string& name, std::string_view content) { prefix_.write("html/" + name, content); }
    /// A file that nginx has written, by its name in the configuration.
    std::string written(const std::string& name) const { return prefix_.read(name); }

    void start() { process_.start(); }
    /// Ends it and all its connections at once.
    void stop() { process_.stop(); }
    /// What `nginx -s reload` does: new workers take over, the old ones finish what they have begun.
    void reload() { process_.send(SIGHUP); }

private:
    authority root_;
    std::string port_ = free_port();
    std::string tls_port_ = free_port();
    scratch_directory prefix_;
    server_process process_{{HOTPOOL_NGINX, "-p", prefix_.string() + "/", "-c", "nginx.conf"}, {port_, tls_port_}};
};

}  // namespace hotpool::test
