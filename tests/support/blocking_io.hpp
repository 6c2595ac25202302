// Transports and streams used step by step: each function runs the io_context until its step is done.
#pragma once

#include <asio/io_context.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <iterator>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include "hotpool/transport/transport.hpp"
#include "support/instances.hpp"

namespace hotpool::test {

inline constexpr std::chrono::seconds plenty{20};

/// What is asked over and over while the caller waits. A reference: a thousand lambdas have one loop.
class predicate {
public:
    template <class Ask>
    predicate(const Ask& ask)
        : ask_(&ask), call_([](const void* of) { return static_cast<bool>((*static_cast<const Ask*>(of))()); }) {}
    bool operator()() const { return call_(ask_); }

private:
    const void* ask_;
    bool (*call_)(const void*);
};

/// Waits on this thread until `done()`; false when that takes too long.
inline bool eventually(predicate done, std::chrono::nanoseconds limit = plenty) {
    const time_point deadline = clock_type::now() + limit;
    while (!done()) {
        if (clock_type::now() >= deadline) return false;
        std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
    return true;
}

/// The number of descriptors this process has open; the same before and after whatever leaks none.
inline std::size_t open_descriptors() {
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

template <class Stream>
struct open_outcome {
    std::error_code error;
    std::optional<Stream> stream;
    int completions = 0;
};

template <class Transport>
using outcome_of = open_outcome<typename Transport::template stream<net::any_io_executor>>;

/// What leads to the first address of the host that `transport` dials.
template <class Transport>
open_request request_to(const Transport& transport, std::chrono::nanoseconds timeout = plenty) {
    const origin& dialled = transport.dialled();
    const std::uint16_t port = port_number(dialled.port);
    const auto address = ip_address::parse(dialled.host);
    const ip_address loopback(ip_address::v4_bytes_type{127, 0, 0, 1});
    if (!address && dialled.host != "localhost") throw std::invalid_argument("no name service here");
    return {.to = {address.value_or(loopback), port}, .timeout = timeout};
}

/// Starts an opening whose outcome arrives in `outcome`.
template <class Transport>
opening start_open(net::io_context& io, const Transport& transport, outcome_of<Transport>& outcome,
                   std::chrono::nanoseconds timeout = plenty) {
    return transport.async_open(net::any_io_executor(io.get_executor()), request_to(transport, timeout),
                                [&outcome](const std::error_code& error, auto stream) {
                                    ++outcome.completions;
                                    outcome.error = error;
                                    if (!error) outcome.stream.emplace(std::move(stream));
                                });
}

template <class Transport>
outcome_of<Transport> open(net::io_context& io, const Transport& transport, std::chrono::nanoseconds timeout = plenty) {
    outcome_of<Transport> outcome;
    start_open(io, transport, outcome, timeout);
    io.restart();
    io.run();
    return outcome;
}

/// Runs `io` until `done()`; false when that takes too long.
inline bool run_until(net::io_context& io, predicate done, duration limit = plenty) {
    const time_point deadline = clock_type::now() + limit;
    while (!done()) {
        if (clock_type::now() >= deadline) return false;
        if (io.stopped()) io.restart();
        // Others than this loop may make it true.
        if (io.run_one_for(std::chrono::milliseconds(2)) == 0) std::this_thread::yield();
    }
    return true;
}

/// Waits for what a try wanted.
template <class Stream>
std::error_code wait(net::io_context& io, Stream& stream, io_want want) {
    std::error_code result;
    stream.async_wait(want, [&result](const std::error_code& error) { result = error; });
    io.restart();
    io.run();
    return result;
}

/// Reads until something comes: bytes or an error.
template <class Stream>
io_result read_some(net::io_context& io, Stream& stream, net::mutable_buffer room) {
    for (;;) {
        const io_result result = stream.try_read(room);
        if (result.want == io_want::none) return result;
        wait(io, stream, result.want);
    }
}

/// Reads exactly that many bytes, or fewer where the connection ends before.
template <class Stream>
std::string read_exactly(net::io_context& io, Stream& stream, std::size_t bytes) {
    std::string all(bytes, '\0');
    std::size_t done = 0;
    while (done < bytes) {
        const io_result result = read_some(io, stream, net::buffer(all) + done);
        if (result.error) break;
        done += result.bytes;
    }
    all.resize(done);
    return all;
}

template <class Stream>
std::error_code write_all(net::io_context& io, Stream& stream, std::string_view head, std::string_view body = {}) {
    net::const_buffer first = net::buffer(head);
    net::const_buffer second = net::buffer(body);
    while (first.size() + second.size() != 0) {
        const io_result result = stream.try_write(first, second);
        if (result.error) return result.error;
        if (result.want != io_want::none) wait(io, stream, result.want);
        const std::size_t from_first = std::min(result.bytes, first.size());
        first += from_first;
        second += result.bytes - from_first;
    }
    return {};
}

/// The error that ends the stream, once there is nothing left to read.
template <class Stream>
std::error_code read_to_end(net::io_context& io, Stream& stream) {
    char byte = 0;
    for (;;) {
        const io_result result = read_some(io, stream, net::buffer(&byte, 1));
        if (result.error) return result.error;
    }
}

}  // namespace hotpool::test
