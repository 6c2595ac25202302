// Forwarded addresses: against a reader by another hand, which goes from the front where it can.
//
// Input: a byte for the field, a byte for which proxies are trusted, then the lines of the field.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <regex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fuzz/fuzz.hpp"
#include "hotpool/inbound/forwarded.hpp"

using namespace hotpool;
using namespace hotpool::inbound;
using hotpool::fuzz::require;

namespace {

using hop = std::optional<ip_address>;

const std::regex& plain(const char* text) {
    static std::vector<std::pair<const char*, std::regex>> known;
    for (const auto& [pattern, compiled] : known)
        if (pattern == text) return compiled;
    return known.emplace_back(text, std::regex(text, std::regex::ECMAScript)).second;
}

hop plain_host(const std::string& text, ip_family family) {
    const hop address = ip_address::parse(text);
    return address && address->family() == family && address->scope_id() == 0 ? address : std::nullopt;
}

bool is_plain_port(const std::string& text) { return text.empty() || std::stoul(text.substr(1)) <= 65535; }

hop plain_address(const std::string& text) {
    static constexpr char v4[] = "([0-9.]+)(:[0-9]{1,5})?", v6[] = "([0-9A-Fa-f:.]+)";
    static constexpr char bracketed[] = "\\[([0-9A-Fa-f:.]+)\\](:[0-9]{1,5})?";
    std::smatch parts;
    if (std::regex_match(text, parts, plain(v4)) && is_plain_port(parts[2])) return plain_host(parts[1], ip_family::v4);
    if (std::regex_match(text, parts, plain(bracketed)) && is_plain_port(parts[2]))
        return plain_host(parts[1], ip_family::v6);
    if (std::regex_match(text, parts, plain(v6))) return plain_host(parts[1], ip_family::v6);
    return std::nullopt;
}

hop plain_node(const std::string& text) {
    static constexpr char v4[] = "([0-9.]+)(:(?:[0-9]{1,5}|_[0-9A-Za-z._-]+))?";
    static constexpr char bracketed[] = "\\[([0-9A-Fa-f:.]+)\\](:(?:[0-9]{1,5}|_[0-9A-Za-z._-]+))?";
    const auto port_fits = [](const std::string& port) {
        return (!port.empty() && port[1] == '_') || is_plain_port(port);
    };
    std::smatch parts;
    if (std::regex_match(text, parts, plain(v4)) && port_fits(parts[2])) return plain_host(parts[1], ip_family::v4);
    if (std::regex_match(text, parts, plain(bracketed)) && port_fits(parts[2]))
        return plain_host(parts[1], ip_family::v6);
    return std::nullopt;
}

/// One parameter after the other, character by character.
hop plain_forwarded(const std::string& text) {
    static constexpr std::string_view token =
        "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    const auto skip_token = [&](std::size_t at) { return std::min(text.find_first_not_of(token, at), text.size()); };
    std::vector<std::string> nodes;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text[at] == ';') continue;
        const std::size_t equals = skip_token(at);
        if (equals == at || equals == text.size() || text[equals] != '=') return std::nullopt;
        std::string name = text.substr(at, equals - at), value;
        for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        at = equals + 1;
        if (at < text.size() && text[at] == '"') {
            for (++at;; ++at) {
                if (at >= text.size()) return std::nullopt;
                if (text[at] == '"') break;
                const auto c = static_cast<unsigned char>(text[at]);
                if ((c < 0x20 && c != '\t') || c == 0x7f) return std::nullopt;
                value += text[at];
                if (c == '\\' && ++at < text.size()) value += text[at];
            }
            ++at;
        } else {
            const std::size_t end = skip_token(at);
            if (end == at) return std::nullopt;
            value = text.substr(at, end - at);
            at = end;
        }
        if (name == "for") nodes.push_back(value);
        if (at < text.size() && text[at] != ';') return std::nullopt;
    }
    return nodes.size() == 1 ? plain_node(nodes[0]) : std::nullopt;
}

/// The line's elements from the front. Where quotation marks are, the line is read in reverse, in which a quoted string
/// ends at the first mark that no odd number of backslashes follows.
std::vector<std::string> plain_elements(std::string_view line, bool quotes) {
    std::vector<std::string> elements(1);
    const std::string reversed(line.rbegin(), line.rend());
    bool quoted = false;
    const auto is_mark = [&](std::size_t at) {
        const std::size_t behind = std::min(reversed.find_first_not_of('\\', at + 1), reversed.size());
        return quotes && reversed[at] == '"' && (!quoted || (behind - at - 1) % 2 == 0);
    };
    // A string that is not closed takes in all that is left of it.
    for (std::size_t at = 0; at < reversed.size(); ++at) {
        if (is_mark(at)) quoted = !quoted;
        if (reversed[at] == ',' && !quoted)
            elements.emplace_back();
        else
            elements.back() += reversed[at];
    }
    for (std::string& element : elements) {
        element.assign(element.rbegin(), element.rend());
        element.erase(0, std::min(element.find_first_not_of(" \t"), element.size()));
        element.erase(element.find_last_not_of(" \t") + 1);
    }
    return {elements.rbegin(), elements.rend()};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::input from(data, size);
    const auto field = from.byte() % 2 == 0 ? forwarded_field::x_forwarded_for : forwarded_field::forwarded;
    const bool quotes = field == forwarded_field::forwarded;
    const unsigned trusted = from.byte();
    std::vector<ip_block> blocks;
    if (trusted % 2 == 0) blocks.emplace_back("10.0.0.0/8");
    if (trusted % 4 < 2) blocks.emplace_back("2001:db8::/32");
    if (trusted % 8 < 4) blocks.emplace_back("192.0.2.0/24");
    const trusted_proxies proxies{blocks};
    const ip_address peer = ip_address::parse("10.0.0.1").value();

    client_finder finder{peer, field, proxies};
    std::vector<hop> hops;
    while (!from.empty()) {
        const std::string_view line = from.text('\n');
        finder.line_received(line);
        for (const std::string& element : plain_elements(line, quotes))
            hops.push_back(quotes ? plain_forwarded(element) : plain_address(element));
    }
    const auto is_trusted = [&](const ip_address& address) {
        for (const ip_block& block : blocks)
            if (block.contains(address.unmapped())) return true;
        return false;
    };
    ip_address client = peer;
    for (; is_trusted(client) && !hops.empty() && hops.back(); hops.pop_back()) client = *hops.back();
    require(finder.client() == client, "both find the same client");
    return 0;
}
