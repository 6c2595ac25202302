// Every default satisfies its concept; types that miss it by one detail do not.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "hotpool/policy/policies.hpp"
#include "support/catch.hpp"

using namespace hotpool;

namespace {

using hint_type = std::optional<std::chrono::seconds>;

static_assert(limits_policy<per_host_limits> && policy_value<per_host_limits>);
static_assert(idle_policy<idle_timeout> && policy_value<idle_timeout>);
static_assert(lifetime_policy<max_lifetime> && policy_value<max_lifetime>);
static_assert(requests_policy<max_requests> && policy_value<max_requests>);
static_assert(order_policy<reuse_order> && policy_value<reuse_order>);
static_assert(order_policy<oldest_first> && policy_value<oldest_first>);
static_assert(backoff_policy<backoff> && policy_value<backoff>);
static_assert(retry_policy<retry> && policy_value<retry>);
static_assert(policy_bundle<default_policies>);

// --- one that fits, then its near misses

struct limits_fit {
    std::size_t room(const connection_counts&) const noexcept { return 1; }
    bool may_idle(const connection_counts&) const noexcept { return true; }
    bool may_wait(const connection_counts&) const noexcept { return true; }
};
struct limits_without_wait {
    std::size_t room(const connection_counts&) const noexcept { return 1; }
    bool may_idle(const connection_counts&) const noexcept { return true; }
};
struct limits_answering_yes_or_no : limits_fit {
    bool room(const connection_counts&) const noexcept { return true; }
};
struct limits_that_may_throw : limits_fit {
    bool may_idle(const connection_counts&) const { return true; }
};
struct limits_not_const : limits_fit {
    bool may_wait(const connection_counts&) noexcept { return true; }
};
struct limits_not_copyable : limits_fit {
    std::unique_ptr<int> own;
};
static_assert(limits_policy<limits_fit>);
static_assert(!limits_policy<limits_without_wait>);
static_assert(!limits_policy<limits_answering_yes_or_no>);
static_assert(!limits_policy<limits_that_may_throw>);
static_assert(!limits_policy<limits_not_const>);
static_assert(!limits_policy<limits_not_copyable>);

struct idle_fit {
    duration limit(hint_type) const noexcept { return duration::max(); }
};
struct idle_in_seconds {
    std::chrono::seconds limit(hint_type) const noexcept { return {}; }
};
struct idle_without_hint {
    duration limit() const noexcept { return {}; }
};
struct idle_that_may_throw {
    duration limit(hint_type) const { return {}; }
};
static_assert(idle_policy<idle_fit>);
static_assert(!idle_policy<idle_in_seconds>);
static_assert(!idle_policy<idle_without_hint>);
static_assert(!idle_policy<idle_that_may_throw>);

struct lifetime_fit {
    duration life(double) const noexcept { return duration::max(); }
};
struct lifetime_without_chance {
    duration life() const noexcept { return duration::max(); }
};
struct lifetime_that_may_throw {
    duration life(double) const { return duration::max(); }
};
struct lifetime_as_a_point {
    time_point life(double) const noexcept { return never; }
};
static_assert(lifetime_policy<lifetime_fit>);
static_assert(!lifetime_policy<lifetime_without_chance>);
static_assert(!lifetime_policy<lifetime_that_may_throw>);
static_assert(!lifetime_policy<lifetime_as_a_point>);

struct requests_fit {
    bool spent(std::uint64_t) const noexcept { return false; }
};
struct requests_as_a_number {
    std::uint64_t spent(std::uint64_t) const noexcept { return 0; }
};
struct requests_that_may_throw {
    bool spent(std::uint64_t) const { return false; }
};
struct requests_by_another_name {
    bool is_spent(std::uint64_t) const noexcept { return false; }
};
static_assert(requests_policy<requests_fit>);
static_assert(!requests_policy<requests_as_a_number>);
static_assert(!requests_policy<requests_that_may_throw>);
static_assert(!requests_policy<requests_by_another_name>);

struct order_fit {
    idle_end lend_from(std::size_t) const noexcept { return idle_end::newest; }
};
struct order_as_a_bool {
    bool lend_from(std::size_t) const noexcept { return true; }
};
struct order_that_may_throw {
    idle_end lend_from(std::size_t) const { return idle_end::newest; }
};
struct order_not_const {
    idle_end lend_from(std::size_t) noexcept { return idle_end::newest; }
};
static_assert(order_policy<order_fit>);
static_assert(!order_policy<order_as_a_bool>);
static_assert(!order_policy<order_that_may_throw>);
static_assert(!order_policy<order_not_const>);

struct backoff_fit {
    duration pause(unsigned, double) const noexcept { return {}; }
};
struct backoff_without_chance {
    duration pause(unsigned) const noexcept { return {}; }
};
struct backoff_in_milliseconds {
    std::chrono::milliseconds pause(unsigned, double) const noexcept { return {}; }
};
struct backoff_that_may_throw {
    duration pause(unsigned, double) const { return {}; }
};
static_assert(backoff_policy<backoff_fit>);
static_assert(!backoff_policy<backoff_without_chance>);
static_assert(!backoff_policy<backoff_in_milliseconds>);
static_assert(!backoff_policy<backoff_that_may_throw>);

struct retry_fit {
    retry_verdict judge(const failed_try&) const noexcept { return retry_verdict::give_up; }
    duration pause(const failed_try&, double) const noexcept { return {}; }
};
struct retry_as_a_bool {
    bool judge(const failed_try&) const noexcept { return false; }
    duration pause(const failed_try&, double) const noexcept { return {}; }
};
struct retry_that_may_throw {
    retry_verdict judge(const failed_try&) const { return retry_verdict::give_up; }
    duration pause(const failed_try&, double) const noexcept { return {}; }
};
struct retry_told_too_little {
    retry_verdict judge(unsigned) const noexcept { return retry_verdict::give_up; }
    duration pause(const failed_try&, double) const noexcept { return {}; }
};
struct retry_without_a_pause {
    retry_verdict judge(const failed_try&) const noexcept { return retry_verdict::give_up; }
};
struct retry_without_chance : retry_without_a_pause {
    duration pause(const failed_try&) const noexcept { return {}; }
};
static_assert(retry_policy<retry_fit>);
static_assert(!retry_policy<retry_as_a_bool>);
static_assert(!retry_policy<retry_that_may_throw>);
static_assert(!retry_policy<retry_told_too_little>);
static_assert(!retry_policy<retry_without_a_pause>);
static_assert(!retry_policy<retry_without_chance>);

// --- balance

struct balance_fit {
    std::size_t choose(std::span<const endpoint_load>, std::uint64_t, double) const noexcept { return 0; }
};
struct balance_that_may_throw {
    std::size_t choose(std::span<const endpoint_load>, std::uint64_t, double) const { return 0; }
};
struct balance_told_too_little {
    std::size_t choose(std::span<const endpoint_load>) const noexcept { return 0; }
};
static_assert(balance_policy<balance_fit>);
static_assert(!balance_policy<balance_that_may_throw>);
static_assert(!balance_policy<balance_told_too_little>);

// --- construction and bundles

struct needs_a_number : order_fit {
    explicit needs_a_number(int) {}
};
static_assert(policy_value<order_fit>);  // made without arguments
static_assert(!policy_value<needs_a_number>);

struct one_of_mine : default_policies {
    using reuse_order = order_fit;
};
struct all_of_mine {
    using per_host_limits = limits_fit;
    using idle_timeout = idle_fit;
    using max_lifetime = lifetime_fit;
    using max_requests = requests_fit;
    using reuse_order = order_fit;
    using backoff = backoff_fit;
    using balance = balance_fit;
    using retry = retry_fit;
};
struct one_near_miss : default_policies {
    using backoff = backoff_without_chance;
};
struct one_that_cannot_be_made : default_policies {
    using reuse_order = needs_a_number;
};
struct one_missing {
    using per_host_limits = limits_fit;
    using idle_timeout = idle_fit;
    using max_lifetime = lifetime_fit;
    using max_requests = requests_fit;
    using reuse_order = order_fit;
    using backoff = backoff_fit;
};
static_assert(policy_bundle<one_of_mine>);
static_assert(policy_bundle<all_of_mine>);
static_assert(!policy_bundle<one_near_miss>);
static_assert(!policy_bundle<one_that_cannot_be_made>);
static_assert(!policy_bundle<one_missing>);

struct options_reader {
    options_reader() = default;
    explicit options_reader(const pool_options& o) : seen(o.max_connections) {}
    idle_end lend_from(std::size_t) const noexcept { return idle_end::newest; }
    std::size_t seen = 0;
};

}  // namespace

TEST_CASE("policy_is_made_from_the_options_where_it_can_be", "[policy]") {
    const pool_options options{.max_connections = 17};
    CHECK(detail::make_policy<options_reader>(options).seen == 17);
    CHECK(detail::make_policy<order_fit>(options).lend_from(1) == idle_end::newest);
}

TEST_CASE("bundle_is_one_value_of_each_policy", "[policy]") {
    const pool_options options{.max_connections = 3, .max_requests = 5};
    const detail::policy_set<default_policies> set(options);
    CHECK(set.limits.room({}) == 3);
    CHECK(set.requests.spent(5));
    CHECK_FALSE(set.requests.spent(4));
}
