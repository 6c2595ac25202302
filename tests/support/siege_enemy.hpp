// The bad clients of a siege: one kind each, on a thread that gives way to everybody else's.
#pragma once

#include <netinet/tcp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "support/inbound_http.hpp"
#include "support/record_sealer.hpp"
#include "support/siege_kinds.hpp"
#include "support/siege_server.hpp"
#include "support/tls_meeting.hpp"

namespace hotpool::test {

/// Where good clients are whose address some of the bad ones share.
inline constexpr const char* siege_shared_address = "127.0.0.1";

/// @tparam Kind `accept_tcp` or `accept_tls`
template <class Kind>
class siege_enemy {
public:
    siege_enemy(siege_kind kind, std::uint16_t port) : kind_(kind), port_(port) {
        thread_ = std::thread([this] { run(); });
    }
    ~siege_enemy() { stop(); }
    /// All its clients are gone on return: whoever is to be ended by the server has been.
    void stop() {
        over_ = true;
        if (thread_.joinable()) thread_.join();
    }
    siege_kind kind() const noexcept { return kind_; }
    std::uint64_t connections() const noexcept { return connections_; }
    std::uint64_t acts() const noexcept { return acts_; }

private:
    void run() {
        // What bad clients cost is others' processors, not the server's. Under sanitizers that costs more, and they would
        // never have their turn.
        ::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), base::recycling ? 19 : 10);
        do {
            try {
                act();
            } catch (const std::exception&) {  // the server has ended its connection
            }
            ++acts_;
            std::this_thread::sleep_for(pause());
        } while (!over_ || acts_ < least_acts());
    }
    /// Until it has done all that it does by turns, and as often as that means something.
    std::uint64_t least_acts() const noexcept {
        if (kind_ == siege_kind::garbage) return siege_limits::errors_to_block + 5;
        return ends_at_once(kind_) ? 2 : 1;
    }
    void act() {
        switch (kind_) {
            case siege_kind::looks: return look();
            case siege_kind::silent: return keep_silent();
            case siege_kind::bare_records: return send_bare_records();
            case siege_kind::drips: return drip();
            case siege_kind::stalled_uploads: return stall();
            case siege_kind::slow_readers: return read_nothing();
            case siege_kind::departures: return depart();
            case siege_kind::unanswered: return ask_for_nothing();
            case siege_kind::blank_lines: return send_blank_lines();
            case siege_kind::garbage: return send_garbage();
            case siege_kind::greed: return ask_too_much();
            case siege_kind::crowd: return come_in_a_crowd();
        }
    }
    /// Short of what would only be a contest for processors.
    duration pause() const noexcept {
        return std::chrono::milliseconds(kind_ == siege_kind::looks ? 2 : kind_ == siege_kind::crowd ? 20 : 5);
    }

    // --- connections

    /// The next of so many addresses, which only this kind has, and after a while only this act: what one has done wrong
    /// does not keep out the next.
    const char* own_address(unsigned of) {
        const auto number = (acts_ * of + next_++ % of) % 240;
        address_ = "127.0." + std::to_string(10 + static_cast<unsigned>(kind_)) + '.' + std::to_string(1 + number);
        return address_.c_str();
    }
    client_socket come(const char* from) {
        client_socket socket(port_, "127.0.0.1", from);
        if (!socket.is_connected()) throw std::runtime_error("not connected");
        ++connections_;
        return socket;
    }
    /// Through its handshake, if there is one.
    http_peer enter(const char* from) {
        client_socket socket = come(from);
        if (Kind::handshakes && !socket.shake_hands()) throw std::runtime_error("not let in");
        return http_peer(std::move(socket));
    }
    std::vector<http_peer> enter(int count, unsigned addresses) {
        std::vector<http_peer> all;
        for (int i = 0; i < count; ++i) all.push_back(enter(own_address(addresses)));
        return all;
    }
    static void await_ends(std::vector<http_peer>& all) {
        for (http_peer& each : all) each.socket().wait_for_end();
    }
    static void leave(http_peer& peer) {
        peer.socket().end_sending();
        peer.socket().wait_for_end();
    }

    // --- deeds

    void look() {
        client_socket socket = come(siege_shared_address);
        if (acts_ % 2 == 0) socket.reset();
    }
    void keep_silent() {
        std::vector<client_socket> all;
        for (std::size_t i = 0; i < 2 * siege_limits::handshakes; ++i) all.push_back(come(own_address(12)));
        for (client_socket& each : all) each.wait_for_end();
    }
    void send_bare_records() {
        if constexpr (Kind::handshakes) {
            traffic_secrets secrets;
            const client_context context =
                make_client_context({.prepare = [&](SSL_CTX* c) { keep_secrets(c, secrets); }});
            client_socket socket = come(own_address(1));
            const std::unique_ptr<SSL, void (*)(SSL*)> ssl(SSL_new(context.get()), SSL_free);
            SSL_set_fd(ssl.get(), socket.fd());
            const bool in = SSL_connect(ssl.get()) == 1;
            ERR_clear_error();
            if (!in) throw std::runtime_error("not let in");
            record_sealer sealer(secrets.client);
            std::string flood;
            for (int i = 0; i < 2'000; ++i) flood += acts_ % 2 == 0 ? sealer.key_update() : sealer.data("");
            if (socket.write(flood)) socket.wait_for_end();
        }
    }
    /// A byte of each at a time, until the server has had enough.
    void drip() {
        std::vector<http_peer> all = enter(8, 4);
        const std::string long_head = get("/now/0", "X: " + std::string(4'000, 'x') + "\r\n");
        const std::string long_body = post("/now/0", std::string(4'000, 'x'));
        const std::size_t head_size = long_body.find("\r\n\r\n") + 4;
        std::vector<std::size_t> at(all.size(), 0);
        for (std::size_t i = 0; i < all.size(); i += 2) all[i].send(long_body.substr(0, at[i] = head_size));
        std::size_t left = all.size();
        for (int rounds = 0; left != 0 && rounds < 2'000; ++rounds) {
            for (std::size_t i = 0; i < all.size(); ++i) {
                if (all[i].socket().fd() < 0) continue;
                if (all[i].send((i % 2 == 0 ? long_body : long_head).substr(at[i]++, 1))) continue;
                all[i].socket().close();
                --left;
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
    }
    void stall() {
        constexpr std::size_t size = 1'000'000;
        std::vector<http_peer> all = enter(20, 10);
        const std::string begun = post("/now/0", std::string(size, 'u'));
        for (http_peer& each : all) each.send(std::string_view(begun).substr(0, size * 3 / 5));
        await_ends(all);
    }
    void read_nothing() {
        std::vector<http_peer> all = enter(4, 4);
        const int small = 4096;
        for (http_peer& each : all) {
            ::setsockopt(each.socket().fd(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
            each.send(get("/large/0"));
        }
        for (http_peer& each : all) {
            pollfd cut{each.socket().fd(), 0, 0};
            ::poll(&cut, 1, static_cast<int>(std::chrono::milliseconds(plenty).count()));
        }
    }
    void depart() {
        std::vector<http_peer> all = enter(4, 4);
        for (http_peer& each : all) each.send(get("/slow/0"));
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        for (std::size_t i = 0; i < all.size(); ++i)
            if (i % 2 == 0)
                all[i].socket().reset();
            else
                leave(all[i]);
    }
    void ask_for_nothing() {
        std::vector<http_peer> all = enter(4, 4);
        for (http_peer& each : all) each.send(get("/never/0"));
        await_ends(all);
    }
    /// One is passed over; many are no request.
    void send_blank_lines() {
        http_peer peer = enter(own_address(1));
        for (int i = 0; i < 5; ++i)
            if (peer.status_of(post("/now/0", "body") + "\r\n") != 200) throw std::runtime_error("not answered");
        if (acts_ % 2 != 0) {
            for (int i = 0; i < 100; ++i) peer.send("\r\n");
            peer.socket().wait_for_end();
        } else {
            leave(peer);
        }
    }
    void send_garbage() {
        std::string noise = "\x01\x02\x03 no request is this\r\n\r\n";
        for (unsigned i = 0; i < 100; ++i) noise += static_cast<char>(i * 37 + acts_);
        if (Kind::handshakes && acts_ % 2 == 0) {
            client_socket socket = come(siege_shared_address);
            socket.write(noise);
            socket.wait_for_end();
        } else {
            http_peer peer = enter(siege_shared_address);
            peer.send(noise);
            peer.socket().wait_for_end();
        }
    }
    /// Until it is told that it is too much.
    void ask_too_much() {
        http_peer peer = enter(own_address(1));
        std::string hundred;
        for (int i = 0; i < 100; ++i) hundred += get("/now/0");
        bool told = false;
        for (int round = 0; round < 20 && !told; ++round) {
            if (!peer.send(hundred)) break;
            for (int i = 0; i < 100; ++i) {
                const auto seen = peer.read();
                if (!seen) throw std::runtime_error("not answered");
                told = told || seen->status == 429;
            }
        }
        leave(peer);
    }
    void come_in_a_crowd() {
        std::vector<client_socket> all;
        for (std::uint32_t i = 0; i < siege_limits::connections_per_group + 8; ++i) all.push_back(come(own_address(1)));
        // The last are those who are refused.
        for (std::size_t i = siege_limits::connections_per_group; i < all.size(); ++i) all[i].read_to_end();
    }

    const siege_kind kind_;
    const std::uint16_t port_;
    std::string address_;
    unsigned next_ = 0;
    std::atomic<bool> over_{false};
    std::atomic<std::uint64_t> connections_{0};
    std::atomic<std::uint64_t> acts_{0};
    std::thread thread_;
};

}  // namespace hotpool::test
