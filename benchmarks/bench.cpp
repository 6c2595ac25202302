// bench: runs one row on one kind of work and prints what it cost, as one line of name=value fields.
#include "bench.hpp"
#include "meter.hpp"

#include <algorithm>
#include <charconv>
#include <iostream>
#include <map>
#include <stdexcept>

namespace {

using bench::job;

constexpr std::string_view usage =
    "bench --list WORK\n"
    "bench --row ID --work WORK --requests N --port P [--host 127.0.0.1] [--ca FILE] [--count 1]\n"
    "WORK is {plain|tls}-{seq|connections}-{bytes}[k|m], such as tls-32-16k\n";

std::size_t number(std::string_view text) {
    std::size_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size())
        throw std::invalid_argument{"not a number: " + std::string{text}};
    return value;
}

std::size_t bytes(std::string_view text) {
    if (text.ends_with('k')) return number(text.substr(0, text.size() - 1)) << 10;
    if (text.ends_with('m')) return number(text.substr(0, text.size() - 1)) << 20;
    return number(text);
}

job parse_work(std::string_view work) {
    const std::size_t first = work.find('-');
    const std::size_t last = work.rfind('-');
    if (first == last) throw std::invalid_argument{"not a kind of work: " + std::string{work}};
    const std::string_view on = work.substr(0, first);
    const std::string_view count = work.substr(first + 1, last - first - 1);
    const std::string_view body = work.substr(last + 1);
    if (on != "plain" && on != "tls") throw std::invalid_argument{"neither plain nor tls: " + std::string{work}};
    job job;
    job.on = on == "tls" ? bench::layer::tls : bench::layer::plain;
    job.connections = count == "seq" ? 1 : number(count);
    job.body_bytes = bytes(body);
    job.path = '/' + std::string{body};
    return job;
}

bool suits(const bench::row_kind& kind, const job& job) {
    const auto unsuited = job.connections == 1 ? bench::flow::concurrent : bench::flow::sequential;
    return kind.on == job.on && kind.can != unsuited && job.body_bytes >= kind.least_body_bytes;
}

// The rows as this program names them.
bench::registry named_rows() {
    bench::registry rows = bench::all_rows();
#if defined(ASIO_HAS_IO_URING)
    for (bench::row_kind& kind : rows) {
        kind.id += "-uring";
        kind.title += ", io_uring";
    }
#endif
    return rows;
}

void print(std::string_view name, double value) { std::cout << '\t' << name << '=' << value; }

// What the requests cost in time.
void measure(bench::row& row, std::uint64_t requests) {
    const bench::reading before = bench::read_meter();
    row.run(requests);
    const bench::reading after = bench::read_meter();
    const auto each = static_cast<double>(requests);
    const auto user_ns = static_cast<double>(after.user_ns - before.user_ns) / each;
    const auto system_ns = static_cast<double>(after.system_ns - before.system_ns) / each;
    print("per_second", 1e9 * each / static_cast<double>(after.wall_ns - before.wall_ns));
    print("cpu_ns", user_ns + system_ns);
    print("user_ns", user_ns);
    print("system_ns", system_ns);
}

// What one request more costs in calls: twice the requests against once, so that starting and stopping drop out.
void count(bench::row& row, std::uint64_t requests) {
    row.run(requests);  // what is kept for reuse has been allocated
    const bench::syscall_counter syscalls;
    const bench::call_counts start = bench::count_calls(syscalls);
    row.run(requests);
    const bench::call_counts middle = bench::count_calls(syscalls);
    row.run(2 * requests);
    const bench::call_counts end = bench::count_calls(syscalls);
    const auto per_request = [&](std::uint64_t bench::call_counts::*which) {
        const auto once = static_cast<double>(middle.*which - start.*which);
        const auto twice = static_cast<double>(end.*which - middle.*which);
        return (twice - once) / static_cast<double>(requests);
    };
    if (syscalls.works()) print("syscalls", per_request(&bench::call_counts::system));
    print("new", per_request(&bench::call_counts::operator_new));
    print("openssl", per_request(&bench::call_counts::openssl));
    print("malloc", per_request(&bench::call_counts::malloc));
}

int run(std::map<std::string, std::string> options) {
    if (options.contains("--list")) {
        const job job = parse_work(options["--list"]);
        for (const bench::row_kind& kind : named_rows())
            if (suits(kind, job)) std::cout << kind.id << '\t' << kind.title << '\n';
        return 0;
    }
    job job = parse_work(options["--work"]);
    job.host = options.contains("--host") ? options["--host"] : "127.0.0.1";
    job.port = options["--port"];
    job.ca_file = options["--ca"];
    const std::size_t requests = number(options["--requests"]);
    for (const bench::row_kind& kind : named_rows()) {
        if (kind.id != options["--row"] || !suits(kind, job)) continue;
        const auto row = kind.open(job);
        std::cout.precision(10);
        std::cout << "row=" << kind.id << "\twork=" << options["--work"] << "\trequests=" << requests
                  << "\ttitle=" << kind.title;
        // Caches, allocator and branch predictors settle; with large bodies it would take longer than the measurement.
        row->run(std::min<std::size_t>(500, requests));
        const auto what = options.contains("--count") ? count : measure;
        what(*row, requests);
        std::cout << '\n';
        return 0;
    }
    throw std::invalid_argument{"no row " + options["--row"] + " for " + options["--work"]};
}

}  // namespace

int main(int argc, char** argv) {
    try {
        bench::check_openssl_is_counted();
        std::map<std::string, std::string> options;
        for (int i = 1; i + 1 < argc; i += 2) options[argv[i]] = argv[i + 1];
        if (options.empty()) return std::cout << usage, 2;
        return run(std::move(options));
    } catch (const std::exception& error) {
        std::cerr << "bench: " << error.what() << '\n';
        return 1;
    }
}
