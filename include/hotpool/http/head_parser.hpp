// One head, parsed line by line as its bytes arrive.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "hotpool/base/error.hpp"
#include "hotpool/http/field_line.hpp"
#include "hotpool/http/scan.hpp"

namespace hotpool::http {

/// Parses a head in a window that grows at its end and is consumed only once the head is complete. It
/// remembers the lines it has taken and how far it has looked for the end of the next, so a head costs the
/// same in any pieces.
///
/// A line is refused once it is complete and within the bound, for the first thing wrong with it, so the
/// reason does not depend on the pieces either.
///
/// `Rules` tells requests from responses, and keeps what the lines say:
///
/// - `may_begin(bytes)`: whether such a start line can begin with them; `foreign`: the refusal if not.
/// - `take_start_line(line)`, without its CRLF; `take_field(name, value)`: `no_error`, or the refusal.
/// - `finish(lines)`, all of them, each with its CRLF: `no_error`, or what is wrong with them together.
/// - `take_fold(lines, line)`, for a line that begins with a space, and those before it, with their CRLF: the same.
/// - `max_start_line_bytes()`, with its CRLF, and `start_line_excess`, the refusal: only if it has a bound of its own.
/// @threads distinct objects only
template <class Rules>
class head_parser {
public:
    enum class verdict : std::uint8_t { need_more, complete, failed };

    /// @param max_bytes of the head with its empty line, less than 4 GiB
    /// @param max_fields of field lines
    /// @param rules as they are before a head
    void start(std::size_t max_bytes, std::size_t max_fields, const Rules& rules) noexcept {
        max_bytes_ = max_bytes;
        fields_left_ = max_fields;
        line_begin_ = scanned_ = 0;
        rules_ = rules;
        error_ = no_error;
    }

    /// @param window every byte of the head received so far, and possibly more
    verdict parse(std::string_view window) noexcept {
        const char* const begin = window.data();
        const char* const end = begin + std::min(window.size(), max_bytes_);
        if (line_begin_ == 0) {
            if (!Rules::may_begin(window)) return fail(Rules::foreign);
            if (!line_is_complete(begin, end)) return lack(window);
            if (const errc e = take_start_line({begin, scanned_}); e != no_error) return fail(e);
        } else if (scanned_ != line_begin_ && !line_is_complete(begin, end)) {
            return lack(window);
        }
        const char* line = begin + line_begin_;
        const errc e = take_field_lines(line, end, [this](std::string_view name, std::string_view value) {
            return fields_left_-- == 0 ? errc::too_many_fields : rules_.take_field(name, value);
        });
        line_begin_ = scanned_ = static_cast<std::size_t>(line - begin);
        if (e == no_error && line != end) return finish(window);
        return line_is_complete(begin, end) ? fail(e) : lack(window);
    }

    /// To be asked after a refusal, where fields may go on in another line: whether the line that was refused is such
    /// a one and has been taken now, so that `parse` may be called again. Otherwise the refusal stands, perhaps for
    /// another reason. To the bounds it is a field line like any other.
    /// @param window as it was shown to `parse`
    [[gnu::noinline, gnu::cold]] bool take_fold(std::string_view window) noexcept {
        if (error_ != errc::bad_field_folding) return false;
        const std::size_t size = scanned_ + 1 - line_begin_;
        error_ = fields_left_-- == 0
                     ? errc::too_many_fields
                     : rules_.take_fold(window.substr(0, line_begin_), window.substr(line_begin_, size));
        if (error_ != no_error) return false;
        line_begin_ = ++scanned_;
        return true;
    }

    /// Whether any byte of the head has been seen.
    bool begun() const noexcept { return scanned_ != 0; }
    errc error() const noexcept { return error_; }

    /// The head's size in bytes once it is complete.
    std::size_t size() const noexcept { return line_begin_ + 2; }
    /// What the lines said so far.
    const Rules& rules() const noexcept { return rules_; }

private:
    static constexpr bool bounds_start_line = requires { Rules::start_line_excess; };

    /// Whether the line that begins at `line_begin_` has its line feed; looks at each byte once.
    bool line_is_complete(const char* begin, const char* end) noexcept {
        const char* const feed = find_line_feed(begin + scanned_, end);
        scanned_ = static_cast<std::size_t>(feed - begin);
        return feed != end;
    }

    verdict lack(std::string_view window) noexcept {
        if constexpr (bounds_start_line)
            if (line_begin_ == 0 && scanned_ >= std::min(rules_.max_start_line_bytes(), max_bytes_))
                return fail(Rules::start_line_excess);
        return window.size() > max_bytes_ ? fail(errc::head_too_large) : verdict::need_more;
    }

    /// @param line without its line feed
    errc take_start_line(std::string_view line) noexcept {
        if constexpr (bounds_start_line)
            if (line.size() >= rules_.max_start_line_bytes()) return Rules::start_line_excess;
        if (!line.ends_with('\r')) return errc::bad_line_ending;
        line_begin_ = scanned_ = line.size() + 1;
        return rules_.take_start_line({line.data(), line.size() - 1});
    }

    verdict finish(std::string_view window) noexcept {
        const errc e = rules_.finish({window.data(), line_begin_});
        return e == no_error ? verdict::complete : fail(e);
    }

    verdict fail(errc e) noexcept {
        error_ = e;
        return verdict::failed;
    }

    std::size_t max_bytes_ = 0;
    std::size_t fields_left_ = 0;
    std::size_t line_begin_ = 0;
    std::size_t scanned_ = 0;  // up to here the current line has no line feed
    Rules rules_;
    errc error_ = no_error;
};

}  // namespace hotpool::http
