// What a process reads of itself, and the limits of control groups from files of our own.
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "hotpool/inbound/process_resources.hpp"
#include "support/catch.hpp"

using namespace hotpool::inbound;

namespace {

/// Control groups of our own making, removed at the end.
class group_tree {
public:
    group_tree() {
        std::string pattern = (std::filesystem::temp_directory_path() / "hotpool_groups_XXXXXX").string();
        root_ = ::mkdtemp(pattern.data());
    }
    ~group_tree() { std::filesystem::remove_all(root_); }

    group_tree& put(const std::string& file, const std::string& text) {
        const std::filesystem::path path = root_ / file;
        std::filesystem::create_directories(path.parent_path());
        std::ofstream(path) << text;
        return *this;
    }
    std::size_t limit(const std::string& groups) const {
        return hotpool::inbound::detail::memory_limit_of_groups(groups, root_.string());
    }

private:
    std::filesystem::path root_;
};

}  // namespace

TEST_CASE("descriptors_of_the_process_are_counted", "[inbound]") {
    const process_resources resources;
    const resource_usage before = resources.read();
    CHECK(before.descriptors_used > 2);
    std::vector<int> more(100);
    for (int& fd : more) fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    CHECK(resources.read().descriptors_used == before.descriptors_used + more.size());
    for (const int fd : more) ::close(fd);
    CHECK(resources.read().descriptors_used == before.descriptors_used);
    rlimit limit{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHECK(before.descriptors_limit == limit.rlim_cur);
}

TEST_CASE("limit_of_descriptors_may_change_while_the_process_runs", "[inbound]") {
    const process_resources resources;
    rlimit was{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &was) == 0);
    rlimit less = was;
    less.rlim_cur = 200;
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &less) == 0);
    CHECK(resources.read().descriptors_limit == 200);
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &was) == 0);
}

TEST_CASE("resident_memory_grows_with_what_is_written_to", "[inbound]") {
    constexpr std::size_t size = 64 * 1024 * 1024;
    const process_resources resources;
    const resource_usage before = resources.read();
    const std::vector<char> block(size, 'x');
    const resource_usage after = resources.read();
    CHECK(before.memory_used_bytes > 0);
    CHECK(after.memory_used_bytes >= before.memory_used_bytes + size * 9 / 10);
    CHECK(after.memory_limit_bytes > after.memory_used_bytes);
    CHECK(block[size / 2] == 'x');
}

TEST_CASE("limit_of_a_control_group_is_the_least_on_the_way_up", "[inbound]") {
    group_tree tree;
    tree.put("memory.max", "max\n").put("a/memory.max", "5000\n").put("a/b/memory.max", "9000\n");
    CHECK(tree.limit("0::/a/b\n") == 5000);
    CHECK(tree.limit("0::/a\n") == 5000);
    CHECK(tree.limit("0::/\n") == 0);
    tree.put("a/b/memory.max", "4000\n");
    CHECK(tree.limit("0::/a/b\n") == 4000);
}

TEST_CASE("control_groups_of_both_versions_are_asked", "[inbound]") {
    group_tree tree;
    tree.put("memory/x/memory.limit_in_bytes", "700\n").put("u/memory.max", "800\n");
    CHECK(tree.limit("5:cpu,cpuacct:/other\n4:memory:/x\n0::/u\n") == 700);
    CHECK(tree.limit("4:memory:/\n0::/u") == 800);
}

TEST_CASE("group_that_cannot_be_seen_has_the_limit_of_the_root", "[inbound]") {
    group_tree tree;
    tree.put("memory.max", "1234\n");
    CHECK(tree.limit("0::/docker/0123\n") == 1234);
}

TEST_CASE("groups_that_make_no_sense_limit_nothing", "[inbound]") {
    const group_tree tree;
    for (const char* text : {"", "\n", "0", "0:", "0::", ":::", "memory", "0::a", "4:memory:\n\n0::/"}) {
        CAPTURE(text);
        CHECK(tree.limit(text) == 0);
    }
}
