// The parser reads nothing in front of its input and nothing behind it: input between inaccessible pages.
#include "support/catch.hpp"
#include "unit/http_collect.hpp"
#include "unit/http_corpus.hpp"

#include <sys/mman.h>
#include <unistd.h>
#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

using namespace hotpool;
using namespace hotpool::test;

namespace {

/// Pages that can be used, between two that cannot.
class guarded_pages {
public:
    explicit guarded_pages(std::size_t count) : size_(count * page_size()) {
        void* const all = ::mmap(nullptr, size_ + 2 * page_size(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        REQUIRE(all != MAP_FAILED);
        begin_ = static_cast<char*>(all) + page_size();
        REQUIRE(::mprotect(begin_, size_, PROT_READ | PROT_WRITE) == 0);
    }
    guarded_pages(const guarded_pages&) = delete;
    guarded_pages& operator=(const guarded_pages&) = delete;
    ~guarded_pages() { ::munmap(begin_ - page_size(), size_ + 2 * page_size()); }

    static std::size_t page_size() { return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)); }

    std::span<char> at_begin(std::string_view text) { return put(begin_, text); }
    std::span<char> at_end(std::string_view text) { return put(begin_ + size_ - text.size(), text); }

    void hide_first_page() { REQUIRE(::mprotect(begin_, page_size(), PROT_NONE) == 0); }
    void show_first_page() { REQUIRE(::mprotect(begin_, page_size(), PROT_READ) == 0); }

private:
    std::span<char> put(char* where, std::string_view text) {
        REQUIRE(text.size() <= size_);
        std::memcpy(where, text.data(), text.size());
        return {where, text.size()};
    }

    std::size_t size_;
    char* begin_ = nullptr;
};

/// Parses until the bytes are used up.
void parse_all(std::span<char> text, const situation& when) {
    response_parser parser(when.bounds);
    parser.start(when.kind, when.upgrade_requested);
    for (;;) {
        const parse_result step = parser.parse(text.data(), text.size());
        REQUIRE(step.consumed <= text.size());
        text = text.subspan(step.consumed);
        if (step.event == parse_event::need_more || step.event == parse_event::end) return;
        if (step.event == parse_event::failed) return;
    }
}

void parse_every_beginning(std::string_view text, const situation& when) {
    guarded_pages pages(1);
    for (std::size_t size = 0; size <= text.size(); ++size) {
        parse_all(pages.at_end(text.substr(0, size)), when);
        parse_all(pages.at_begin(text.substr(0, size)), when);
    }
}

/// Delivers `line` so that its first page cannot be read any more while the rest of it comes byte by byte.
void check_looked_at_once(response_parser& parser, const std::string& line) {
    guarded_pages pages(2);
    const std::span<char> shown = pages.at_begin(line);
    const std::string_view text{shown.data(), shown.size()};
    REQUIRE(text.size() > guarded_pages::page_size() + 1);
    REQUIRE(parser.parse(text.substr(0, guarded_pages::page_size())).event == parse_event::need_more);
    pages.hide_first_page();
    for (std::size_t size = guarded_pages::page_size(); size < text.size(); ++size)
        REQUIRE(parser.parse(text.substr(0, size)).event == parse_event::need_more);
    pages.show_first_page();
    CHECK(parser.parse(text).event != parse_event::failed);
}

}  // namespace

TEST_CASE("accepted_responses_are_read_within_their_bounds") {
    for (const accepted_response& r : accepted_responses()) parse_every_beginning(r.text, r.when);
}

TEST_CASE("borne_responses_are_read_and_unfolded_within_their_bounds") {
    for (const borne_response& r : borne_responses()) parse_every_beginning(r.as.text, r.as.when);
}

TEST_CASE("refused_responses_are_read_within_their_bounds") {
    for (const refused_response& r : refused_responses()) parse_every_beginning(r.text, r.when);
    for (const refused_response& r : refused_chunks()) parse_every_beginning(in_chunks(r.text), r.when);
}

TEST_CASE("bytes_of_a_line_are_not_looked_at_again_before_the_line_is_complete") {
    const std::string filler(guarded_pages::page_size(), 'x');
    for (const std::string_view start : {"HTTP/1.1 204 No Content\r\nName: ", "HTTP/1.1 204 No Content\r\nName"}) {
        response_parser parser;
        check_looked_at_once(parser, std::string(start) + filler + ": x\r\n");
    }
    for (const std::string_view start : {"1;", "0\r\nName: "}) {
        response_parser parser({.max_chunk_line_bytes = 64 * 1024});
        REQUIRE(parser.parse(chunked_head).event == parse_event::head);
        std::string line = std::string(start) + filler + "\r\n";
        line.erase(0, parser.parse(line.substr(0, 4)).consumed);
        check_looked_at_once(parser, line);
    }
}
