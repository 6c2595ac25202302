#include "options.hpp"

#include <charconv>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <vector>

namespace signaling {

const char* const usage =
    "usage: signaling_server [options]\n"
    "\n"
    "  --port N             listens there; without it, on a port that is free, which it prints\n"
    "  --public             on every address, not on loopback only\n"
    "  --certificate FILE   with its chain, PEM; without it, one for localhost is made and printed\n"
    "  --key FILE           the key to it, PEM\n"
    "  --proxy BLOCK        believes X-Forwarded-For of these addresses; may be repeated\n"
    "  --handshakes N       connections that may be on their way in at once (256); 0 is no limit\n"
    "  --heartbeat SECONDS  of silence, after which a ping is sent (30); three without a pong end the "
    "connection\n"
    "  --queue N            messages that may wait for one device (32); one more ends its connection\n"
    "  --drain SECONDS      that connections get to end after SIGTERM (5)\n"
    "\n"
    "Environment: MAX_CONNECTIONS_PER_IP (10) and MAX_REQUESTS_PER_IP_PER_HOUR (1000); 0 is no limit.\n";

namespace {

template <class Number>
Number number(std::string_view option, std::string_view written) {
    Number value{};
    const char* const end = written.data() + written.size();
    const auto [stop, error] = std::from_chars(written.data(), end, value);
    if (error != std::errc{} || stop != end)
        throw std::invalid_argument(std::string(option) + " takes a number, not \"" + std::string(written) + '"');
    return value;
}

}  // namespace

options read_options(int argc, const char* const* argv) {
    options read;
    read.admission = hotpool::inbound::admission_options::from_environment();
    std::vector<hotpool::ip_block> proxies;
    for (int i = 1; i < argc; ++i) {
        const std::string_view option = argv[i];
        const auto value = [&] {
            if (++i == argc) throw std::invalid_argument(std::string(option) + " needs a value");
            return std::string_view(argv[i]);
        };
        const auto seconds = [&] { return std::chrono::seconds(number<std::uint32_t>(option, value())); };
        if (option == "--port")
            read.port = number<std::uint16_t>(option, value());
        else if (option == "--public")
            read.every_address = true;
        else if (option == "--certificate")
            read.certificate_file = value();
        else if (option == "--key")
            read.key_file = value();
        else if (option == "--proxy")
            proxies.emplace_back(value());
        else if (option == "--handshakes")
            read.admission.max_handshakes = number<std::uint32_t>(option, value());
        else if (option == "--heartbeat")
            read.life.heartbeat_interval = seconds();
        else if (option == "--queue")
            read.queues.queue_limit = number<std::uint32_t>(option, value());
        else if (option == "--drain")
            read.drain_time = seconds();
        else
            throw std::invalid_argument("no option is called " + std::string(option));
    }
    if (read.certificate_file.empty() != read.key_file.empty())
        throw std::invalid_argument("--certificate and --key belong together");
    read.admission.proxies = hotpool::inbound::trusted_proxies(std::move(proxies));
    return read;
}

}  // namespace signaling
