// A client's first message, read off the wire: taken apart (RFC 8446, 4.1.2) and summed up.
//
//     hello_listener listener;                      // raw TCP: reads one hello of each connection, then closes it
//     open(io, tls_transport(listener.target(), options));
//     CHECK(listener.hellos().at(0).summary() == "t13i0307h1_...");
#pragma once

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hotpool/base/origin.hpp"
#include "support/certificates.hpp"
#include "support/loopback_server.hpp"

namespace hotpool::test {

using codes = std::vector<unsigned>;

/// Bytes taken from the front; throws where there are not enough.
class byte_cursor {
public:
    explicit byte_cursor(std::string_view bytes) : rest_(bytes) {}
    unsigned number(std::size_t size) {
        unsigned value = 0;
        for (const char byte : take(size)) value = value << 8 | static_cast<unsigned char>(byte);
        return value;
    }
    std::string_view take(std::size_t size) {
        if (size > rest_.size()) throw std::runtime_error("client hello: it ends too soon");
        const std::string_view taken = rest_.substr(0, size);
        rest_.remove_prefix(size);
        return taken;
    }
    /// What a length of `size` bytes stands before.
    byte_cursor vector(std::size_t size) { return byte_cursor(take(number(size))); }
    codes numbers() {
        codes all;
        while (!done()) all.push_back(number(2));
        return all;
    }
    std::string_view rest() const { return rest_; }
    bool done() const { return rest_.empty(); }

private:
    std::string_view rest_;
};

/// RFC 8701, 2: values that mean nothing, sent to keep servers tolerant.
inline bool is_grease(unsigned code) { return (code & 0x0f0f) == 0x0a0a && code >> 8 == (code & 0xff); }

struct client_hello {
    enum extension : unsigned {
        server_name = 0,
        supported_groups = 10,
        signature_algorithms = 13,
        alpn = 16,
        session_ticket = 35,
        pre_shared_key = 41,
        supported_versions = 43,
    };
    static constexpr unsigned renegotiation_signal = 0x00ff;  // RFC 5746, 3.3: no cipher, though it stands among them

    unsigned legacy_version = 0;
    codes ciphers;
    codes extensions;  // in the order that they were sent in
    std::map<unsigned, std::string> contents;

    static client_hello parse(std::string_view handshake) {
        byte_cursor message(handshake);
        if (message.number(1) != 1) throw std::runtime_error("no client hello");
        byte_cursor body = message.vector(3);
        client_hello hello;
        hello.legacy_version = body.number(2);
        body.take(32);
        body.vector(1);
        hello.ciphers = body.vector(2).numbers();
        body.vector(1);
        for (byte_cursor all = body.vector(2); !all.done();) {
            const unsigned type = all.number(2);
            hello.extensions.push_back(type);
            hello.contents[type] = all.vector(2).rest();
        }
        if (!body.done() || !message.done()) throw std::runtime_error("client hello: it goes on behind its end");
        return hello;
    }

    bool has(extension type) const { return contents.contains(type); }
    /// The 16-bit codes of an extension that is a list of them; none if it was not sent.
    codes list(extension type, std::size_t length_bytes = 2) const {
        if (!has(type)) return {};
        return byte_cursor(contents.at(type)).vector(length_bytes).numbers();
    }
    codes versions() const { return list(supported_versions, 1); }
    std::vector<std::string> protocols() const {
        std::vector<std::string> all;
        if (!has(alpn)) return all;
        for (byte_cursor names = byte_cursor(contents.at(alpn)).vector(2); !names.done();)
            all.emplace_back(names.vector(1).rest());
        return all;
    }
    codes true_ciphers() const {
        codes all = ciphers;
        std::erase(all, renegotiation_signal);
        return all;
    }
    bool has_grease() const {
        for (const codes& all : {ciphers, extensions, list(supported_groups), list(signature_algorithms), versions()})
            if (std::any_of(all.begin(), all.end(), is_grease)) return true;
        return false;
    }

    /// JA4-style: made as FoxIO's JA4 of TLS clients says, for TLS over TCP and hellos without GREASE.
    /// @source https://github.com/FoxIO-LLC/ja4/blob/main/technical_details/JA4.md
    std::string summary() const {
        const codes offered = versions();
        const unsigned version = offered.empty() ? legacy_version : *std::max_element(offered.begin(), offered.end());
        const std::vector<std::string> names = protocols();
        return std::string("t") + version_name(version) + (has(server_name) ? "d" : "i") + count(ciphers) +
               count(extensions) + ends(names.empty() ? "" : names.front()) + "_" + cipher_hash(ciphers) + "_" +
               extension_hash(extensions, list(signature_algorithms));
    }

    static std::string cipher_hash(codes all) {
        std::sort(all.begin(), all.end());
        return hash(joined(all));
    }
    static std::string extension_hash(codes all, const codes& signatures) {
        std::erase_if(all, [](unsigned type) { return type == server_name || type == alpn; });
        std::sort(all.begin(), all.end());
        return hash(joined(all) + (signatures.empty() ? "" : "_" + joined(signatures)));
    }

private:
    static const char* version_name(unsigned version) {
        return version == 0x0304 ? "13" : version == 0x0303 ? "12" : "00";
    }
    static std::string text(const char* format, unsigned value) {
        std::array<char, 16> room{};
        std::snprintf(room.data(), room.size(), format, value);
        return room.data();
    }
    static std::string count(const codes& all) {
        return text("%02u", static_cast<unsigned>(std::min<std::size_t>(all.size(), 99)));
    }
    static std::string ends(const std::string& name) {
        if (name.empty()) return "00";
        const auto plain = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
        if (plain(name.front()) && plain(name.back())) return {name.front(), name.back()};
        return {text("%02x", static_cast<unsigned char>(name.front())).front(),
                text("%02x", static_cast<unsigned char>(name.back())).back()};
    }
    static std::string joined(const codes& all) {
        std::string list;
        for (const unsigned code : all) list += (list.empty() ? "" : ",") + text("%04x", code);
        return list;
    }
    static std::string hash(const std::string& list) {
        if (list.empty()) return "000000000000";
        return x509::to_hex(x509::sha256({list.begin(), list.end()})).substr(0, 12);
    }
};

/// Reads the first message of each connection and says nothing.
class hello_listener {
public:
    hello_listener() : server_([this](server_connection& c) { read(c); }) {}

    origin target(std::string host = "127.0.0.1") const { return {.host = std::move(host), .port = server_.port()}; }
    std::vector<client_hello> hellos() const {
        const std::lock_guard lock(mutex_);
        return hellos_;
    }

private:
    // A message may be spread over several records (RFC 8446, 5.1).
    void read(server_connection& c) {
        std::string message;
        do {
            const std::string record_head = c.read_exactly(5);
            byte_cursor head(record_head);
            if (head.number(1) != 22) throw std::runtime_error("no handshake record");
            head.take(2);
            message += c.read_exactly(head.number(2));
        } while (message.size() < 4 || message.size() < 4 + byte_cursor(std::string_view(message).substr(1)).number(3));
        const std::lock_guard lock(mutex_);
        hellos_.push_back(client_hello::parse(message));
    }

    mutable std::mutex mutex_;
    std::vector<client_hello> hellos_;
    loopback_server server_;
};

}  // namespace hotpool::test
