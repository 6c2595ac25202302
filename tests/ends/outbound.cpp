// The operations of pool, lease, exchange, reader and client, and what each waits for.
#include <string>
#include <string_view>
#include <utility>

#include "support/ends_operations.hpp"

namespace hotpool::test {

namespace {

using namespace std::chrono_literals;

/// More than the sockets on the way can hold.
constexpr std::size_t upload_bytes = 8 * 1024 * 1024;

std::string large_body() { return std::string(upload_bytes, 'u'); }

std::unique_ptr<request_builder> upload_request() {
    auto request = std::make_unique<request_builder>("PUT", "/deaf");
    request->body(large_body());
    return request;
}

/// A pool, and another lease of it where the plan wants one.
void set_up_pool(stage& s) {
    s.make_pool();
    if (s.plan.crowded) s.own->beside = s.get();
}
void set_up_lease(stage& s) {
    set_up_pool(s);
    s.own->lease = s.get();
}
/// A pool whose only connection is out.
void set_up_queue(stage& s) {
    s.plan.options.max_connections = 1;
    s.make_pool();
    s.own->beside = s.get();
}
void set_up_lost_pool(stage& s) { s.make_pool(s.lost_source()); }
void set_up_unresolved_pool(stage& s) { s.make_pool(s.silent_source()); }

void put_back(stage& s) {
    s.loop.end([&] { s.own->pool->put(std::move(s.own->beside)); });
}
void answer_question(stage& s) {
    require(s.loop.until([&] { return s.asked.load(); }), "the endpoint source is never asked");
    s.found = true;
    (*s.open_question)({}, {s.here()});
}
void go_on(stage& s) { s.server.release(); }
/// It has a limit of its own.
void wait_longer(stage&) {}

// --- pool

void start_get(stage& s) { s.own->pool->async_get(s.handler()); }
void start_warm(stage& s) { s.own->pool->async_warm(1, s.handler()); }
void start_drain(stage& s) { s.own->pool->async_drain(30s, s.handler()); }
void give_lease_back(stage& s) {
    s.loop.end([&] {
        s.own->beside = {};
        s.own->lease = {};
    });
}
void set_up_suspended(stage& s) {
    set_up_pool(s);
    s.own->pool->suspend();
}
void resume(stage& s) { s.own->pool->resume(); }

// --- exchange

template <const std::string_view* target>
void set_up_exchange(stage& s) {
    set_up_lease(s);
    s.own->request = std::make_unique<request_builder>("GET", *target);
}
void set_up_upload(stage& s) {
    set_up_lease(s);
    s.own->request = upload_request();
}
void set_up_consent(stage& s) {
    set_up_lease(s);
    s.own->request = std::make_unique<request_builder>("PUT", "/consent");
    s.own->request->body("here it is").expect_continue();
    s.own->exchange.continue_timeout = 30s;
}
void start_exchange(stage& s) { async_exchange(s.own->lease, *s.own->request, s.own->exchange, s.handler()); }
void start_start_exchange(stage& s) {
    async_start_exchange(s.own->lease, *s.own->request, s.own->exchange, s.handler());
}

constexpr std::string_view ok = "/ok", silent = "/silent", half_head = "/head", length = "/length",
                           chunked = "/chunked", until_close = "/close", later = "/later";

void set_up_limited_exchange(stage& s) {
    set_up_exchange<&silent>(s);
    s.own->exchange.first_byte_timeout = 40ms;
}

// --- reader

/// Has read the head and the three bytes that came with it.
void read_beginning(stage& s, bool client_holds) {
    std::atomic<bool> done = false;
    std::error_code error;
    s.loop.call([&] {
        const auto then = [&](std::error_code e, ends_reader r) {
            error = e;
            s.own->reader = std::move(r);
            done = true;
        };
        if (client_holds)
            s.own->client->async_start(*s.own->request, then);
        else
            async_start_exchange(s.own->lease, *s.own->request, s.own->exchange, then);
    });
    require(s.loop.until([&] { return done.load(); }), "the head never comes");
    require(!error, "no head: " + error.message());
    for (std::size_t bytes = 0; bytes < 3;) {
        done = false;
        s.loop.call([&] {
            s.own->reader.async_read_some(net::buffer(s.own->buffer), [&](std::error_code e, std::size_t n) {
                error = e;
                bytes += n;
                done = true;
            });
        });
        require(s.loop.until([&] { return done.load(); }), "the beginning never comes");
        require(!error, "no beginning: " + error.message());
    }
}
template <const std::string_view* target>
void set_up_reader(stage& s) {
    set_up_exchange<target>(s);
    read_beginning(s, false);
}
template <const std::string_view* target>
void set_up_held_reader(stage& s) {
    set_up_pool(s);
    s.own->client.emplace(*s.own->pool);
    s.own->request = std::make_unique<request_builder>("GET", *target);
    read_beginning(s, true);
}
/// The rest may take its time.
template <void (*Next)(stage&)>
void set_up_patient(stage& s) {
    s.plan.options.drain_timeout = 30s;
    Next(s);
}
void set_up_limited_reader(stage& s) {
    s.own->exchange.between_bytes_timeout = 40ms;
    set_up_reader<&length>(s);
}
void start_read_some(stage& s) { s.own->reader.async_read_some(net::buffer(s.own->buffer), s.handler()); }
void start_read_all(stage& s) { s.own->reader.async_read_all(s.handler()); }
void start_body_close(stage& s) { s.own->reader.async_close(s.handler()); }

// --- lease

/// Writes bytes of a request, as for a protocol of its own.
void write_raw(stage& s, const std::string& bytes) {
    std::atomic<bool> done = false;
    s.loop.call(
        [&] { s.own->lease.async_write_some(net::buffer(bytes), [&](std::error_code, std::size_t) { done = true; }); });
    require(s.loop.until([&] { return done.load(); }), "a write never completes");
}
void set_up_lease_read(stage& s) {
    set_up_lease(s);
    write_raw(s, "GET /silent HTTP/1.1\r\n\r\n");
}
const std::string& block() {
    static const std::string bytes(64 * 1024, 'b');
    return bytes;
}
/// Nothing fits any more: the peer does not read.
void set_up_lease_write(stage& s) {
    set_up_lease(s);
    const int before = s.server.stalled();
    write_raw(s, "PUT /deaf HTTP/1.1\r\nContent-Length: 1000000000\r\n\r\n");
    require(s.loop.until([&] { return s.server.stalled() > before; }), "the server does not fall silent");
    int full = 0;
    while (full < 3) {  // the peer's system may still be taking some
        std::atomic<bool> over = false;
        s.loop.call([&] {
            const io_result r = s.own->lease.stream().try_write(net::buffer(block()), {});
            over = r.want != io_want::none || r.error;
        });
        full = over ? full + 1 : 0;
        if (over) std::this_thread::sleep_for(std::chrono::microseconds(300));
    }
}
void start_lease_read(stage& s) { s.own->lease.async_read_some(net::buffer(s.own->buffer), s.handler()); }
void start_lease_write(stage& s) { s.own->lease.async_write_some(net::buffer(block()), s.handler()); }

// --- client

template <void (*Pool)(stage&), const std::string_view* target>
void set_up_client(stage& s) {
    Pool(s);
    client_options options;
    options.max_retry_after = 30s;
    s.own->client.emplace(*s.own->pool, options);
    s.own->request = std::make_unique<request_builder>("GET", *target);
}
void set_up_client_upload(stage& s) {
    set_up_client<set_up_pool, &silent>(s);
    s.own->request = upload_request();
}
void start_send(stage& s) { s.own->client->async_send(*s.own->request, s.handler()); }
void start_client_start(stage& s) { s.own->client->async_start(*s.own->request, s.handler()); }
void start_client_get(stage& s) { s.own->client->async_get("/length", s.handler()); }
void start_client_head(stage& s) { s.own->client->async_head("/silent", s.handler()); }
void start_client_post(stage& s) { s.own->client->async_post("/silent", "text", "text/plain", s.handler()); }
void start_client_upload(stage& s) { s.own->client->async_post("/deaf", large_body(), "text/plain", s.handler()); }

constexpr std::uint32_t in_pool = has_pool | waits_in_pool;
constexpr std::uint32_t on_lease = has_pool | has_lease | on_connection;
constexpr std::uint32_t exchanging = on_lease | stalls_server;
constexpr std::uint32_t by_client = has_pool | on_connection | stalls_server;
constexpr std::uint32_t reading = on_lease | has_reader;
constexpr std::uint32_t reading_held = has_pool | on_connection | has_reader;
constexpr const char* pool_get = "pool/connection_pool.hpp:async_get";
constexpr const char* pool_warm = "pool/connection_pool.hpp:async_warm";
constexpr const char* pool_drain = "pool/connection_pool.hpp:async_drain";
constexpr const char* exchange = "exchange/exchange.hpp:async_exchange";
constexpr const char* begun_exchange = "exchange/exchange.hpp:async_start_exchange";
constexpr const char* body_read = "exchange/response_reader.hpp:async_read_some";
constexpr const char* body_read_all = "exchange/response_reader.hpp:async_read_all";
constexpr const char* body_close = "exchange/response_reader.hpp:async_close";
constexpr const char* client_send = "client/http_client.hpp:async_send";

}  // namespace

const std::vector<operation_row>& outbound_operations() {
    using f = ends_family;
    static const std::vector<operation_row> rows = {
        {"pool_get_queued", pool_get, f::get, in_pool, set_up_queue, start_get, put_back},
        {"pool_get_connecting", pool_get, f::get, in_pool, set_up_lost_pool, start_get, nullptr},
        {"pool_get_resolving", pool_get, f::get, in_pool, set_up_unresolved_pool, start_get, answer_question},
        {"pool_get_suspended", pool_get, f::get, in_pool, set_up_suspended, start_get, resume},
        {"pool_warm_connecting", pool_warm, f::warm, in_pool, set_up_lost_pool, start_warm, nullptr},
        {"pool_warm_resolving", pool_warm, f::warm, in_pool, set_up_unresolved_pool, start_warm, answer_question},
        {"pool_drain", pool_drain, f::pool_drain, has_pool | has_lease | drains, set_up_lease, start_drain,
         give_lease_back},

        {"exchange_silent", exchange, f::exchange, exchanging, set_up_exchange<&silent>, start_exchange, go_on},
        {"exchange_in_head", exchange, f::exchange, exchanging, set_up_exchange<&half_head>, start_exchange, go_on},
        {"exchange_in_body", exchange, f::exchange, exchanging, set_up_exchange<&length>, start_exchange, go_on},
        {"exchange_writing", exchange, f::exchange, exchanging | uploads, set_up_upload, start_exchange, go_on},
        {"exchange_awaiting_consent", exchange, f::exchange, exchanging, set_up_consent, start_exchange, go_on},
        {"exchange_limited", exchange, f::exchange, exchanging | limited, set_up_limited_exchange, start_exchange,
         wait_longer, errc::first_byte_timed_out},
        {"start_exchange_silent", begun_exchange, f::exchange, exchanging, set_up_exchange<&silent>,
         start_start_exchange, go_on},
        {"start_exchange_writing", begun_exchange, f::exchange, exchanging | uploads, set_up_upload,
         start_start_exchange, go_on},

        {"reader_read_some_length", body_read, f::reading, reading, set_up_reader<&length>, start_read_some, go_on},
        {"reader_read_some_chunked", body_read, f::reading, reading, set_up_reader<&chunked>, start_read_some, go_on},
        {"reader_read_some_until_close", body_read, f::reading, reading, set_up_reader<&until_close>, start_read_some,
         go_on},
        {"reader_read_some_limited", body_read, f::reading, reading | limited, set_up_limited_reader, start_read_some,
         wait_longer, errc::response_stalled},
        {"held_reader_read_some_length", body_read, f::reading, reading_held, set_up_held_reader<&length>,
         start_read_some, go_on},
        {"held_reader_read_some_until_close", body_read, f::reading, reading_held, set_up_held_reader<&until_close>,
         start_read_some, go_on},
        {"reader_read_all_length", body_read_all, f::reading, reading, set_up_reader<&length>, start_read_all, go_on},
        {"reader_read_all_until_close", body_read_all, f::reading, reading, set_up_reader<&until_close>, start_read_all,
         go_on},
        {"held_reader_read_all_chunked", body_read_all, f::reading, reading_held, set_up_held_reader<&chunked>,
         start_read_all, go_on},
        {"reader_close", body_close, f::body_close, reading | spends_reader, set_up_patient<set_up_reader<&length>>,
         start_body_close, go_on},
        {"held_reader_close", body_close, f::body_close, reading_held | spends_reader,
         set_up_patient<set_up_held_reader<&chunked>>, start_body_close, go_on},

        {"lease_read", "connection/lease.hpp:async_read_some", f::lease_io, on_lease, set_up_lease_read,
         start_lease_read, go_on},
        {"lease_write", "connection/lease.hpp:async_write_some", f::lease_io, on_lease, set_up_lease_write,
         start_lease_write, go_on},

        {"client_send_queued", client_send, f::client, in_pool, set_up_client<set_up_queue, &ok>, start_send, put_back},
        {"client_send_connecting", client_send, f::client, in_pool, set_up_client<set_up_lost_pool, &ok>, start_send,
         nullptr},
        {"client_send_silent", client_send, f::client, by_client, set_up_client<set_up_pool, &silent>, start_send,
         go_on},
        {"client_send_in_body", client_send, f::client, by_client, set_up_client<set_up_pool, &chunked>, start_send,
         go_on},
        {"client_send_writing", client_send, f::client, by_client | uploads, set_up_client_upload, start_send, go_on},
        {"client_send_pausing", client_send, f::client, has_pool | pauses, set_up_client<set_up_pool, &later>,
         start_send, nullptr},
        {"client_start_silent", "client/http_client.hpp:async_start", f::client, by_client,
         set_up_client<set_up_pool, &silent>, start_client_start, go_on},
        {"client_start_queued", "client/http_client.hpp:async_start", f::client, in_pool,
         set_up_client<set_up_queue, &ok>, start_client_start, put_back},
        {"client_get_in_body", "client/http_client.hpp:async_get", f::client, by_client,
         set_up_client<set_up_pool, &silent>, start_client_get, go_on},
        {"client_head_silent", "client/http_client.hpp:async_head", f::client, by_client,
         set_up_client<set_up_pool, &silent>, start_client_head, go_on},
        {"client_post_silent", "client/http_client.hpp:async_post", f::client, by_client,
         set_up_client<set_up_pool, &silent>, start_client_post, go_on},
        {"client_post_writing", "client/http_client.hpp:async_post", f::client, by_client | uploads,
         set_up_client<set_up_pool, &silent>, start_client_upload, go_on},
    };
    return rows;
}

}  // namespace hotpool::test
