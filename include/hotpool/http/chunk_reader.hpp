// A chunked body, read as its bytes arrive.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "hotpool/base/error.hpp"
#include "hotpool/http/chunk_line.hpp"
#include "hotpool/http/field_line.hpp"
#include "hotpool/http/limits.hpp"
#include "hotpool/http/parse_result.hpp"
#include "hotpool/http/scan.hpp"

namespace hotpool::http {

/// Takes the chunked coding off a body and throws its extensions and trailer fields away, checked all the
/// same. Lines and the CRLF behind data are consumed once complete; data is consumed as it comes.
/// @threads distinct objects only
/// @source RFC 9112, 7.1
class chunk_reader {
public:
    /// @param may_fold whether a trailer field may go on in another line
    void start(const limits& bounds, bool may_fold = false) noexcept {
        *this = {};
        may_fold_ = may_fold;
        max_line_bytes_ = bounds.max_chunk_line_bytes;
        trailer_bytes_left_ = bounds.max_trailer_bytes;
        body_bytes_left_ = bounds.max_body_bytes;
    }

    /// @return any event but those of heads; bytes may be consumed with `parse_event::need_more` too
    parse_result parse(std::string_view input) noexcept {
        std::size_t consumed = 0;
        while (state_ != state::end) {
            const std::string_view rest = input.substr(consumed);
            if (state_ == state::data && !rest.empty()) return take_data(rest, consumed);
            const std::size_t taken = take(rest);
            if (error_ != no_error) return {parse_event::failed, 0, {}, error_};
            if (taken == 0) return {parse_event::need_more, consumed, {}, no_error};
            consumed += taken;
        }
        return {parse_event::end, consumed, {}, no_error};
    }

private:
    enum class state : std::uint8_t { size_line, data, data_end, trailer, end };

    /// Takes the next line or line end; 0 bytes if it is not complete or is refused.
    std::size_t take(std::string_view rest) noexcept {
        switch (state_) {
            case state::size_line: return take_size_line(rest);
            case state::data_end: return take_data_end(rest);
            case state::trailer: return take_trailer_line(rest);
            case state::data:
            case state::end: break;
        }
        return 0;
    }

    std::size_t take_size_line(std::string_view rest) noexcept {
        std::string_view line;
        const std::size_t size = find_line(rest, max_line_bytes_, errc::chunk_line_too_large, line);
        if (size == 0) return 0;
        std::uint64_t data = 0;
        if (const errc e = parse_chunk_line(line, data); e != no_error) return fail(e);
        if (data > body_bytes_left_) return fail(errc::body_too_large);
        if (body_bytes_left_ != unlimited) body_bytes_left_ -= data;
        data_left_ = data;
        state_ = data != 0 ? state::data : state::trailer;
        return size;
    }

    parse_result take_data(std::string_view rest, std::size_t consumed) noexcept {
        const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(data_left_, rest.size()));
        data_left_ -= size;
        if (data_left_ == 0) state_ = state::data_end;
        return {parse_event::body, consumed + size, rest.substr(0, size), no_error};
    }

    std::size_t take_data_end(std::string_view rest) noexcept {
        constexpr std::string_view line_end = "\r\n";
        const std::string_view start = rest.substr(0, line_end.size());
        if (start != line_end.substr(0, start.size())) return fail(errc::bad_chunk_ending);
        if (start != line_end) return 0;
        state_ = state::size_line;
        return line_end.size();
    }

    std::size_t take_trailer_line(std::string_view rest) noexcept {
        constexpr std::size_t empty_line = 2;
        std::string_view line;
        const std::size_t size =
            find_line(rest, std::max(trailer_bytes_left_, empty_line), errc::trailer_too_large, line);
        if (size == empty_line) state_ = state::end;
        if (size <= empty_line) return size;
        if (size > trailer_bytes_left_) return fail(errc::trailer_too_large);
        trailer_bytes_left_ -= size;
        if (const errc e = check_trailer_line(rest.substr(0, size)); e != no_error)
            return fail(e == errc::bad_line_ending ? e : errc::bad_trailer);
        begun_trailer_ = true;
        return size;
    }

    /// @param line with its CRLF
    [[gnu::noinline, gnu::cold]] errc check_trailer_line(std::string_view line) const noexcept {
        if (may_fold_ && begun_trailer_ && is_space(line.front())) return check_folded_line(line);
        const char* at = line.data();
        return take_field_lines(at, at + line.size(), [](std::string_view, std::string_view) { return no_error; });
    }

    /// Finds the line that `rest` begins with.
    /// @param line its text without the CRLF
    /// @return its size with the CRLF; 0 if it is not complete or is refused
    std::size_t find_line(std::string_view rest, std::size_t max_bytes, errc excess, std::string_view& line) noexcept {
        const char* const begin = rest.data();
        const char* const end = begin + rest.size();
        const char* const feed = find_line_feed(begin + scanned_, end);
        scanned_ = static_cast<std::size_t>(feed - begin) + (feed != end);
        if (scanned_ > max_bytes) return fail(excess);
        if (feed == end) return 0;
        if (feed == begin || feed[-1] != '\r') return fail(errc::bad_line_ending);
        line = {begin, feed - 1};
        return std::exchange(scanned_, 0);
    }

    std::size_t fail(errc e) noexcept {
        error_ = e;
        return 0;
    }

    std::size_t max_line_bytes_ = 0;
    std::size_t trailer_bytes_left_ = 0;
    std::uint64_t body_bytes_left_ = 0;
    std::uint64_t data_left_ = 0;
    std::size_t scanned_ = 0;  // bytes of the current line in which no line feed was found
    state state_ = state::size_line;
    bool may_fold_ = false;
    bool begun_trailer_ = false;
    errc error_ = no_error;
};

}  // namespace hotpool::http
