// What is wrong with an option, as it is said.
#pragma once

#include <stdexcept>
#include <string>

namespace hotpool::test {

/// The message of the `std::invalid_argument` that `attempt` throws, or "accepted".
template <class Attempt>
std::string refusal_of(Attempt attempt) {
    try {
        attempt();
    } catch (const std::invalid_argument& refused) {
        return refused.what();
    }
    return "accepted";
}

}  // namespace hotpool::test
