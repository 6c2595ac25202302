// Where in the program a call stands.
#pragma once

#include <version>

#if defined(__cpp_lib_source_location)
#    include <source_location>
#else
#    include <cstdint>
#endif

namespace hotpool {

#if defined(__cpp_lib_source_location)
using source_location = std::source_location;
#else
/// Stands for the standard one where compiler and library have none in common, as clang 14 with libstdc++.
class source_location {
public:
    static constexpr source_location current(const char* file = __builtin_FILE(),
                                             const char* function = __builtin_FUNCTION(),
                                             unsigned line = __builtin_LINE()) noexcept {
        source_location here;
        here.file_ = file;
        here.function_ = function;
        here.line_ = line;
        return here;
    }
    constexpr std::uint_least32_t line() const noexcept { return line_; }
    constexpr std::uint_least32_t column() const noexcept { return 0; }
    constexpr const char* file_name() const noexcept { return file_; }
    constexpr const char* function_name() const noexcept { return function_; }

private:
    const char* file_ = "";
    const char* function_ = "";
    std::uint_least32_t line_ = 0;
};
#endif

}  // namespace hotpool
