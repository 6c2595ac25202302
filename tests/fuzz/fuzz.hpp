// What every fuzzer needs: its input taken apart, and a way to say what must hold.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

/// The entry point of a fuzzer, which libFuzzer or replay.cpp calls.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace hotpool::fuzz {

/// Ends the program unless `held`: libFuzzer keeps the input of a crash.
inline void require(bool held, const char* what) {
    if (held) return;
    std::fprintf(stderr, "does not hold: %s\n", what);
    std::abort();
}

/// The bytes of one input, taken from the front. What is missing is zeros.
class input {
public:
    input(const std::uint8_t* data, std::size_t size) : rest_(reinterpret_cast<const char*>(data), size) {}

    bool empty() const { return rest_.empty(); }
    unsigned byte() {
        if (rest_.empty()) return 0;
        const auto first = static_cast<unsigned char>(rest_.front());
        rest_.remove_prefix(1);
        return first;
    }
    /// The bytes up to the next `mark`, which is dropped.
    std::string_view text(char mark) {
        const std::string_view piece = rest_.substr(0, rest_.find(mark));
        rest_.remove_prefix(std::min(piece.size() + 1, rest_.size()));
        return piece;
    }
    std::string_view rest() const { return rest_; }

private:
    std::string_view rest_;
};

/// Ascending places in what the input has left behind the numbers that they come from: one that says how many there
/// are, and one for each distance.
inline std::vector<std::size_t> take_cuts(input& from) {
    std::vector<std::size_t> places;
    std::size_t at = 0;
    for (unsigned left = from.byte() % 16; left > 0; --left) places.push_back(at += from.byte());
    std::erase_if(places, [&](std::size_t place) { return place > from.rest().size(); });
    return places;
}

}  // namespace hotpool::fuzz
