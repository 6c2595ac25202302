// Cells that do not hold yet.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace hotpool::test {

struct known_failure {
    std::string_view operation;  ///< the beginning of its name; empty: any
    std::string_view ending;     ///< likewise
    std::string_view place;      ///< a part of "executor / thread"; empty: any
    int item;                    ///< of the list that it belongs to
    bool crashes = false;        ///< or hangs: is not run
    std::uint64_t until = 0;     ///< of refused memory: how many cells there are
};

inline const known_failure* find_known(std::string_view cell) {
    static const std::vector<known_failure> all = {
    };
    for (const known_failure& known : all) {
        if (!cell.starts_with(known.operation)) continue;
        const std::string_view rest = cell.substr(cell.find(" / ") + 3);
        if (rest.starts_with(known.ending) && rest.find(known.place) != rest.npos) return &known;
    }
    return nullptr;
}

}  // namespace hotpool::test
