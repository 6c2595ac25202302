// What a benchmark row is: a way to send requests over connections that are already open.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

enum class layer { plain, tls };
enum class flow { sequential, concurrent, both };

// One kind of work on one server, spelled `tls-32-16k`: layer, requests in flight (`seq` is one), body.
struct job {
    layer on = layer::plain;
    std::size_t connections = 1;
    std::size_t body_bytes = 0;
    std::string path;  // `/16k`: the body's spelling names the resource
    std::string host;
    std::string port;
    std::string ca_file;  // roots for TLS
};

class row {
public:
    row() = default;
    row(const row&) = delete;
    row& operator=(const row&) = delete;
    virtual ~row() = default;

    // Sends the requests and receives every response in full. Throws on any failure.
    virtual void run(std::uint64_t requests) = 0;
};

struct row_kind {
    std::string id;
    layer on;
    flow can;
    std::string title;                         // for the table
    std::unique_ptr<row> (*open)(const job&);  // opens the connections and checks one response on each
    std::size_t least_body_bytes = 0;          // smaller bodies would tell nothing new
};

using registry = std::vector<row_kind>;

template <class Row>
std::unique_ptr<row> open(const job& job) {
    return std::make_unique<Row>(job);
}

// The rows of this program, in the order of the table. CMake makes it of the functions add_NAME_rows, one for
// each file rows_NAME.cpp that was built.
registry all_rows();

// `GET` with the header fields that hotpool sends by itself, so that every row asks the same.
std::string request_bytes(const job& job);

// Length of the first response in `text`, head and body; 0 while the head is incomplete.
// Throws unless it is a 200 whose Content-Length is the job's body.
std::size_t response_bytes(std::string_view text, const job& job);

}  // namespace bench
