// The endings of the matrix, and what becomes of an operation by each.
#pragma once

#include <cstdint>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "support/ends_operations.hpp"

namespace hotpool::test {

/// What an ending does to a pending operation.
enum class fate {
    makes_no_sense,
    goes_on,  ///< ends as if nothing had happened
    ends,     ///< completes, with one of some errors
    gone,     ///< does not complete; everything is destroyed
};

struct expectation {
    fate what = fate::makes_no_sense;
    std::string reason{};                   ///< why it makes no sense
    std::vector<std::error_code> errors{};  ///< documented for this operation and this ending
    bool may_go_on = false;                 ///< of an operation that ends: or nothing happens to it
};

inline expectation no_sense(std::string reason) { return {fate::makes_no_sense, std::move(reason)}; }
inline expectation goes_on() { return {fate::goes_on}; }
inline expectation ends_with(std::vector<std::error_code> errors) { return {fate::ends, {}, std::move(errors)}; }
inline expectation gone() { return {fate::gone}; }

struct ending_row {
    const char* name;
    /// What it does. Runs on the thread that the cell is about.
    void (*act)(stage&);
    expectation (*expect)(const operation_row&, executor_kind, ending_thread);
    /// Before the operation is set up.
    void (*prepare)(stage_plan&) = [](stage_plan&) {};
    bool while_starting = false;  ///< the handler that starts the operation throws thereafter
};

/// Defined in ends/endings.cpp. Memory that is refused is no row of theirs, since it has a cell for each allocation.
const std::vector<ending_row>& all_endings();

}  // namespace hotpool::test
