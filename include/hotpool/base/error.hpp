// Errors as `std::error_code`: the categories of `errc` and `condition`.
#pragma once

#include <string>
#include <string_view>
#include <system_error>

#include "hotpool/base/errc.hpp"
#include "hotpool/base/errc_table.hpp"

namespace hotpool {

// A category is told by its address. So there must be one of each in a program, also where libraries are compiled with
// -fvisibility=hidden: hence the attribute. Where that does not reach, in a library that is loaded while the program
// runs and does not see the program's symbols, `is_errc` goes by the name.

/// The category of `errc`. Its codes answer `condition`, and those that have one answer the matching
/// `std::errc` as well (`std::errc::operation_canceled`, `std::errc::timed_out`).
class __attribute__((visibility("default"))) hotpool_category_type final : public std::error_category {
public:
    const char* name() const noexcept override { return "hotpool"; }
    std::string message(int value) const override { return detail::describe(static_cast<errc>(value)); }
    std::error_condition default_error_condition(int value) const noexcept override {
        const errc e = static_cast<errc>(value);
        if (detail::answers(e, condition::cancelled)) return std::errc::operation_canceled;
        if (detail::answers(e, condition::timed_out)) return std::errc::timed_out;
        return {value, *this};
    }
};

[[gnu::visibility("default")]] inline const std::error_category& hotpool_category() noexcept {
    static const hotpool_category_type category;
    return category;
}

namespace detail {

/// Whether the values of `category` are those of `errc`.
inline bool is_errc(const std::error_category& category) noexcept {
    return category == hotpool_category() || std::string_view(category.name()) == hotpool_category().name();
}

}  // namespace detail

/// The category of `condition`.
class __attribute__((visibility("default"))) hotpool_condition_category_type final : public std::error_category {
public:
    const char* name() const noexcept override { return "hotpool.condition"; }
    std::string message(int value) const override { return detail::describe(static_cast<condition>(value)); }
    bool equivalent(const std::error_code& code, int value) const noexcept override {
        return detail::answers(static_cast<errc>(code.value()), static_cast<condition>(value)) &&
               detail::is_errc(code.category());
    }
};

[[gnu::visibility("default")]] inline const std::error_category& hotpool_condition_category() noexcept {
    static const hotpool_condition_category_type category;
    return category;
}

inline std::error_code make_error_code(errc e) noexcept { return {static_cast<int>(e), hotpool_category()}; }

inline std::error_condition make_error_condition(condition c) noexcept {
    return {static_cast<int>(c), hotpool_condition_category()};
}

/// Preferred to the comparison of two `std::error_code`, which knows its category by nothing but the address.
inline bool operator==(const std::error_code& code, errc e) noexcept {
    return code.value() == static_cast<int>(e) && detail::is_errc(code.category());
}

}  // namespace hotpool

template <>
struct std::is_error_code_enum<hotpool::errc> : std::true_type {};

template <>
struct std::is_error_condition_enum<hotpool::condition> : std::true_type {};
