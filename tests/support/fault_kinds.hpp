// The faults by name, and how many of each there have been.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace hotpool::test {

/// What a bad network does to a connection, a bad origin to those who ask it, and a bad program to its own pool.
enum class fault : std::uint8_t {
    none,
    // the network
    delay,        ///< the bytes come late
    drip_feed,    ///< the bytes come one by one
    corrupt,      ///< a byte has another value
    truncate,     ///< the first of the bytes come, then the end of the connection
    half_close,   ///< the client reads the end of the stream, and may go on sending
    reset,        ///< RST
    silence,      ///< from now on nothing comes through, and nothing ends
    stale_close,  ///< the bytes come, and a little later the end of the connection
    refuse,       ///< nobody listens for a while
    hang_up,      ///< the connection is accepted and ended, without a byte
    mute,         ///< the connection is accepted, and nothing ever comes
    // the origin
    unsolicited,         ///< some time behind a response it says 408, unasked, and goes
    early_success,       ///< it says 200 before it has read the body, and reads that then
    early_close,         ///< it says 200 before it has read the body, and goes
    early_refusal,       ///< it says 413 before it has read the body, and goes
    expectation_failed,  ///< it says 417 to a request that asks first, and goes
    consent_withheld,    ///< it says nothing to a request that asks first, and waits for the body
    last_probe,          ///< it answers a probe, and goes
    certificate_wanted,  ///< only with TLS: it wants another certificate of the client than it is shown
    // the program
    probe_throws,      ///< a probe of its own throws
    probe_dropped,     ///< one drops its verdict
    probe_silent,      ///< one keeps its verdict for itself for too long
    probe_negative,    ///< one finds fault with a connection that is well
    policy_senseless,  ///< a policy answers with a pause or a life of less than nothing, or with room without end
    hoard,             ///< a caller of another pool takes a connection out of the common budget, for nothing
};
inline constexpr std::size_t fault_count = static_cast<std::size_t>(fault::hoard) + 1;

constexpr const char* to_string(fault f) noexcept {
    constexpr std::array<const char*, fault_count> names{"none",
                                                         "delay",
                                                         "drip_feed",
                                                         "corrupt",
                                                         "truncate",
                                                         "half_close",
                                                         "reset",
                                                         "silence",
                                                         "stale_close",
                                                         "refuse",
                                                         "hang_up",
                                                         "mute",
                                                         "unsolicited",
                                                         "early_success",
                                                         "early_close",
                                                         "early_refusal",
                                                         "expectation_failed",
                                                         "consent_withheld",
                                                         "last_probe",
                                                         "certificate_wanted",
                                                         "probe_throws",
                                                         "probe_dropped",
                                                         "probe_silent",
                                                         "probe_negative",
                                                         "policy_senseless",
                                                         "hoard"};
    return names[static_cast<std::size_t>(f)];
}

constexpr bool needs_tls(fault f) noexcept { return f == fault::certificate_wanted; }

/// Faults that have happened, by kind. @threads any thread
class fault_tally {
public:
    void note(fault f) noexcept { ++counts_[static_cast<std::size_t>(f)]; }
    std::uint64_t of(fault f) const noexcept { return counts_[static_cast<std::size_t>(f)]; }

private:
    std::array<std::atomic<std::uint64_t>, fault_count> counts_{};
};

}  // namespace hotpool::test
