// Every asynchronous operation, ended in every way that its surroundings can end.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/ends_cell.hpp"

using namespace hotpool;
using namespace hotpool::test;

namespace {

/// No operation makes more allocations on its way.
constexpr std::uint64_t allocations_limit = 200;

class matrix {
public:
    matrix(executor_kind executor, ending_thread thread) : executor_(executor), thread_(thread) {}
    ~matrix() {
        std::printf("%s / %s: %d cells run, %d skipped\n", name_of(executor_), name_of(thread_), run_, skipped_);
        for (const auto& [reason, count] : reasons_) std::printf("    %4d skipped: %s\n", count, reason.c_str());
        std::printf("    %d fail\n", failed());
        for (const std::string& line : failures_) std::printf("    fails: %s\n", line.c_str());
        std::fflush(stdout);
    }

    int failed() const noexcept { return static_cast<int>(failures_.size()); }
    void run_all(const std::vector<operation_row>& operations) {
        for (const operation_row& operation : operations) {
            for (const ending_row& ending : all_endings()) run_one({&operation, &ending, executor_, thread_});
            refuse_memory(operation);
        }
    }

private:
    void run_one(const cell& c) {
        if (!is_wanted(c)) return;
        const expectation expected = c.ending->expect(*c.operation, executor_, thread_);
        if (expected.what == fate::makes_no_sense) return skip(expected.reason);
        run(c, run_cell);
    }
    void refuse_memory(const operation_row& operation) {
        cell c{&operation, nullptr, executor_, thread_};
        if (executor_ == executor_kind::thread_pool || thread_ == ending_thread::other)
            return skip("memory is refused to one thread only");
        if (operation.has(takes_no_handler)) return skip("an answer is not begun");
        bool wanted = false;
        for (; c.refused < allocations_limit; ++c.refused) {
            if (!is_wanted(c)) continue;
            wanted = true;
            if (!run(c, run_memory_cell)) return;
        }
        if (wanted && !std::getenv("HOTPOOL_ENDS_ONLY")) fail(c.name() + ": allocates without end");
    }

    /// @return whether memory was refused
    bool run(const cell& c, cell_result (*how)(ends_world&, const cell&)) {
        ++run_;
        const cell_result result = apart() ? run_apart(c, how) : how(world_, c);
        if (!result.failure.empty()) fail(c.name() + ": " + result.failure);
        return result.memory_was_refused;
    }

    /// In a process of its own, which may crash and hang.
    cell_result run_apart(const cell& c, cell_result (*how)(ends_world&, const cell&)) {
        int ends[2];
        if (::pipe(ends) != 0) throw std::runtime_error("no pipe");
        std::fflush(stdout);
        const pid_t child = ::fork();
        if (child == 0) {
            ::alarm(30);
            const cell_result result = how(world_, c);
            const std::string text = (result.memory_was_refused ? "1" : "0") + result.failure;
            if (::write(ends[1], text.data(), text.size()) < 0) std::abort();
            ::_exit(0);
        }
        ::close(ends[1]);
        std::string text;
        char bytes[1024];
        for (long got; (got = ::read(ends[0], bytes, sizeof bytes)) > 0;)
            text.append(bytes, static_cast<std::size_t>(got));
        ::close(ends[0]);
        int status = 0;
        ::waitpid(child, &status, 0);
        if (status != 0 || text.empty())
            return {"dies of " + std::to_string(WIFSIGNALED(status) ? WTERMSIG(status) : status), true};
        return {text.substr(1), text[0] == '1'};
    }
    static bool apart() { return std::getenv("HOTPOOL_ENDS_APART") != nullptr; }
    /// Only cells with this in their name.
    static bool is_wanted(const cell& c) {
        const char* const part = std::getenv("HOTPOOL_ENDS_ONLY");
        return part == nullptr || c.name().find(part) != std::string::npos;
    }

    void fail(std::string line) {
        std::printf("    fails: %s\n", line.c_str());
        std::fflush(stdout);
        failures_.push_back(std::move(line));
    }
    void skip(const std::string& reason) {
        ++skipped_;
        ++reasons_[reason];
    }

    executor_kind executor_;
    ending_thread thread_;
    ends_world world_;
    int run_ = 0;
    int skipped_ = 0;
    std::vector<std::string> failures_;  // told again at the end, where a cut report still shows them
    std::map<std::string, int> reasons_;
};

void run(executor_kind executor, ending_thread thread) {
    matrix all(executor, thread);
    all.run_all(outbound_operations());
    all.run_all(inbound_operations());
    CHECK(all.failed() == 0);
}

}  // namespace

TEST_CASE("every_ending_is_safe_on_an_io_context", "[ends]") { run(executor_kind::io_context, ending_thread::same); }
TEST_CASE("every_ending_is_safe_on_a_strand", "[ends]") { run(executor_kind::strand, ending_thread::same); }
TEST_CASE("every_ending_from_another_thread_is_safe_on_an_io_context", "[ends][thread]") {
    run(executor_kind::io_context, ending_thread::other);
}
TEST_CASE("every_ending_from_another_thread_is_safe_on_a_strand", "[ends][thread]") {
    run(executor_kind::strand, ending_thread::other);
}
TEST_CASE("every_ending_is_safe_on_a_thread_pool", "[ends][thread]") {
    run(executor_kind::thread_pool, ending_thread::same);
}
TEST_CASE("every_ending_from_another_thread_is_safe_on_a_thread_pool", "[ends][thread]") {
    run(executor_kind::thread_pool, ending_thread::other);
}
