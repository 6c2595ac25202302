#include "server.hpp"

#include <boost/asio/ip/address.hpp>
#include <boost/beast/http/field.hpp>
#include <boost/beast/http/status.hpp>
#include <boost/beast/websocket/rfc6455.hpp>

#include <hotpool/inbound/forwarded.hpp>
#include <hotpool/inbound/random_bytes.hpp>

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

#include "base64.hpp"

namespace signaling {

namespace {

namespace http = beast::http;
namespace inbound = hotpool::inbound;
using websocket::close_code;

hotpool::time_point now() { return hotpool::clock_type::now(); }

hotpool::ip_address as_address(const asio::ip::address& address) {
    if (address.is_v4()) return hotpool::ip_address(address.to_v4().to_bytes());
    return hotpool::ip_address(address.to_v6().to_bytes());
}

std::string_view as_view(beast::string_view text) { return {text.data(), text.size()}; }

server::refusal refusal_of(const server::upgrade& head, http::status status) {
    server::refusal reply(status, head.version());
    reply.set(http::field::content_type, "text/plain");
    reply.body() = std::string(http::obsolete_reason(status)) + '\n';
    reply.keep_alive(false);
    reply.prepare_payload();
    return reply;
}

server::refusal refusal_of(const server::upgrade& head, const inbound::admission_verdict& verdict) {
    const bool too_many = verdict.refused == inbound::refuse_reason::group_requests ||
                          verdict.refused == inbound::refuse_reason::group_connections;
    auto reply = refusal_of(head, too_many ? http::status::too_many_requests : http::status::forbidden);
    const auto wait = std::chrono::ceil<std::chrono::seconds>(verdict.retry_after);
    if (wait.count() > 0) reply.set(http::field::retry_after, std::to_string(wait.count()));
    return reply;
}

close_code code_of(inbound::close_reason why) {
    switch (why) {
        case inbound::close_reason::slow_reader: return close_code::policy_error;
        case inbound::close_reason::protocol_error: return close_code::unknown_data;
        default: return close_code::going_away;
    }
}

}  // namespace

server::server(asio::io_context& context, const options& with, asio::ssl::context tls, std::function<void()> gone)
    : options_(with),
      tls_(std::move(tls)),
      gone_(std::move(gone)),
      admission_(with.admission, now(), inbound::random_seed()),
      registry_(with.queues),
      supervisor_(with.life, inbound::random_seed()),
      timer_(context) {}

void server::connected(asio::ip::tcp::socket socket) {
    boost::system::error_code error;
    const auto remote = socket.remote_endpoint(error);
    if (error) return;
    const auto peer = as_address(remote.address());
    // Before the handshake, so that a refusal costs next to nothing: the socket is closed.
    auto verdict = admission_.connection_offered(peer, now());
    if (!verdict.admitted()) return;
    socket.set_option(asio::ip::tcp::no_delay(true), error);
    const auto s = std::make_shared<session>(*this, std::move(socket), tls_, peer, std::move(verdict.ticket),
                                             inbound::random_connection_id());
    supervisor_.accepted(*s, now());
    supervisor_.handshake_begun(*s);
    s->start();
    act();
}

std::variant<device, server::refusal> server::upgrade_offered(session& s, const upgrade& head) {
    const auto verdict = admit(s, head);
    if (!verdict.admitted()) return refusal_of(head, verdict);
    constexpr std::string_view path = "/v1/ws?d=";
    const auto target = as_view(head.target());
    if (!target.starts_with(path)) return refusal_of(head, http::status::not_found);
    if (!websocket::is_upgrade(head)) return refusal_of(head, http::status::upgrade_required);
    const auto description = decode_base64url(target.substr(path.size()));
    auto info = description ? parse_device(*description) : std::nullopt;
    if (!info) return refusal_of(head, http::status::bad_request);
    return std::move(*info);
}

inbound::admission_verdict server::admit(session& s, const upgrade& head) {
    inbound::client_finder client(s.peer(), inbound::forwarded_field::x_forwarded_for, options_.admission.proxies);
    const auto [begin, end] = head.equal_range("X-Forwarded-For");
    for (auto line = begin; line != end; ++line) client.line_received(as_view(line->value()));
    auto verdict = admission_.client_named(s.ticket(), client.client(), now());
    return verdict.admitted() ? admission_.request_offered(s.ticket(), now()) : std::move(verdict);
}

void server::opened(session& s, device info) {
    admission_.handshake_done(s.ticket());
    if (const auto why = supervisor_.opened(s, now()); why != inbound::close_reason::none)
        return s.finish(code_of(why));
    registry_.join(s.ticket().group(), s.id(), {&s, std::move(info)});
    std::vector<peer> peers;
    registry_.for_each_peer(s.id(), [&](const connection_id& id, const known& other) {
        peers.push_back({id, other.info});
    });
    registry_.send(s.id(), hello(as_peer(s), peers));
    registry_.broadcast(s.id(), joined(as_peer(s)));
    act();
}

void server::closing(session& s) {
    supervisor_.close_begun(s, inbound::close_reason::finished, now());
    act();
}

void server::requested(session& s, std::string_view written) {
    if (s.state() != inbound::life_state::open) {
        supervisor_.linger_read(s, written.size());
    } else if (!admission_.request_offered(s.ticket(), now()).admitted()) {
        supervisor_.close_begun(s, inbound::close_reason::finished, now());
        say_goodbye(s, error(429), close_code::try_again_later);
    } else if (const auto wanted = parse_request(written)) {
        std::visit([&](const auto& what) { perform(what, s); }, *wanted);
    } else {
        registry_.send(s.id(), error(400));
    }
    act();
}

void server::perform(const update& change, session& from) {
    registry_.update(from.id(), {&from, change.info});
    registry_.broadcast(from.id(), updated(as_peer(from)));
}

void server::perform(const sdp& what, session& from) {
    const auto result = registry_.send(from.id(), what.target, passed_on(as_peer(from), what));
    // Of other groups nobody learns more than that.
    if (result == inbound::send_result::unknown || result == inbound::send_result::other_group)
        registry_.send(from.id(), error(404));
}

peer server::as_peer(const session& s) const { return {s.id(), registry_.state(s.id())->info}; }

void server::misused(session& s) {
    supervisor_.end_requested(s, inbound::close_reason::protocol_error, now());
    act();
}

void server::written(session& s) {
    registry_.delivered(s.id());
    act();
}

void server::ended(session& s, inbound::close_reason why) {
    registry_.broadcast(s.id(), left(s.id()));
    registry_.leave(s.id());
    admission_.connection_ended(s.ticket());
    supervisor_.ended(s, why);
    act();
}

void server::drain() {
    if (supervisor_.is_draining()) {
        supervisor_.stop_requested(inbound::close_reason::drain_timed_out);
    } else {
        admission_.drain_begun();
        supervisor_.drain_requested(now() + options_.drain_time);
    }
    act();
}

void server::say_goodbye(session& s, const text& last, close_code why) {
    registry_.send(s.id(), last);
    deliver();
    s.finish(why);
}

void server::act() {
    while (const auto action = supervisor_.next_action()) act(action);
    deliver();
    while (const auto id = registry_.next_disconnect())
        supervisor_.end_requested(*registry_.state(*id)->connection, inbound::close_reason::slow_reader, now());
    if (supervisor_.has_action()) return act();
    if (supervisor_.is_draining() && supervisor_.all_gone()) {
        timer_.cancel();
        return gone_();
    }
    wait();
}

void server::act(const inbound::life_action& action) {
    auto& s = static_cast<session&>(*action.connection);
    switch (action.task) {
        case inbound::life_task::none: break;
        case inbound::life_task::send_ping: s.ping(); break;
        case inbound::life_task::tell_draining:
            supervisor_.close_begun(s, inbound::close_reason::drained, now());
            say_goodbye(s, error(503), close_code::going_away);
            break;
        case inbound::life_task::close: s.finish(code_of(action.reason)); break;
        case inbound::life_task::abort: s.cut(); break;
    }
}

void server::deliver() {
    while (const auto next = registry_.next_delivery()) registry_.state(next->to)->connection->write(next->message);
}

void server::wait() {
    // One that fires too early does no harm.
    const auto next = supervisor_.next_deadline();
    if (next >= timer_ends_) return;
    timer_ends_ = next;
    timer_.expires_at(next);
    timer_.async_wait([this](boost::system::error_code error) {
        if (error) return;
        timer_ends_ = hotpool::never;
        supervisor_.time_passed(now());
        act();
    });
}

std::string server::summary() const {
    const auto counts = admission_.counts();
    const auto sum = [](const inbound::admission_counts::by_reason& verdicts) {
        std::uint64_t refused = 0;
        for (std::size_t i = 1; i < verdicts.size(); ++i) refused += verdicts[i];
        return std::to_string(verdicts[0]) + " admitted, " + std::to_string(refused) + " refused";
    };
    std::string told = "connections: " + sum(counts.connections_by_verdict) +
                       "; requests: " + sum(counts.requests_by_verdict) +
                       "; messages: " + std::to_string(registry_.totals().queued) + " queued, " +
                       std::to_string(registry_.totals().dropped()) + " dropped; ended:";
    for (std::size_t i = 0; i < inbound::close_reason_count; ++i) {
        const auto why = static_cast<inbound::close_reason>(i);
        if (const auto count = supervisor_.counters().closed_for(why); count != 0)
            told.append(1, ' ').append(to_string(why)).append(1, ' ').append(std::to_string(count));
    }
    return told;
}

}  // namespace signaling
