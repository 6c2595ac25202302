// Characters, words, lists and numbers.
#include "hotpool/http/grammar.hpp"
#include "hotpool/http/scan.hpp"
#include "support/catch.hpp"
#include "unit/http_random.hpp"

#include <algorithm>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

using namespace hotpool;
using namespace hotpool::http;

TEST_CASE("a_list_is_taken_apart_element_by_element") {
    const auto elements = [](std::string_view list) {
        std::vector<std::string_view> all;
        do all.push_back(take_list_element(list));
        while (list.data() != nullptr);
        return all;
    };
    using list = std::vector<std::string_view>;
    CHECK(elements("a") == list{"a"});
    CHECK(elements("a,b") == list{"a", "b"});
    CHECK(elements(" a\t, b c ,") == list{"a", "b c", ""});
    CHECK(elements(",") == list{"", ""});
    CHECK(elements("") == list{""});
}

TEST_CASE("a_list_has_a_token_only_as_a_whole_element") {
    CHECK(list_has_token("close", "close"));
    CHECK(list_has_token("CLOSE", "close"));
    CHECK(list_has_token("upgrade,close", "close"));
    CHECK(list_has_token("close , upgrade", "close"));
    CHECK(list_has_token(",,close,,", "close"));
    CHECK_FALSE(list_has_token("", "close"));
    CHECK_FALSE(list_has_token("closed", "close"));
    CHECK_FALSE(list_has_token("clos", "close"));
    CHECK_FALSE(list_has_token("not close", "close"));
    CHECK_FALSE(list_has_token("close;q=1", "close"));
}

TEST_CASE("only_letters_compare_without_case") {
    CHECK(equals_ignoring_case("Content-Length", "cONTENT-lENGTH"));
    CHECK(equals_ignoring_case("", ""));
    CHECK_FALSE(equals_ignoring_case("a", "ab"));
    for (const std::string_view pair : {"@`", "[{", "\\|", "]}", "^~", "_\x7f", " \x40", "-\r"})
        CHECK_FALSE(equals_ignoring_case(pair.substr(0, 1), pair.substr(1)));
}

TEST_CASE("a_word_is_found_in_any_case_and_nothing_else_is_taken_for_it") {
    for (const std::string_view same : {"keep-alive", "Keep-Alive", "KEEP-ALIVE", "kEEP-aLIVE"})
        CHECK(is_word(same, "keep-alive"));
    const std::string word = "keep-alive";
    for (std::size_t at = 0; at < word.size(); ++at)
        for (int c = 0x20; c < 256; ++c) {
            std::string other = word;
            other[at] = static_cast<char>(c);
            CHECK(is_word(other, "keep-alive") == equals_ignoring_case(other, word));
        }
    CHECK_FALSE(is_word("keep-aliv", "keep-alive"));
    CHECK_FALSE(is_word("keep-alives", "keep-alive"));
}

TEST_CASE("decimal_numbers_are_digits_up_to_64_bits") {
    CHECK(parse_decimal("0") == 0u);
    CHECK(parse_decimal("0042") == 42u);
    CHECK(parse_decimal("18446744073709551615") == std::numeric_limits<std::uint64_t>::max());
    for (const std::string_view wrong : {"", " ", "1 ", " 1", "+1", "-1", "1.0", "0x1", "1a", "18446744073709551616",
                                         "18446744073709551620", "99999999999999999999", "184467440737095516150"})
        CHECK(parse_decimal(wrong) == std::nullopt);
}

TEST_CASE("hexadecimal_digits_are_taken_off_the_front_up_to_64_bits") {
    const auto take = [](std::string_view text, std::string_view behind) {
        const auto value = take_hex(text);
        if (value) CHECK(text == behind);
        return value;
    };
    CHECK(take("0", "") == 0u);
    CHECK(take("1aF;x", ";x") == 0x1afu);
    CHECK(take("00000000000000000000001", "") == 1u);
    CHECK(take("ffffffffffffffff", "") == std::numeric_limits<std::uint64_t>::max());
    CHECK(take("10000000000000000", "") == std::nullopt);
    for (const std::string_view wrong : {"", "g", " 1", "-1", "/", ":", "@", "`"})
        CHECK(take(wrong, "") == std::nullopt);
}

TEST_CASE("scans_stop_at_the_first_character_that_does_not_belong_wherever_it_is") {
    const std::string before(40, 'x');
    for (std::size_t prefix = 0; prefix <= before.size(); ++prefix)
        for (std::size_t suffix : {std::size_t{0}, std::size_t{1}, std::size_t{20}})
            for (int code = 0; code < 256; ++code) {
                const auto c = static_cast<char>(code);
                const std::string text = before.substr(0, prefix) + c + std::string(suffix, 'y');
                const char* const begin = text.data();
                const char* const end = begin + text.size();
                const char* const there = begin + prefix;
                CHECK(skip_token(begin, end) == (is_token_char(c) ? end : there));
                CHECK(skip_field_text(begin, end) == (is_field_char(c) ? end : there));
                CHECK(find_line_feed(begin, end) == (c == '\n' ? there : end));
            }
}

TEST_CASE("scans_pass_over_every_character_that_belongs_in_any_mixture") {
    test::random_messages random(4);
    const std::string usual = "abcXYZ-";
    std::string all;
    for (int code = 0; code < 256; ++code) all += static_cast<char>(code);
    for (int round = 0; round < 20'000; ++round) {
        std::string text = random.text_of(usual, random.up_to(50));
        for (std::size_t odd = random.up_to(3); odd > 0 && !text.empty(); --odd)
            text[random.up_to(text.size() - 1)] = all[random.up_to(255)];
        const auto first_without = [&](bool (*belongs)(char)) {
            return text.data() + (std::find_if_not(text.begin(), text.end(), belongs) - text.begin());
        };
        const char* const end = text.data() + text.size();
        CHECK(skip_token(text.data(), end) == first_without(is_token_char));
        CHECK(skip_field_text(text.data(), end) == first_without(is_field_char));
    }
}
