// What a stretch of work cost this process.
#pragma once

#include <cstdint>

namespace bench {

struct reading {
    std::int64_t wall_ns = 0;
    std::int64_t user_ns = 0;
    std::int64_t system_ns = 0;
};

reading read_meter();

// Allocations are those of the calling thread.
struct call_counts {
    std::uint64_t system = 0;        // system calls
    std::uint64_t operator_new = 0;  // every form of it
    std::uint64_t openssl = 0;       // OpenSSL's own allocator
    std::uint64_t malloc = 0;        // malloc, calloc, realloc and the aligned forms, the two above included
};

// Counts this process's system calls through the kernel's tracepoint. It slows every call down a little, so it is
// used in a pass of its own.
class syscall_counter {
public:
    syscall_counter();
    syscall_counter(const syscall_counter&) = delete;
    syscall_counter& operator=(const syscall_counter&) = delete;
    ~syscall_counter();

    bool works() const { return fd_ >= 0; }  // not where the kernel refuses: not root, in a container
    std::uint64_t read() const;

private:
    int fd_ = -1;
};

call_counts count_calls(const syscall_counter& syscalls);

// Throws unless OpenSSL's allocations are counted.
void check_openssl_is_counted();

}  // namespace bench
