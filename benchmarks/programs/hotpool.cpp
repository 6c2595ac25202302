// GET / over TLS and the status, with hotpool: HOST [PORT [CA-FILE]]
#include <hotpool/hotpool.hpp>

#include <iostream>

int main(int argc, char** argv) {
    if (argc < 2) return 2;
    asio::io_context context;
    hotpool::tls_pool pool{context.get_executor(),
                           {.host = argv[1], .port = argc > 2 ? argv[2] : "443"},
                           {},
                           {.ca_file = argc > 3 ? argv[3] : ""}};
    hotpool::http_client client{pool};
    int failed = 1;
    client.async_get("/", [&](std::error_code error, const hotpool::response& reply) {
        if (error)
            std::cerr << error.message() << '\n';
        else
            std::cout << reply.status() << '\n';
        failed = error ? 1 : 0;
        pool.close();
    });
    context.run();
    return failed;
}
