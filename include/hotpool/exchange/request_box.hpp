// How a request comes to an operation.
#pragma once

#include <type_traits>
#include <utility>

#include "hotpool/http/request_builder.hpp"

namespace hotpool::detail {

/// A request in the hands of an operation, or of an initiation that may be kept and started later: one that was handed
/// in as an rvalue by value, one that was an lvalue by reference.
/// @tparam Request `request_builder`, or a reference to a constant one
template <class Request>
class request_box {
public:
    explicit request_box(request_builder&& r) : request_(std::move(r)) {}
    const request_builder& get() const noexcept { return request_; }

private:
    request_builder request_;
};
template <>
class request_box<const request_builder&> {
public:
    explicit request_box(const request_builder& r) noexcept : request_(&r) {}
    const request_builder& get() const noexcept { return *request_; }

private:
    const request_builder* request_;
};

/// The box for what a forwarding reference of this type was given.
template <class Given>
using box_for =
    request_box<std::conditional_t<std::is_lvalue_reference_v<Given>, const request_builder&, request_builder>>;

/// Keeps the request in front of the bases that refer to it.
template <class Box>
struct boxed_request {
    Box request;
};

}  // namespace hotpool::detail
