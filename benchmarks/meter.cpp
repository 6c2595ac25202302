#include "meter.hpp"

#include <linux/perf_event.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <fstream>
#include <string>

namespace bench {

namespace {

std::int64_t nanoseconds(const timeval& time) {
    return std::int64_t{time.tv_sec} * 1'000'000'000 + std::int64_t{time.tv_usec} * 1'000;
}

// The tracepoint's number, from wherever tracefs is mounted; -1 where it is not readable.
long sys_enter_id() {
    for (const std::string root : {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"}) {
        std::ifstream file{root + "/events/raw_syscalls/sys_enter/id"};
        if (long id = -1; file >> id) return id;
    }
    return -1;
}

}  // namespace

reading read_meter() {
    timespec wall{};
    clock_gettime(CLOCK_MONOTONIC, &wall);
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return {std::int64_t{wall.tv_sec} * 1'000'000'000 + wall.tv_nsec, nanoseconds(usage.ru_utime),
            nanoseconds(usage.ru_stime)};
}

syscall_counter::syscall_counter() {
    const long id = sys_enter_id();
    if (id < 0) return;
    perf_event_attr what{};
    what.type = PERF_TYPE_TRACEPOINT;
    what.size = sizeof what;
    what.config = static_cast<std::uint64_t>(id);
    what.inherit = 1;  // threads started later count too
    fd_ = static_cast<int>(::syscall(SYS_perf_event_open, &what, 0, -1, -1, PERF_FLAG_FD_CLOEXEC));
}

syscall_counter::~syscall_counter() {
    if (fd_ >= 0) ::close(fd_);
}

std::uint64_t syscall_counter::read() const {
    std::uint64_t calls = 0;
    if (fd_ >= 0 && ::read(fd_, &calls, sizeof calls) != sizeof calls) return 0;
    return calls;
}

}  // namespace bench
