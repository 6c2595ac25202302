// The number of rounds that a section is asked for.
#pragma once

#include <charconv>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

namespace bench {

inline int parse_rounds(std::string_view text) {
    int rounds = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), rounds);
    if (error != std::errc{} || end != text.data() + text.size() || rounds < 1)
        throw std::invalid_argument{"not a number of rounds: " + std::string{text}};
    return rounds;
}

}  // namespace bench
