// Addresses and blocks from text: against a reader by another hand, and written and read again.
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/fuzz.hpp"
#include "hotpool/base/ip_address.hpp"
#include "hotpool/base/ip_block.hpp"

using namespace hotpool;
using hotpool::fuzz::require;

namespace {

/// 1 to `digits` digits of that base with a value of at most `most`; -1 if it is anything else.
long plain_number(std::string_view text, std::size_t digits, int base, long most) {
    const std::string_view known = base == 16 ? "0123456789abcdefABCDEF" : "0123456789";
    if (text.empty() || text.size() > digits || text.find_first_not_of(known) != std::string_view::npos) return -1;
    const long value = std::stol(std::string(text), nullptr, base);
    return value <= most ? value : -1;
}

std::vector<std::string_view> split(std::string_view text, char mark) {
    std::vector<std::string_view> parts;
    for (;;) {
        const std::size_t end = text.find(mark);
        parts.push_back(text.substr(0, end));
        if (end == std::string_view::npos) return parts;
        text.remove_prefix(end + 1);
    }
}

using plain_bytes = std::vector<unsigned char>;

std::optional<plain_bytes> plain_v4(std::string_view text) {
    plain_bytes bytes;
    for (const std::string_view part : split(text, '.')) {
        const long value = plain_number(part, 3, 10, 255);
        if (value < 0 || (part.size() > 1 && part.front() == '0')) return std::nullopt;
        bytes.push_back(static_cast<unsigned char>(value));
    }
    return bytes.size() == 4 ? std::optional{bytes} : std::nullopt;
}

/// Groups between colons, the last of which may be an IPv4 address.
std::optional<plain_bytes> plain_groups(std::string_view text, bool v4_may_end) {
    plain_bytes bytes;
    if (text.empty()) return bytes;
    const auto parts = split(text, ':');
    for (std::size_t i = 0; i < parts.size(); ++i) {
        if (v4_may_end && i + 1 == parts.size() && parts[i].find('.') != std::string_view::npos) {
            const auto v4 = plain_v4(parts[i]);
            if (!v4) return std::nullopt;
            bytes.insert(bytes.end(), v4->begin(), v4->end());
            continue;
        }
        const long value = plain_number(parts[i], 4, 16, 0xffff);
        if (value < 0) return std::nullopt;
        bytes.push_back(static_cast<unsigned char>(value >> 8));
        bytes.push_back(static_cast<unsigned char>(value & 0xff));
    }
    return bytes;
}

std::optional<plain_bytes> plain_v6(std::string_view text) {
    const std::size_t gap = text.find("::");
    if (gap == std::string_view::npos) {
        auto bytes = plain_groups(text, true);
        return bytes && bytes->size() == 16 ? bytes : std::nullopt;
    }
    auto bytes = plain_groups(text.substr(0, gap), false);
    const auto behind = plain_groups(text.substr(gap + 2), true);
    if (!bytes || !behind || bytes->size() + behind->size() > 14) return std::nullopt;
    bytes->resize(16 - behind->size());
    bytes->insert(bytes->end(), behind->begin(), behind->end());
    return bytes;
}

/// The bytes of an address of either family, without a zone.
std::optional<plain_bytes> plain_address(std::string_view text) {
    return text.find(':') != std::string_view::npos ? plain_v6(text) : plain_v4(text);
}

/// Whether `text` is an address, and behind a slash how many of its bits count, the others being 0.
bool is_plain_block(std::string_view text) {
    const std::size_t slash = text.find('/');
    const auto bytes = plain_address(text.substr(0, slash));
    if (!bytes || slash == std::string_view::npos) return bytes.has_value();
    const std::string_view digits = text.substr(slash + 1);
    const long length = plain_number(digits, 3, 10, static_cast<long>(bytes->size() * 8));
    if (length < 0 || digits != std::to_string(length)) return false;
    for (std::size_t bit = static_cast<std::size_t>(length); bit < bytes->size() * 8; ++bit)
        if ((((*bytes)[bit / 8] >> (7 - bit % 8)) & 1) != 0) return false;
    return true;
}

void check_address(std::string_view text) {
    const auto address = ip_address::parse(text);
    const std::string_view digits = text.substr(0, text.find('%'));
    const bool has_zone = digits.size() != text.size();
    const auto wanted = plain_address(digits);
    const bool zone_is_good = has_zone && wanted && wanted->size() == 16 && text[digits.size() + 1] != '0' &&
                              plain_number(text.substr(digits.size() + 1), 10, 10, 0xffffffffl) > 0;
    require(address.has_value() == (wanted.has_value() && (!has_zone || zone_is_good)), "both take or refuse it");
    if (!address) return;
    plain_bytes bytes;
    if (address->is_v4())
        for (const auto b : address->v4_bytes()) bytes.push_back(b);
    if (address->is_v6())
        for (const auto b : address->v6_bytes()) bytes.push_back(b);
    require(bytes == *wanted, "both read the same bytes");
    require(has_zone == (address->scope_id() != 0), "a zone is kept");
    require(ip_address::parse(address->to_string()) == *address, "an address is written as it is read");
    require(!address->unmapped().is_v4_mapped(), "unmapped");
}

void check_block(std::string_view text) {
    const auto block = ip_block::parse(text);
    bool taken = true;
    try {
        require(ip_block{text} == block.value_or(ip_block{}), "the constructor reads what parse reads");
    } catch (const std::invalid_argument&) {
        taken = false;
    }
    require(taken == block.has_value(), "the constructor refuses what parse refuses");
    require(taken == is_plain_block(text), "both take or refuse it");
    if (!block) return;
    require(block->prefix_length() <= block->address().bits(), "a prefix fits its address");
    require(block->contains(block->address()), "a block has its address");
    require(ip_block::around(block->address(), block->prefix_length()) == *block, "no bit behind the prefix");
    require(ip_block::parse(block->to_string()) == *block, "a block is written as it is read");
    require(!block->unmapped().address().is_v4_mapped() || block->prefix_length() < 96, "unmapped");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text{fuzz::input(data, size).rest()};
    check_address(text);
    check_block(text);
    return 0;
}
