// Which operation ended with which errc: seen while tests run, written when the program ends.
//
// Stands before the library's headers in all sources of a program (it is the first of the precompiled headers), since it
// defines what `completion` calls. `tests/observed/compare.sh` puts the notes of all programs together and holds them
// against the @errors of the public functions.
#pragma once

#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <system_error>

namespace hotpool::test {

/// What was seen of one type of operations. Needs no memory: tests count allocations.
class observed_errors {
public:
    explicit observed_errors(const char* type) : type_(type), next_(first().load()) {
        while (!first().compare_exchange_weak(next_, this)) {
        }
    }

    void note(const std::error_code& error) noexcept {
        if (!error || std::string_view(error.category().name()) != "hotpool") return;
        const auto value = static_cast<std::size_t>(error.value());
        if (value < most) seen_[value].store(true, std::memory_order_relaxed);
    }

    /// A line for each pair: the number of the errc, and the type of the operation as the compiler writes it.
    static void write(std::FILE* file) {
        for (const observed_errors* one = first().load(); one != nullptr; one = one->next_)
            for (std::size_t value = 0; value < most; ++value)
                if (one->seen_[value].load()) std::fprintf(file, "%zu\t%s\n", value, one->type_);
    }

private:
    static constexpr std::size_t most = 256;

    static std::atomic<const observed_errors*>& first() noexcept {
        static constinit std::atomic<const observed_errors*> head{nullptr};
        return head;
    }

    const char* type_;
    const observed_errors* next_;
    std::atomic<bool> seen_[most] = {};
};

/// Writes into the directory that HOTPOOL_OBSERVED names, if it names one.
class observed_errors_writer {
public:
    observed_errors_writer() = default;
    observed_errors_writer(const observed_errors_writer&) = delete;
    ~observed_errors_writer() {
        const char* directory = std::getenv("HOTPOOL_OBSERVED");
        if (directory == nullptr) return;
        std::FILE* file = std::fopen((directory + ("/" + std::to_string(::getpid()))).c_str(), "w");
        if (file == nullptr) return;
        observed_errors::write(file);
        std::fclose(file);
    }
};

inline const observed_errors_writer observed_errors_written;

template <class Op>
void observe_completion(const std::error_code& error) noexcept {
    static observed_errors seen(__PRETTY_FUNCTION__);
    seen.note(error);
}
/// Operations that end without an error to tell of.
template <class Op, class Other>
void observe_completion(const Other&) noexcept {}

}  // namespace hotpool::test

#define HOTPOOL_OBSERVE_COMPLETION(operation, first) ::hotpool::test::observe_completion<operation>(first)
