// bench_memory: heap bytes of one idle connection. One row a process, so that none lives on what another has freed.
#include "bench_memory.hpp"

#include <malloc.h>

#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>

namespace bench {

namespace {

constexpr std::string_view usage =
    "usage: bench_memory --list\n"
    "       bench_memory {plain|tls} ROW PORT CA_FILE\n";
constexpr std::size_t before = 100;  // what the first connections bring along is shared by all
constexpr std::size_t counted = 400;

const char* name(layer on) { return on == layer::tls ? "tls" : "plain"; }

std::vector<idle_kind> all_kinds() {
    std::vector<idle_kind> kinds;
    add_idle_asio(kinds);
    add_idle_openssl(kinds);
    add_idle_curl(kinds);
    add_idle_hotpool(kinds);
    return kinds;
}

void list() {
    for (const layer on : {layer::plain, layer::tls})
        for (const idle_kind& kind : all_kinds())
            if (kind.on == on)
                std::printf("%s\t%.*s\t%.*s\n", name(on), static_cast<int>(kind.id.size()), kind.id.data(),
                            static_cast<int>(kind.title.size()), kind.title.data());
}

double heap_bytes() {
    const struct mallinfo2 heap = ::mallinfo2();
    return static_cast<double>(heap.uordblks + heap.hblkhd);
}

void measure(const idle_kind& kind, const job& job) {
    const std::unique_ptr<idle_set> idle = kind.open(job);
    idle->grow_to(before);
    const double few = heap_bytes();
    idle->grow_to(before + counted);
    std::printf("%.0f\n", (heap_bytes() - few) / static_cast<double>(counted));
}

void run(std::string_view on, std::string_view id, const char* port, const char* ca_file) {
    for (const idle_kind& kind : all_kinds()) {
        if (name(kind.on) != on || kind.id != id) continue;
        job job;
        job.on = kind.on;
        job.body_bytes = 100;
        job.path = "/100";
        job.host = "127.0.0.1";
        job.port = port;
        job.ca_file = ca_file;
        return measure(kind, job);
    }
    throw std::invalid_argument{"there is no row " + std::string{on} + ' ' + std::string{id}};
}

}  // namespace

}  // namespace bench

int main(int argc, char** argv) try {
    if (argc == 2 && std::string_view{argv[1]} == "--list") {
        bench::list();
    } else if (argc == 5) {
        bench::run(argv[1], argv[2], argv[3], argv[4]);
    } else {
        std::fputs(bench::usage.data(), stderr);
        return 2;
    }
} catch (const std::exception& error) {
    std::fprintf(stderr, "bench_memory: %s\n", error.what());
    return 1;
}
