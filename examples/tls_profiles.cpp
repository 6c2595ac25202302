// Client hellos by name: connections take turns among profiles, and options are replaced while a pool is in use.
#include <hotpool/hotpool.hpp>

#include <asio/io_context.hpp>

#include <iostream>
#include <set>
#include <stdexcept>
#include <string>
#include <system_error>

#include "support/embedded_origin.hpp"

using hotpool::profile_choice;
using hotpool::tls_profile;

/// The profile that a new connection uses; empty if there was none.
std::string connect(asio::io_context& context, hotpool::tls_pool& pool) {
    std::string profile;
    bool done = false;
    pool.async_get([&](std::error_code error, hotpool::tls_pool::lease_type lease) {
        done = true;
        if (error) {
            std::cout << "not connected: " << error.message() << '\n';
            return;
        }
        const auto& stream = lease.stream();
        profile = stream.profile();
        std::cout << profile << ": " << stream.version() << ", " << stream.cipher() << '\n';
        lease.discard();
    });
    while (!done) context.run_one();
    return profile;
}

/// A profile of one's own: a given one with the other order of ciphers, and without tickets.
tls_profile strong_first() {
    tls_profile made = tls_profile::modern();
    made.name = "strong first";
    made.cipher_suites = {"TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256"};
    made.session_tickets = false;
    return made;
}

int main() {
    const support::embedded_origin origin;
    asio::io_context context;

    hotpool::tls_options options = origin.trust();
    options.profiles = {tls_profile::modern(), tls_profile::intermediate(), tls_profile::compatible()};
    options.choose_profile = profile_choice::round_robin;
    hotpool::tls_pool pool(context.get_executor(), origin.target(), {}, options);
    std::set<std::string> used;
    for (int i = 0; i < 3; ++i) used.insert(connect(context, pool));

    // What cannot be is refused, and nothing has changed.
    options.profiles = {strong_first()};
    options.profiles.front().cipher_suites.push_back("TLS_OF_TOMORROW");
    bool refused = false;
    try {
        pool.set_transport_options(options);
    } catch (const std::invalid_argument& reason) {
        refused = true;
        std::cout << "refused: " << reason.what() << '\n';
    }
    const std::string unchanged = connect(context, pool);

    options.profiles = {strong_first()};
    pool.set_transport_options(options);
    const std::string replaced = connect(context, pool);
    return used.size() == 3 && refused && unchanged == "modern" && replaced == "strong first" ? 0 : 1;
}
