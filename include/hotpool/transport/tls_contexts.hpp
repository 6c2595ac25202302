// The contexts of one transport: one for each profile, chosen from for each connection, replaced all at once.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "hotpool/base/mutex.hpp"
#include "hotpool/base/origin.hpp"
#include "hotpool/base/random.hpp"
#include "hotpool/transport/tls_context.hpp"
#include "hotpool/transport/tls_credentials.hpp"
#include "hotpool/transport/tls_options.hpp"
#include "hotpool/transport/tls_profile.hpp"
#include "hotpool/transport/tls_totals.hpp"
#include "hotpool/transport/transport_stats.hpp"

namespace hotpool::detail {

using tls_context_ptr = std::shared_ptr<const tls_context>;

/// The contexts made of one `tls_options`, at least one, and whose turn it is.
/// @threads distinct objects only
class tls_generation {
public:
    /// @errors as `tls_context`
    tls_generation(const origin& target, tls_options options, const std::shared_ptr<tls_totals>& totals)
        : choice_(options.choose_profile), random_(options.profile_seed) {
        check_names(options.profiles);
        const auto shared = std::make_shared<const tls_options>(std::move(options));
        const tls_credentials credentials = read_credentials(*shared);
        const auto make = [&](const tls_profile* profile) {
            contexts_.push_back(std::make_shared<const tls_context>(target, shared, profile, credentials, totals));
        };
        if (shared->profiles.empty()) make(nullptr);
        for (const tls_profile& profile : shared->profiles) make(&profile);
    }

    const tls_context_ptr& pick() noexcept {
        switch (choice_) {
            case profile_choice::fixed: break;
            case profile_choice::round_robin: return contexts_[turn_++ % contexts_.size()];
            case profile_choice::random: return contexts_[random_.next() % contexts_.size()];
        }
        return contexts_.front();
    }

    const std::vector<tls_context_ptr>& contexts() const noexcept { return contexts_; }

private:
    static void check_names(const std::vector<tls_profile>& profiles) {
        std::set<std::string_view> names;
        for (const tls_profile& profile : profiles)
            if (!names.insert(profile.name).second) refuse_tls_option("profiles", "must each have a name of its own");
    }

    std::vector<tls_context_ptr> contexts_;
    profile_choice choice_;
    std::size_t turn_ = 0;
    base::random_source random_;
};

/// What the copies of a transport share.
/// @threads any thread
class tls_contexts {
public:
    tls_contexts(const origin& target, tls_options options) : current_(target, std::move(options), totals_) {}

    /// The context of a new connection.
    /// @cost a short critical section
    tls_context_ptr pick() noexcept {
        const std::lock_guard lock(mutex_);
        return current_.pick();
    }

    /// Contexts picked before live on as long as somebody holds them, without the sessions they kept.
    void replace(const origin& target, tls_options options) {
        tls_generation fresh(target, std::move(options), totals_);
        {
            const std::lock_guard lock(mutex_);
            std::swap(current_, fresh);
        }
        for (const tls_context_ptr& old : fresh.contexts()) old->sessions().forget();
    }

    transport_stats stats() const noexcept {
        transport_stats sum = totals_->get();
        const std::lock_guard lock(mutex_);
        for (const tls_context_ptr& context : current_.contexts()) sum.sessions_cached += context->sessions().size();
        return sum;
    }

private:
    const std::shared_ptr<tls_totals> totals_ = std::make_shared<tls_totals>();
    mutable base::mutex mutex_;
    tls_generation current_;
};

}  // namespace hotpool::detail
