// One cell of the matrix: an operation, an ending, an executor, a thread.
#pragma once

#include <cstdint>
#include <string>

#include "support/black_hole.hpp"
#include "support/ends_endings.hpp"

namespace hotpool::test {

/// What cells share.
struct ends_world {
    stalling_server server;
    net::io_context io;
    test::black_hole black_hole{io};
};

struct cell {
    const operation_row* operation;
    const ending_row* ending;  ///< null: memory is refused
    executor_kind executor;
    ending_thread thread;
    std::uint64_t refused = 0;  ///< which allocation from the start on, counted from 0

    std::string name() const;
};

struct cell_result {
    std::string failure{};  ///< empty: the cell holds
    bool memory_was_refused = false;
};

/// Defined in ends/cell.cpp.
cell_result run_cell(ends_world& world, const cell& which);
cell_result run_memory_cell(ends_world& world, const cell& which);

}  // namespace hotpool::test
