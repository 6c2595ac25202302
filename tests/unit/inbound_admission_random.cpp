// Random connections, requests, blocks and options: the admission and a naive one must agree after each step.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <hotpool/inbound/admission.hpp>

#include "support/catch.hpp"
#include "support/reference_admission.hpp"

using namespace hotpool;
using namespace hotpool::inbound;
using namespace hotpool::test;
using namespace std::chrono_literals;

namespace {

/// Eighteen addresses in twelve groups: IPv4, the same mapped, and pairs of one IPv6 network.
ip_address some_address(unsigned number) {
    const auto low = static_cast<unsigned char>(number / 3 % 6);
    if (number % 3 == 0) return ip_address{ip_address::v4_bytes_type{192, 0, 2, low}};
    if (number % 3 == 1)
        return ip_address{ip_address::v6_bytes_type{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, low}};
    return ip_address{{0x20, 1, 0xd, 0xb8, 0, 0, 0, low, 1}, number};
}

template <class Quota>
class run {
public:
    explicit run(unsigned seed)
        : random_(seed),
          options_{.max_connections_per_group = up_to(4),
                   .max_connections = up_to(12),
                   .max_handshakes = up_to(8),
                   .max_requests_per_group = 1 + up_to(6),
                   .request_window = std::chrono::nanoseconds(60'000'000'000 + up_to(7)),
                   .busy_retry_after = std::chrono::seconds(up_to(3)),
                   .max_groups = 1 + up_to(11)},
          begins_(now_ - std::chrono::seconds(up_to(59))),
          real_(options_, begins_, seed),
          reference_(options_, begins_) {
        if (up_to(1) == 0) options_.proxies = trusted_proxies{{ip_block{some_address(0)}}};
        change_options();
    }

    /// Empty when both agreed all the way, else the first step at which they did not.
    std::string operator()() {
        for (int i = 0; i < 400; ++i) {
            const char* const wrong = step();
            if (*wrong != '\0') return std::string(wrong) + ", step " + std::to_string(i);
        }
        while (!tickets_.empty()) {
            if (real_.connection_ended(tickets_.back()) != ticket_use::taken) return "end";
            reference_.connection_ended(tickets_.size() - 1);
            tickets_.pop_back();
        }
        return real_.check() && real_.counts().connections == 0 && real_.counts().half_open == 0 ? "" : "end";
    }

private:
    using answer = typename reference_admission<Quota>::answer;

    unsigned up_to(unsigned most) { return static_cast<unsigned>(random_() % (most + 1)); }
    static bool same(const admission_verdict& real, const answer& wanted) {
        return real.refused == wanted.refused && real.retry_after == wanted.retry_after;
    }

    const char* step() {
        const char* const wrong = act();
        return *wrong != '\0' ? wrong : compare();
    }

    const char* act() {
        const ip_address address = some_address(up_to(17));
        const std::size_t place = tickets_.empty() ? 0 : up_to(static_cast<unsigned>(tickets_.size()) - 1);
        switch (up_to(15)) {
            case 0:
            case 1:
            case 2:
            case 3: {
                admission_verdict verdict = real_.connection_offered(address, now_);
                if (!same(verdict, reference_.connection_offered(0, address, now_))) return "connection";
                if (verdict.admitted()) tickets_.push_back(std::move(verdict.ticket));
                return "";
            }
            case 4:
            case 5:
                if (tickets_.empty()) return "";
                if (real_.connection_ended(tickets_[place]) != ticket_use::taken) return "ended";
                if (real_.connection_ended(tickets_[place]) != ticket_use::empty) return "ended twice";
                tickets_.erase(tickets_.begin() + static_cast<std::ptrdiff_t>(place));
                reference_.connection_ended(place);
                return "";
            case 6:
                if (tickets_.empty()) return "";
                if (real_.handshake_done(tickets_[place]) != ticket_use::taken) return "handshake";
                reference_.connections[place].half_open = false;
                return "";
            case 7:
            case 8: {
                if (tickets_.empty()) return "";
                const peer_group group = reference_.connections[place].group;
                return same(real_.request_offered(tickets_[place], now_), reference_.request_offered(group, now_))
                           ? ""
                           : "request by ticket";
            }
            case 9:
            case 10:
            case 11:
                return same(real_.request_offered(address, now_), reference_.request_offered(address, now_))
                           ? ""
                           : "request by address";
            case 12: {
                if (tickets_.empty()) return "";
                return same(real_.client_named(tickets_[place], address, now_),
                            reference_.client_named(place, address, now_))
                           ? ""
                           : "client named";
            }
            case 13: {
                const time_point until = now_ + std::chrono::seconds(up_to(40)) - 5s;
                return real_.block(address, until, now_) == reference_.block(address, until, now_) ? "" : "block";
            }
            case 14: change_something(address); return "";
            default:
                // Mostly a little; sometimes to the end of a window, or a nanosecond before it.
                if (up_to(3) == 0) {
                    const duration window = options_.request_window;
                    now_ += window - (now_ - begins_) % window - std::chrono::nanoseconds(up_to(1));
                } else {
                    now_ += std::chrono::milliseconds(up_to(1) == 0 ? up_to(300) : up_to(30'000));
                }
                return "";
        }
    }

    void change_something(const ip_address& address) {
        switch (up_to(3)) {
            case 0:
                real_.resources_ran_short();
                reference_.set_short(true);
                break;
            case 1:
                options_.max_connections_per_group = up_to(4);
                options_.max_connections = up_to(12);
                options_.max_handshakes = up_to(8);
                change_options();
                break;
            case 2: {
                const time_point until = now_ + std::chrono::seconds(up_to(20));
                real_.access().deny(address, until);
                reference_.access.deny(address, until);
                break;
            }
            default: real_.resources_recovered(); reference_.set_short(false);
        }
    }
    void change_options() {
        real_.set_options(options_);
        reference_.set_options(options_);
    }

    const char* compare() {
        if (!real_.check()) return "check";
        const admission_counts counts = real_.counts();
        if (counts.connections != reference_.connections.size()) return "connections";
        if (counts.half_open != reference_.half_open()) return "half-open";
        std::vector<peer_group> groups;
        const char* wrong = "";
        real_.for_each_group(now_, [&](const group_status& s) {
            groups.push_back(s.group);
            if (s.connections != reference_.of_group(s.group)) wrong = "connections of a group";
            if (s.requests_after != reference_.wait(s.group, now_)) wrong = "wait of a group";
        });
        std::sort(groups.begin(), groups.end());
        if (groups != reference_.groups()) return "groups that are remembered";
        for (std::size_t i = 0; i < tickets_.size(); ++i)
            if (tickets_[i].group() != reference_.connections[i].group ||
                tickets_[i].half_open() != reference_.connections[i].half_open)
                return "ticket";
        return wrong;
    }

    std::mt19937 random_;
    time_point now_{2h};
    admission_options options_;
    time_point begins_;
    basic_admission<Quota> real_;
    reference_admission<Quota> reference_;
    std::vector<admission_ticket> tickets_;
};

}  // namespace

TEMPLATE_TEST_CASE("random_events_leave_the_admission_in_agreement_with_its_reference", "[inbound]", fixed_window,
                   sliding_window, token_bucket) {
    for (unsigned seed = 0; seed < 150; ++seed) {
        const std::string disagreement = run<TestType>{seed}();
        if (!disagreement.empty()) FAIL(disagreement + ", seed " + std::to_string(seed));
    }
    SUCCEED();
}
