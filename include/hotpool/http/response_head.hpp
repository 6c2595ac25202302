// A response's status line and fields as positions in its text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "hotpool/base/error.hpp"
#include "hotpool/http/field_line.hpp"
#include "hotpool/http/fields_view.hpp"
#include "hotpool/http/framing_fields.hpp"
#include "hotpool/http/grammar.hpp"
#include "hotpool/http/scan.hpp"

namespace hotpool::http {

/// What a complete head says, without its text. Positions count from the head's first byte, so that the text
/// may be moved.
struct response_head {
    std::uint16_t status = 0;        ///< 100 to 999
    std::uint8_t version_minor = 0;  ///< HTTP/1.0 or HTTP/1.1
    std::uint32_t reason_begin = 0;
    std::uint32_t reason_size = 0;
    std::uint32_t fields_begin = 0;
    std::uint32_t fields_size = 0;  ///< all field lines with their CRLF, without the empty line

    /// @param head the head's text; what lies behind it does no harm
    std::string_view reason(std::string_view head) const noexcept { return head.substr(reason_begin, reason_size); }
    /// @param head the head's text; what lies behind it does no harm
    fields_view fields(std::string_view head) const noexcept {
        return fields_view{head.substr(fields_begin, fields_size)};
    }
};

/// Whether the bytes received so far can become a status line, so that another protocol is told at once.
inline bool may_begin_status_line(std::string_view received) noexcept {
    constexpr char protocol[] = "HTTP/";
    return begins_with(received, protocol) || std::string_view(protocol).starts_with(received);
}

/// Takes a status line apart. The reason may be missing together with the space in front of it, against the
/// RFC: many servers leave both out, and nothing else can be meant.
///
/// A minor version above 1 is read as 1. A status from 600 to 999 is one that servers have for use among themselves; it is
/// kept as it came, and like any that is not known it means what the first one of its class does, which is 500 then. One
/// below 100 is refused: it could be taken for an interim one.
/// @param line the first line of a response without its CRLF
/// @param strict whether such a version and such a status are refused
/// @param out `status`, `version_minor` and the reason's position are set unless the line is refused
/// @return `no_error`, or why the line is refused
/// @source RFC 9112, 4; RFC 9110, 2.5 (versions) and 15 (status codes)
inline errc parse_status_line(std::string_view line, bool strict, response_head& out) noexcept {
    constexpr std::size_t dot = 6, space = 8, code = 9, code_end = 12, reason = 13;  // HTTP/1.1 200 OK
    if (!begins_with(line, "HTTP/") || line.size() < space || !is_digit(line[dot - 1]) || line[dot] != '.' ||
        !is_digit(line[dot + 1]))
        return errc::bad_status_line;
    if (line[dot - 1] != '1' || line[dot + 1] > '1') [[unlikely]]
        if (line[dot - 1] != '1' || strict) return errc::bad_version;
    if (line.size() < code_end || line[space] != ' ') return errc::bad_status_line;

    if (!is_digit(line[code]) || !is_digit(line[code + 1]) || !is_digit(line[code + 2])) return errc::bad_status_code;
    const int status = (line[code] - '0') * 100 + (line[code + 1] - '0') * 10 + (line[code + 2] - '0');
    if (status < 100 || status > 599) [[unlikely]]
        if (status < 100 || strict) return errc::bad_status_code;
    if (line.size() > code_end && line[code_end] != ' ')
        return is_digit(line[code_end]) ? errc::bad_status_code : errc::bad_status_line;

    const std::size_t reason_begin = line.size() > code_end ? reason : code_end;
    const char* const end = line.data() + line.size();
    const char* const stop = skip_field_text(line.data() + reason_begin, end);
    if (stop != end) return blame(stop, end, errc::bad_reason);

    out.status = static_cast<std::uint16_t>(status);
    out.version_minor = line[dot + 1] != '0';
    out.reason_begin = static_cast<std::uint32_t>(reason_begin);
    out.reason_size = static_cast<std::uint32_t>(line.size() - reason_begin);
    return no_error;
}

/// What `head_parser` asks of a response.
struct response_rules {
    static constexpr errc foreign = errc::bad_status_line;

    static bool may_begin(std::string_view received) noexcept { return may_begin_status_line(received); }
    errc take_start_line(std::string_view line) noexcept {
        head.fields_begin = static_cast<std::uint32_t>(line.size() + 2);
        return parse_status_line(line, strict, head);
    }
    errc take_field(std::string_view name, std::string_view value) noexcept { return framing.take(name, value); }
    errc take_fold(std::string_view lines, std::string_view line) noexcept {
        if (lines.size() == head.fields_begin) return errc::bad_field_folding;
        if (const errc e = check_folded_line(line); e != no_error) return e;
        // Where somebody takes the line for a field of its own, it must not be one that tells where the message ends.
        if (framing_fields::is_length_or_coding(name_like(line))) return errc::bad_field_folding;
        if (lines.size() != folded_end)
            if (const errc e = framing.take_fold(last_name(lines)); e != no_error) return e;
        folded_end = static_cast<std::uint32_t>(lines.size() + line.size());
        return no_error;
    }
    errc finish(std::string_view lines) noexcept {
        head.fields_size = static_cast<std::uint32_t>(lines.size() - head.fields_begin);
        return framing.check(head.version_minor);
    }

    response_head head;
    framing_fields framing;
    bool strict = false;
    std::uint32_t folded_end = 0;  // behind the last line that goes on with a field; 0: there is none

private:
    static std::string_view last_name(std::string_view lines) noexcept {
        const std::string_view line = lines.substr(lines.rfind('\n', lines.size() - 2) + 1);
        return line.substr(0, line.find(':'));
    }
};

}  // namespace hotpool::http
