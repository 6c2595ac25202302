// A request head read by another hand: strictly, and sharing nothing with the library.
#pragma once

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hotpool::fuzz {

inline bool plain_equal(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

inline std::string_view plain_trim(std::string_view s) {
    while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
    while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
    return s;
}

using plain_field = std::pair<std::string, std::string>;

struct plain_request {
    std::string method, target;
    std::vector<plain_field> fields;

    std::vector<std::string> all(std::string_view name) const {
        std::vector<std::string> values;
        for (const plain_field& f : fields)
            if (plain_equal(f.first, name)) values.push_back(f.second);
        return values;
    }
    bool list_has(std::string_view name, std::string_view element) const {
        for (const std::string& value : all(name)) {
            std::string_view rest = value;
            for (;;) {
                const std::size_t comma = rest.find(',');
                if (plain_equal(plain_trim(rest.substr(0, comma)), element)) return true;
                if (comma == std::string_view::npos) break;
                rest.remove_prefix(comma + 1);
            }
        }
        return false;
    }
};

/// @return nothing unless `text` is one head and nothing else, each line of it as a strict reader wants it
inline std::optional<plain_request> read_plain_request(std::string_view text) {
    plain_request request;
    for (bool first = true;; first = false) {
        const std::size_t end = text.find("\r\n");
        if (end == std::string_view::npos) return std::nullopt;
        const std::string_view line = text.substr(0, end);
        text.remove_prefix(end + 2);
        if (line.empty()) break;
        for (const char c : line)
            if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f) return std::nullopt;
        if (first) {
            const std::size_t one = line.find(' ');
            const std::size_t two = line.find(' ', one + 1);
            if (one == std::string_view::npos || two == std::string_view::npos) return std::nullopt;
            if (one == 0 || two == one + 1 || line.substr(two) != " HTTP/1.1") return std::nullopt;
            request.method = line.substr(0, one);
            request.target = line.substr(one + 1, two - one - 1);
            continue;
        }
        const std::size_t colon = line.find(": ");
        if (colon == std::string_view::npos || colon == 0) return std::nullopt;
        const std::string_view name = line.substr(0, colon);
        for (const char c : name)
            if (static_cast<unsigned char>(c) <= ' ' || static_cast<unsigned char>(c) >= 0x7f ||
                std::string_view("\"(),/:;<=>?@[\\]{}").find(c) != std::string_view::npos)
                return std::nullopt;
        const std::string_view value = line.substr(colon + 2);
        if (plain_trim(value) != value) return std::nullopt;
        request.fields.emplace_back(name, value);
    }
    if (!text.empty() || request.method.empty()) return std::nullopt;
    return request;
}

}  // namespace hotpool::fuzz
