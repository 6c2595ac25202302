// Metrics as text, in the format that Prometheus reads.
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "hotpool/metrics/histogram.hpp"

namespace hotpool::metrics {

enum class metric_type : std::uint8_t { counter, gauge, histogram };

/// A name and a value of any text; without a value it is left out.
struct label {
    std::string_view name;
    std::string_view value;
};

/// The powers of two between which a histogram's values are told apart, 0 to 31, and what one of its units is.
struct histogram_scale {
    unsigned first_power = 6;  ///< 64 us
    unsigned last_power = 26;  ///< 67 s
    double unit = 1e-6;        ///< of seconds, where values are microseconds
};

/// Text in Prometheus' exposition format, version 0.0.4: `text/plain; version=0.0.4`. A family, then its samples.
/// @threads distinct objects only
/// @source https://prometheus.io/docs/instrumenting/exposition_formats/
class exposition {
public:
    using labels = std::initializer_list<label>;
    static constexpr std::string_view content_type = "text/plain; version=0.0.4; charset=utf-8";

    /// Begins a family; what follows are its samples, until the next one.
    /// @param name letters, digits, `_` and `:`, no digit first; a counter's ends in `_total`, a unit is before that
    /// @errors throws `std::invalid_argument` for another name
    void family(std::string_view name, metric_type type, std::string_view help) {
        require_name(name, ":_");
        name_ = name;
        text_.append("# HELP ").append(name).append(1, ' ');
        append_escaped(help, false);
        text_.append("\n# TYPE ").append(name).append(1, ' ').append(name_of(type)).append(1, '\n');
    }
    /// @errors throws `std::invalid_argument` for a label whose name is none
    void sample(std::uint64_t value, labels with = {}) { line({}, with, {}, value); }
    void sample(double value, labels with = {}) { line({}, with, {}, value); }
    /// The values less than each power of two count as at most it: a value is a whole number of units, rounded down.
    void sample(const histogram& values, labels with = {}, const histogram_scale& scale = {}) {
        for (unsigned power = scale.first_power; power <= scale.last_power; ++power) {
            const std::uint64_t bound = std::uint64_t{1} << power;
            line("_bucket", with, number(static_cast<double>(bound) * scale.unit), values.count_below(bound));
        }
        line("_bucket", with, "+Inf", values.count());
        line("_sum", with, {}, static_cast<double>(values.sum()) * scale.unit);
        line("_count", with, {}, values.count());
    }

    const std::string& text() const& noexcept { return text_; }
    std::string text() && noexcept { return std::move(text_); }

private:
    static constexpr const char* name_of(metric_type type) noexcept {
        switch (type) {
            case metric_type::counter: return "counter";
            case metric_type::gauge: return "gauge";
            case metric_type::histogram: return "histogram";
        }
        return "untyped";
    }
    static void require_name(std::string_view name, std::string_view also) {
        const auto is_letter = [&](char c) {
            return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || also.find(c) != also.npos;
        };
        bool sound = !name.empty() && is_letter(name.front());
        for (const char c : name) sound = sound && (is_letter(c) || (c >= '0' && c <= '9'));
        if (!sound)
            throw std::invalid_argument("hotpool::metrics::exposition name \"" + std::string(name) +
                                        "\" must be letters, digits and _, no digit first");
    }
    template <class Number>
    static std::string number(Number value) {
        char digits[32];
        return {digits, std::to_chars(digits, digits + sizeof digits, value).ptr};
    }
    /// @param quoted as the value of a label, where a quotation mark is escaped too
    void append_escaped(std::string_view text, bool quoted) {
        for (const char c : text) {
            if (c == '\n') {
                text_ += "\\n";
                continue;
            }
            if (c == '\\' || (quoted && c == '"')) text_ += '\\';
            text_ += c;
        }
    }
    void append_label(std::string_view name, std::string_view value, bool& any) {
        if (value.empty()) return;
        require_name(name, "_");
        text_ += any ? ',' : '{';
        any = true;
        text_.append(name).append("=\"");
        append_escaped(value, true);
        text_ += '"';
    }
    template <class Number>
    void line(std::string_view suffix, labels with, std::string_view at_most, Number value) {
        text_.append(name_).append(suffix);
        bool any = false;
        for (const label& l : with) append_label(l.name, l.value, any);
        append_label("le", at_most, any);
        text_.append(any ? "} " : " ").append(number(value)).append(1, '\n');
    }

    std::string name_;
    std::string text_;
};

}  // namespace hotpool::metrics
