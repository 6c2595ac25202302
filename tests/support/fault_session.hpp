// One connection of a fault origin: requests are read, processed and answered, in the right order and in others.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/buffer.hpp>
#include <asio/read.hpp>
#include <asio/read_until.hpp>
#include <asio/redirect_error.hpp>
#include <asio/socket_base.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "support/fault_office.hpp"

namespace hotpool::test {

/// A request that is not complete has not been processed, but for one that was told 200 early.
/// @tparam Stream `asio::ip::tcp::socket`, or an SSL stream over one
/// @lifetime within that of the office
template <class Stream>
class fault_session {
public:
    fault_session(Stream stream, fault_office& office) : stream_(std::move(stream)), office_(office) {}

    asio::awaitable<void> run() {
        for (bool goes_on = true; goes_on;) {
            const std::optional<request_line> request = co_await read_head();
            if (!request) co_return;
            if (request->is_probe)
                goes_on = co_await answer_probe();
            else
                goes_on = co_await answer(*request);
        }
    }

private:
    static auto into(std::error_code& error) { return asio::redirect_error(asio::use_awaitable, error); }

    // --- each says whether the connection goes on

    asio::awaitable<bool> answer_probe() {
        const fault what = office_.next_probe();
        office_.tally.note(what);
        const bool says_so = what == fault::last_probe && office_.next_is_polite();
        const std::string reply =
            std::string("HTTP/1.1 200 OK\r\n") + (says_so ? "Connection: close\r\n" : "") + "\r\n";
        const bool written = co_await write(reply);
        co_return written&& what == fault::none;
    }

    asio::awaitable<bool> answer(const request_line& request) {
        const fault what = office_.next_answer(request);
        office_.tally.note(what);
        bool goes_on = false;
        switch (what) {
            case fault::expectation_failed: co_await leave(request, "417 Expectation Failed"); break;
            case fault::early_refusal: co_await leave(request, "413 Content Too Large"); break;
            case fault::early_close:
                office_.log.processed(request.id);
                co_await leave(request, "200 OK");
                break;
            case fault::early_success: goes_on = co_await answer_early(request); break;
            default: goes_on = co_await answer_in_order(request, what == fault::consent_withheld);
        }
        co_return goes_on;
    }
    asio::awaitable<bool> answer_early(const request_line& request) {
        office_.log.processed(request.id);
        const std::string reply = response_to(request.id, "200 OK");
        bool goes_on = co_await write(reply);
        if (goes_on) goes_on = co_await read_body(request);
        co_return goes_on;
    }
    asio::awaitable<bool> answer_in_order(const request_line& request, bool withholds_consent) {
        if (request.asks_first && !withholds_consent) {
            const bool consents = co_await write(consent);
            if (!consents) co_return false;
        }
        const bool read = co_await read_body(request);
        if (!read) co_return false;
        office_.log.processed(request.id);
        const std::string reply = response_to(request.id, "200 OK");
        const bool written = co_await write(reply);
        if (!written) co_return false;
        const auto wait = office_.next_unsolicited();
        if (wait) co_await speak_unasked(*wait);
        co_return !wait;
    }

    asio::awaitable<void> speak_unasked(std::chrono::microseconds after) {
        std::error_code ignored;
        asio::steady_timer timer(stream_.get_executor(), after);
        co_await timer.async_wait(into(ignored));
        co_await write(unsolicited_response);
        office_.tally.note(fault::unsolicited);
    }

    /// A polite one lets the client finish what it is saying.
    asio::awaitable<void> leave(const request_line& request, const char* status) {
        const std::string reply = response_to(request.id, status);
        const bool written = co_await write(reply);
        if (!written || !office_.next_is_polite()) co_return;
        std::error_code error;
        stream_.lowest_layer().shutdown(asio::socket_base::shutdown_send, error);
        std::array<char, 4096> room;
        while (!error) co_await stream_.async_read_some(asio::buffer(room), into(error));
    }

    // --- the parts of an exchange; none or false when the connection is over

    asio::awaitable<std::optional<request_line>> read_head() {
        std::error_code error;
        const std::size_t size =
            co_await asio::async_read_until(stream_, asio::dynamic_buffer(text_), "\r\n\r\n", into(error));
        if (error) co_return std::nullopt;
        const request_line request(std::string_view(text_).substr(0, size));
        text_.erase(0, size);
        co_return request;
    }
    asio::awaitable<bool> read_body(const request_line& request) {
        if (text_.size() < request.body_bytes) {
            std::error_code error;
            co_await asio::async_read(stream_, asio::dynamic_buffer(text_),
                                      asio::transfer_exactly(request.body_bytes - text_.size()), into(error));
            if (error) co_return false;
        }
        if (!request.is_whole_with(std::string_view(text_).substr(0, request.body_bytes))) office_.log.garbled();
        office_.log.received(request.id);
        text_.erase(0, request.body_bytes);
        if (is_long_upload(request.id)) text_.shrink_to_fit();
        co_return true;
    }
    asio::awaitable<bool> write(const std::string& text) {
        std::error_code error;
        co_await asio::async_write(stream_, asio::buffer(text), into(error));
        co_return !error;
    }

    static inline const std::string consent = "HTTP/1.1 100 Continue\r\n\r\n";

    Stream stream_;
    fault_office& office_;
    std::string text_;
};

}  // namespace hotpool::test
