// A server's program, run in the foreground with files of its own, and gone with its object.
#pragma once

#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace hotpool::test {

/// A TCP port of loopback that was free a moment ago. Not one that the system gives to outgoing connections, which
/// would soon take it, or connect to itself where nobody listens yet.
inline std::string free_port() {
    std::random_device random;
    for (int tries = 0; tries < 1'000; ++tries) {
        const auto port = std::uniform_int_distribution<unsigned>(10'000, 32'000)(random);
        const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in name{};
        name.sin_family = AF_INET;
        name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        name.sin_port = htons(static_cast<unsigned short>(port));
        const bool bound = ::bind(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0;
        ::close(fd);
        if (bound) return std::to_string(port);
    }
    throw std::runtime_error("no port is free on loopback");
}

/// A new directory for temporary files, removed with its object.
class scratch_directory {
public:
    scratch_directory() {
        std::string pattern = (std::filesystem::temp_directory_path() / "hotpool-server-XXXXXX").string();
        if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot make a directory");
        path_ = pattern;
    }
    scratch_directory(const scratch_directory&) = delete;
    scratch_directory& operator=(const scratch_directory&) = delete;
    ~scratch_directory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    std::filesystem::path operator/(std::string_view name) const { return path_ / name; }
    std::string string() const { return path_.string(); }
    void write(const std::string& name, std::string_view content) const {
        std::ofstream(path_ / name, std::ios::binary)
            .write(content.data(), static_cast<std::streamsize>(content.size()));
    }
    std::string read(const std::string& name) const {
        std::ifstream file(path_ / name, std::ios::binary);
        return std::string(std::istreambuf_iterator<char>(file), {});
    }

private:
    std::filesystem::path path_;
};

class server_process {
public:
    /// @param command the program's path and its arguments; `start` runs it
    /// @param ports those of 127.0.0.1 that it listens on
    server_process(std::vector<std::string> command, std::vector<std::string> ports)
        : command_(std::move(command)), ports_(std::move(ports)) {}
    server_process(const server_process&) = delete;
    server_process& operator=(const server_process&) = delete;
    ~server_process() { stop(); }

    /// Returns when it accepts connections on all its ports.
    void start() {
        process_ = ::fork();
        if (process_ < 0) throw std::runtime_error("cannot fork");
        if (process_ == 0) {
            std::vector<char*> arguments;
            for (std::string& word : command_) arguments.push_back(word.data());
            arguments.push_back(nullptr);
            ::execv(arguments[0], arguments.data());
            ::_exit(127);
        }
        for (int i = 0; !std::all_of(ports_.begin(), ports_.end(), listens); ++i) {
            if (i == 2'000 || ::waitpid(process_, nullptr, WNOHANG) != 0)
                throw std::runtime_error(command_[0] + " did not start");
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
    }
    /// Ends it and all its connections at once.
    void stop() {
        if (process_ <= 0) return;
        send(SIGTERM);
        while (::waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
        }
        process_ = -1;
    }
    void send(int signal) { ::kill(process_, signal); }

private:
    static bool listens(const std::string& port) {
        const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        to.sin_port = htons(static_cast<unsigned short>(std::stoi(port)));
        const bool connected = ::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
        ::close(fd);
        return connected;
    }

    std::vector<std::string> command_;
    std::vector<std::string> ports_;
    pid_t process_ = -1;
};

}  // namespace hotpool::test
