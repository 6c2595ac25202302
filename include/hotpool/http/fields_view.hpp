// The fields of a head, read from its text where it lies.
#pragma once

#include <cstddef>
#include <iterator>
#include <optional>
#include <string_view>

#include "hotpool/http/field_line.hpp"
#include "hotpool/http/grammar.hpp"

namespace hotpool::http {

/// A forward range over validated field lines, each with its CRLF; nothing is indexed, so a head needs no
/// memory beyond its text.
/// @lifetime the text must outlive the range and the views it hands out
/// @cost a walk over the text per pass or lookup
class fields_view {
public:
    class iterator {
    public:
        using iterator_category = std::forward_iterator_tag;
        using iterator_concept = std::forward_iterator_tag;
        using value_type = field;
        using difference_type = std::ptrdiff_t;
        using pointer = const field*;
        using reference = const field&;

        iterator() = default;
        explicit iterator(std::string_view rest) noexcept : rest_(rest) { split(); }

        reference operator*() const noexcept { return current_; }
        pointer operator->() const noexcept { return &current_; }
        iterator& operator++() noexcept {
            rest_.remove_prefix(line_size_);
            split();
            return *this;
        }
        iterator operator++(int) noexcept {
            iterator before = *this;
            ++*this;
            return before;
        }
        friend bool operator==(const iterator& a, const iterator& b) noexcept {
            return a.rest_.size() == b.rest_.size();
        }

    private:
        void split() noexcept {
            if (rest_.empty()) return;
            const std::size_t colon = rest_.find(':');
            const std::size_t line_end = rest_.find('\r', colon);
            current_.name = rest_.substr(0, colon);
            current_.value = trim(rest_.substr(colon + 1, line_end - colon - 1));
            line_size_ = line_end + 2;
        }

        std::string_view rest_;
        std::size_t line_size_ = 0;
        field current_;
    };

    fields_view() = default;
    /// @param text field lines that `take_field_lines` accepts, without the empty line
    explicit fields_view(std::string_view text) noexcept : text_(text) {}

    iterator begin() const noexcept { return iterator{text_}; }
    iterator end() const noexcept { return iterator{text_.substr(text_.size())}; }
    bool empty() const noexcept { return text_.empty(); }
    std::string_view text() const noexcept { return text_; }

    /// The value of the first field of that name, ignoring case.
    std::optional<std::string_view> find(std::string_view name) const noexcept {
        for (const field& f : *this)
            if (equals_ignoring_case(f.name, name)) return f.value;
        return std::nullopt;
    }
    bool has(std::string_view name) const noexcept { return find(name).has_value(); }

private:
    std::string_view text_;
};

}  // namespace hotpool::http
