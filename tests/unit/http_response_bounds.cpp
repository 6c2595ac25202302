// The parser reads nothing in front of its input and nothing behind it: input between inaccessible pages.
#include "support/catch.hpp"
#include "unit/http_collect.hpp"
#include "unit/http_corpus.hpp"

#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>

#include <sys/mman.h>
#include <unistd.h>

using namespace hotpool;
using namespace hotpool::test;

namespace {

/// One page that can be used, between two that cannot.
class guarded_page {
public:
    guarded_page() {
        void* const three = ::mmap(nullptr, 3 * size_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        REQUIRE(three != MAP_FAILED);
        begin_ = static_cast<char*>(three) + size_;
        REQUIRE(::mprotect(begin_, size_, PROT_READ | PROT_WRITE) == 0);
    }
    guarded_page(const guarded_page&) = delete;
    guarded_page& operator=(const guarded_page&) = delete;
    ~guarded_page() { ::munmap(begin_ - size_, 3 * size_); }

    std::string_view at_begin(std::string_view text) { return put(begin_, text); }
    std::string_view at_end(std::string_view text) { return put(begin_ + size_ - text.size(), text); }

private:
    std::string_view put(char* where, std::string_view text) {
        REQUIRE(text.size() <= size_);
        std::memcpy(where, text.data(), text.size());
        return {where, text.size()};
    }

    std::size_t size_ = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    char* begin_ = nullptr;
};

/// Parses until the bytes are used up.
void parse_all(std::string_view text, const situation& when) {
    response_parser parser(when.bounds);
    parser.start(when.kind, when.upgrade_requested);
    for (;;) {
        const parse_result step = parser.parse(text);
        REQUIRE(step.consumed <= text.size());
        text.remove_prefix(step.consumed);
        if (step.event == parse_event::need_more || step.event == parse_event::end) return;
        if (step.event == parse_event::failed) return;
    }
}

void parse_every_beginning(std::string_view text, const situation& when) {
    guarded_page page;
    for (std::size_t size = 0; size <= text.size(); ++size) {
        parse_all(page.at_end(text.substr(0, size)), when);
        parse_all(page.at_begin(text.substr(0, size)), when);
    }
}

}  // namespace

TEST_CASE("accepted responses are read within their bounds") {
    for (const accepted_response& r : accepted_responses()) parse_every_beginning(r.text, r.when);
}

TEST_CASE("refused responses are read within their bounds") {
    for (const refused_response& r : refused_responses()) parse_every_beginning(r.text, r.when);
    for (const refused_response& r : refused_chunks())
        parse_every_beginning(std::string(chunked_head) + std::string(r.text), r.when);
}
