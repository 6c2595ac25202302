// Feeds the response parser the way a reader of sockets does, and writes down everything it says.
#pragma once

#include "hotpool/response_parser.hpp"

#include <chrono>
#include <cstddef>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hotpool::test {

/// What the parser is told about the request before the response comes.
struct situation {
    request_kind kind = request_kind::plain;
    bool upgrade_requested = false;
    http::limits bounds{};
    bool eof = false;  ///< whether the peer closes behind the last byte
};

struct seen_head {
    int status = 0;
    int version_minor = 0;
    std::string reason;
    std::vector<std::pair<std::string, std::string>> fields;

    friend bool operator==(const seen_head&, const seen_head&) = default;
};

/// All that is known once the bytes are used up or the response has ended.
struct outcome {
    std::vector<seen_head> interim;
    std::optional<seen_head> head;
    std::string body;
    bool complete = false;
    errc error{};
    std::size_t consumed = 0;  ///< only of complete responses: nobody reads on behind a failure
    body_kind kind = body_kind::none;
    bool keep_alive = false;
    bool switched = false;
    std::optional<std::uint64_t> content_length;
    std::optional<std::chrono::seconds> keep_alive_timeout;

    friend bool operator==(const outcome&, const outcome&) = default;
};

inline seen_head read_head(const http::response_head& head, std::string_view text) {
    seen_head seen{head.status, head.version_minor, std::string(head.reason(text)), {}};
    for (const http::field& f : head.fields(text)) seen.fields.emplace_back(f.name, f.value);
    return seen;
}

/// One response, delivered in pieces.
class collector {
public:
    explicit collector(const situation& s) : parser_(s.bounds) { parser_.start(s.kind, s.upgrade_requested); }

    bool done() const { return result_.complete || result_.error != errc{}; }

    /// More bytes arrive behind those that are not consumed yet.
    void receive(std::string_view bytes) {
        window_.append(bytes);
        while (!done()) {
            // A block of just this size lets the sanitizers see a read behind its end.
            const std::unique_ptr<char[]> exact{new char[window_.size()]};
            std::memcpy(exact.get(), window_.data(), window_.size());
            const std::string_view shown{exact.get(), window_.size()};
            const parse_result step = parser_.parse(exact.get(), window_.size());
            take(step, shown);
            window_.erase(0, step.consumed);
            if (step.event == parse_event::need_more) return;
        }
    }

    void close() {
        if (!done()) take(parser_.finish(), {});
    }

    outcome finish() {
        result_.kind = parser_.body();
        if (!result_.complete) result_.consumed = 0;
        if (!result_.complete) return result_;
        result_.keep_alive = parser_.keep_alive();
        result_.switched = parser_.switched();
        result_.content_length = parser_.content_length();
        result_.keep_alive_timeout = parser_.keep_alive_timeout();
        return result_;
    }

private:
    void take(const parse_result& step, std::string_view shown) {
        result_.consumed += step.consumed;
        switch (step.event) {
            case parse_event::need_more: break;
            case parse_event::interim_head: result_.interim.push_back(read_head(parser_.head(), shown)); break;
            case parse_event::head: result_.head = read_head(parser_.head(), shown); break;
            case parse_event::body: result_.body += step.piece; break;
            case parse_event::end: result_.complete = true; break;
            case parse_event::failed: result_.error = step.error; break;
        }
    }

    response_parser parser_;
    std::string window_;
    outcome result_;
};

/// @param cuts ascending positions in `bytes` where one delivery ends and the next begins
inline outcome deliver(std::string_view bytes, const std::vector<std::size_t>& cuts, const situation& s = {}) {
    collector reader(s);
    std::size_t begin = 0;
    for (const std::size_t cut : cuts) {
        reader.receive(bytes.substr(begin, cut - begin));
        begin = cut;
    }
    reader.receive(bytes.substr(begin));
    if (s.eof) reader.close();
    return reader.finish();
}

inline outcome deliver_whole(std::string_view bytes, const situation& s = {}) { return deliver(bytes, {}, s); }

inline outcome deliver_bytewise(std::string_view bytes, const situation& s = {}) {
    std::vector<std::size_t> cuts;
    for (std::size_t cut = 1; cut < bytes.size(); ++cut) cuts.push_back(cut);
    return deliver(bytes, cuts, s);
}

/// Whether the pieces in which `bytes` arrive make no difference: every two-way split and one at a time.
inline bool pieces_do_not_matter(std::string_view bytes, const situation& s = {}) {
    const outcome whole = deliver_whole(bytes, s);
    for (std::size_t cut = 1; cut < bytes.size(); ++cut)
        if (!(deliver(bytes, {cut}, s) == whole)) return false;
    return deliver_bytewise(bytes, s) == whole;
}

}  // namespace hotpool::test
