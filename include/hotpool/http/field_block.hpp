// Field lines kept as the text that is sent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "hotpool/base/error.hpp"
#include "hotpool/http/field_line.hpp"
#include "hotpool/http/fields_view.hpp"
#include "hotpool/http/grammar.hpp"

namespace hotpool::http {

/// One of 64 bits for a field name, the same in any case; names with different bits differ.
constexpr std::uint64_t name_bit(std::string_view name) noexcept {
    if (name.empty()) return 0;
    const auto first = static_cast<unsigned char>(to_lower(name.front()));
    const auto last = static_cast<unsigned char>(to_lower(name.back()));
    return std::uint64_t{1} << ((name.size() * 5 + first * 5u + last * 2u) % 64);
}

/// A field name that is known when compiling.
struct known_name {
    template <std::size_t Size>
    consteval known_name(const char (&name)[Size]) noexcept : text(name, Size - 1), bit(name_bit(text)) {}

    std::string_view text;
    std::uint64_t bit;
};

/// A list of checked fields in order, serialised once, so that sending them is a copy.
/// @threads distinct objects only
class field_block {
public:
    /// Adds a field behind the others; spaces and tabs around the value are dropped.
    /// @return `no_error`, or `errc::invalid_field_name` or `errc::invalid_field_value` and nothing added
    errc append(std::string_view name, std::string_view value) {
        if (!is_token(name)) return errc::invalid_field_name;
        const std::string_view text = trim(value);
        if (!is_field_value(text)) return errc::invalid_field_value;
        text_.reserve(text_.size() + name.size() + text.size() + 4);
        text_.append(name).append(": ").append(text).append("\r\n");
        name_bits_ |= name_bit(name);
        return no_error;
    }

    /// Replaces all fields of that name by one, which goes behind the others.
    /// @return as `append`
    errc set(std::string_view name, std::string_view value) {
        const std::size_t before = text_.size();
        if (const errc e = append(name, value); e != no_error) return e;
        erase_before(before, name);
        return no_error;
    }

    void erase(std::string_view name) { erase_before(text_.size(), name); }

    void clear() noexcept {
        text_.clear();
        name_bits_ = 0;
    }

    bool empty() const noexcept { return text_.empty(); }
    /// All field lines, each with its CRLF.
    std::string_view text() const noexcept { return text_; }
    fields_view fields() const noexcept { return fields_view{text_}; }

    bool has(std::string_view name) const noexcept { return (name_bits_ & name_bit(name)) != 0 && fields().has(name); }
    /// @cost one test where nothing like it is there
    bool has_known(known_name name) const noexcept {
        if ((name_bits_ & name.bit) == 0) [[likely]]
            return false;
        return has(name.text);
    }
    std::optional<std::string_view> find(std::string_view name) const noexcept { return fields().find(name); }

    /// The bits of all names in the block, and possibly of some that were erased.
    std::uint64_t name_bits() const noexcept { return name_bits_; }

private:
    /// Drops the fields of that name among the first `end` bytes.
    void erase_before(std::size_t end, std::string_view name) {
        for (std::size_t at = 0; at < end;) {
            const std::string_view rest{text_.data() + at, end - at};
            const std::size_t line_size = rest.find('\n') + 1;
            if (equals_ignoring_case(rest.substr(0, rest.find(':')), name)) {
                text_.erase(at, line_size);
                end -= line_size;
            } else {
                at += line_size;
            }
        }
    }

    std::string text_;
    std::uint64_t name_bits_ = 0;
};

}  // namespace hotpool::http
