// Feeds the request parser the way a reader of sockets does, and writes down everything it says.
#pragma once

#include "hotpool/inbound/request_parser.hpp"

#include <cstddef>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hotpool::test {

struct seen_request {
    std::string method;
    std::string target;
    int version_minor = 1;
    std::vector<std::pair<std::string, std::string>> fields;
    std::string body{};
    body_kind kind = body_kind::none;
    bool keep_alive = true;
    bool expects_continue = false;

    friend bool operator==(const seen_request&, const seen_request&) = default;
};

/// All requests that came whole, and what became of the bytes behind them.
struct request_outcome {
    std::vector<seen_request> complete;
    std::optional<seen_request> unfinished;  ///< its head was complete
    errc error{};
    std::size_t consumed = 0;  ///< by the complete ones

    friend bool operator==(const request_outcome&, const request_outcome&) = default;
};

/// A connection's requests, delivered in pieces.
class request_collector {
public:
    explicit request_collector(const http::limits& bounds) : parser_(bounds) {}

    void receive(std::string_view bytes) {
        window_.append(bytes);
        while (result_.error == errc{}) {
            // A block of just this size lets the sanitizers see a read behind its end.
            const std::unique_ptr<char[]> exact{new char[window_.size()]};
            if (!window_.empty()) std::memcpy(exact.get(), window_.data(), window_.size());
            const parse_result step = parser_.parse({exact.get(), window_.size()});
            take(step);
            window_.erase(0, step.consumed);
            if (step.event == parse_event::need_more) return;
        }
    }

    request_outcome finish() { return std::move(result_); }

private:
    void take(const parse_result& step) {
        consumed_ += step.consumed;
        switch (step.event) {
            case parse_event::need_more: break;
            case parse_event::head: result_.unfinished = read_head(step.piece); break;
            case parse_event::body: result_.unfinished->body += step.piece; break;
            case parse_event::end:
                result_.complete.push_back(std::move(*result_.unfinished));
                result_.unfinished.reset();
                result_.consumed = consumed_;
                parser_.start();
                break;
            case parse_event::failed: result_.error = step.error; break;
            case parse_event::interim_head: std::abort();
        }
    }

    seen_request read_head(std::string_view text) const {
        const http::request_head& head = parser_.head();
        seen_request seen{std::string(head.method(text)), std::string(head.target(text)), head.version_minor, {}};
        for (const http::field& f : head.fields(text)) seen.fields.emplace_back(f.name, f.value);
        seen.kind = parser_.body();
        seen.keep_alive = parser_.keep_alive();
        seen.expects_continue = head.expects_continue;
        return seen;
    }

    inbound::request_parser parser_;
    std::string window_;
    request_outcome result_;
    std::size_t consumed_ = 0;
};

/// @param cuts ascending positions in `bytes` where one delivery ends and the next begins
inline request_outcome deliver_request(std::string_view bytes, const std::vector<std::size_t>& cuts = {},
                                       const http::limits& bounds = {}) {
    request_collector reader(bounds);
    std::size_t begin = 0;
    for (const std::size_t cut : cuts) {
        reader.receive(bytes.substr(begin, cut - begin));
        begin = cut;
    }
    reader.receive(bytes.substr(begin));
    request_outcome seen = reader.finish();
    // How much of a body was handed out before it was refused depends on the pieces.
    if (seen.error != errc{} && seen.unfinished) seen.unfinished->body.clear();
    return seen;
}

/// Whether the pieces in which `bytes` arrive make no difference: every two-way split and one at a time.
inline bool request_pieces_do_not_matter(std::string_view bytes, const http::limits& bounds = {}) {
    const request_outcome whole = deliver_request(bytes, {}, bounds);
    std::vector<std::size_t> every;
    for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
        every.push_back(cut);
        if (!(deliver_request(bytes, {cut}, bounds) == whole)) return false;
    }
    return deliver_request(bytes, every, bounds) == whole;
}

}  // namespace hotpool::test
