// A download: the head first, then the body as it comes, straight into a file.
//
//   download [FILE]     without FILE: into a temporary file that is removed again
#include <hotpool/hotpool.hpp>

#include <asio/buffer.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

#include <array>
#include <charconv>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <system_error>

#include "support/embedded_origin.hpp"

class progress_bar {
public:
    explicit progress_bar(std::uint64_t total) : total_(total) {}
    void add(std::size_t bytes) {
        done_ += bytes;
        const auto marks = total_ == 0 ? width : static_cast<std::size_t>(done_ * width / total_);
        if (marks == marks_) return;  // nothing new to see
        marks_ = marks;
        std::cout << "\r[" << std::string(marks, '#') << std::string(width - marks, '.') << "] " << done_ / 1'000'000
                  << " MB" << std::flush;
    }

private:
    static constexpr std::size_t width = 40;
    std::uint64_t total_;
    std::uint64_t done_ = 0;
    std::size_t marks_ = width + 1;
};

asio::awaitable<void> download(hotpool::tls_pool& pool, const std::string& target, const std::filesystem::path& path) {
    auto conn = co_await pool.async_get(asio::use_awaitable);
    const hotpool::request_builder request("GET", target);
    auto reader = co_await hotpool::async_start_exchange(conn, request, asio::use_awaitable);
    if (reader.status() != 200) throw std::runtime_error("the answer is " + std::to_string(reader.status()));

    std::uint64_t total = 0;  // unknown where the body is chunked
    if (const auto length = reader.header("Content-Length"))
        std::from_chars(length->data(), length->data() + length->size(), total);
    progress_bar bar(total);

    std::ofstream file(path, std::ios::binary);
    std::array<char, 64 * 1024> block;
    for (std::error_code error; !error;) {
        const std::size_t bytes =
            co_await reader.async_read_some(asio::buffer(block), asio::redirect_error(asio::use_awaitable, error));
        file.write(block.data(), static_cast<std::streamsize>(bytes));
        bar.add(bytes);
        if (error && error != hotpool::errc::end_of_body) throw std::system_error(error);
    }
    if (!file.flush()) throw std::runtime_error(path.string() + " cannot be written");
    pool.put(std::move(conn));  // hot for the next download; had we left early, it would be drained or closed
}

asio::awaitable<void> run(std::filesystem::path path) {
    const support::embedded_origin origin;
    hotpool::tls_pool pool(co_await asio::this_coro::executor, origin.target(), {}, origin.trust());
    co_await download(pool, "/bytes/100000000", path);
    std::cout << "\n" << std::filesystem::file_size(path) << " bytes in " << path.filename() << '\n';
}

int main(int count, char** arguments) {
    const bool keep = count == 2;
    const std::filesystem::path path =
        keep ? arguments[1] : std::filesystem::temp_directory_path() / "hotpool-download";
    int outcome = 0;
    asio::io_context context;
    asio::co_spawn(context, run(path), [&](std::exception_ptr failure) {
        try {
            if (failure) std::rethrow_exception(failure);
        } catch (const std::exception& e) {
            std::cerr << "\nerror: " << e.what() << '\n';
            outcome = 1;
        }
    });
    context.run();
    if (!keep) std::filesystem::remove(path);
    return outcome;
}
