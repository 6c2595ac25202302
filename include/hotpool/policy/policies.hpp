// The decisions of a pool, bundled.
#pragma once

#include <concepts>
#include <type_traits>

#include "hotpool/policy/backoff.hpp"
#include "hotpool/policy/balance.hpp"
#include "hotpool/policy/idle_timeout.hpp"
#include "hotpool/policy/max_lifetime.hpp"
#include "hotpool/policy/max_requests.hpp"
#include "hotpool/policy/per_host_limits.hpp"
#include "hotpool/policy/retry.hpp"
#include "hotpool/policy/reuse_order.hpp"

namespace hotpool {

/// The policies of a pool by name. Changing one names one:
/// `struct mine : default_policies { using reuse_order = hotpool::oldest_first; };`
/// A policy is made from the `pool_options`, or without arguments where it has no such constructor.
struct default_policies {
    using per_host_limits = hotpool::per_host_limits;
    using idle_timeout = hotpool::idle_timeout;
    using max_lifetime = hotpool::max_lifetime;
    using max_requests = hotpool::max_requests;
    using reuse_order = hotpool::reuse_order;
    using backoff = hotpool::backoff;
    using balance = hotpool::least_leased;
    using retry = hotpool::retry;
};

template <class P>
concept policy_value = std::copyable<P> &&
    (std::constructible_from<P, const pool_options&> || std::default_initializable<P>);

template <class B>
concept policy_bundle = policy_value<typename B::per_host_limits> && limits_policy<typename B::per_host_limits> &&
    policy_value<typename B::idle_timeout> && idle_policy<typename B::idle_timeout> &&
    policy_value<typename B::max_lifetime> && lifetime_policy<typename B::max_lifetime> &&
    policy_value<typename B::max_requests> && requests_policy<typename B::max_requests> &&
    policy_value<typename B::reuse_order> && order_policy<typename B::reuse_order> &&
    policy_value<typename B::backoff> && backoff_policy<typename B::backoff> && policy_value<typename B::balance> &&
    balance_policy<typename B::balance> && policy_value<typename B::retry> && retry_policy<typename B::retry>;

namespace detail {

template <policy_value P>
P make_policy(const pool_options& options) {
    if constexpr (std::constructible_from<P, const pool_options&>)
        return P(options);
    else
        return P();
}

/// One value of each policy of a bundle.
template <policy_bundle Bundle>
struct policy_set {
    explicit policy_set(const pool_options& o)
        : limits(make_policy<typename Bundle::per_host_limits>(o)),
          idle(make_policy<typename Bundle::idle_timeout>(o)),
          lifetime(make_policy<typename Bundle::max_lifetime>(o)),
          requests(make_policy<typename Bundle::max_requests>(o)),
          order(make_policy<typename Bundle::reuse_order>(o)),
          backoff(make_policy<typename Bundle::backoff>(o)),
          balance(make_policy<typename Bundle::balance>(o)) {}

    typename Bundle::per_host_limits limits;
    typename Bundle::idle_timeout idle;
    typename Bundle::max_lifetime lifetime;
    typename Bundle::max_requests requests;
    typename Bundle::reuse_order order;
    typename Bundle::backoff backoff;
    typename Bundle::balance balance;
};

}  // namespace detail
}  // namespace hotpool
