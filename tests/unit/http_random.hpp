// Random pieces of HTTP messages.
#pragma once

#include <cstddef>
#include <cstdio>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace hotpool::test {

/// What random requests and responses are made of.
class random_messages {
public:
    explicit random_messages(unsigned seed) : random_(seed) {}

    std::size_t up_to(std::size_t most) { return std::uniform_int_distribution<std::size_t>{0, most}(random_); }
    bool coin() { return up_to(1) == 0; }

    std::string text_of(std::string_view alphabet, std::size_t size) {
        std::string text;
        while (size-- > 0) text += alphabet[up_to(alphabet.size() - 1)];
        return text;
    }

    std::vector<std::size_t> cuts(std::size_t size) {
        std::vector<std::size_t> all;
        for (std::size_t at = 1; at < size; ++at)
            if (up_to(9) == 0) all.push_back(at);
        return all;
    }

    /// Replaces, removes or doubles one byte.
    std::string damage(std::string text) {
        constexpr std::string_view suspects{"\0\r\n :;,=\"0159aZ\t\x7f\xff", 19};
        const std::size_t at = up_to(text.size() - 1);
        switch (up_to(2)) {
            case 0: text[at] = suspects[up_to(suspects.size() - 1)]; break;
            case 1: text.erase(at, 1); break;
            default: text.insert(at, 1, text[at]); break;
        }
        return text;
    }

    std::string chunks(std::string_view body) {
        std::string text;
        while (!body.empty()) {
            const std::size_t size = 1 + up_to(body.size() - 1);
            char digits[20];
            std::snprintf(digits, sizeof digits, coin() ? "%zx" : "%03zX", size);
            text += std::string(digits) + (coin() ? ";e=1" : "") + "\r\n" + std::string(body.substr(0, size)) + "\r\n";
            body.remove_prefix(size);
        }
        return text + "0\r\n" + (coin() ? "T: x\r\n" : "") + "\r\n";
    }

private:
    std::mt19937 random_;
};

}  // namespace hotpool::test
