#include <hotpool/hotpool.hpp>

#include <asio.hpp>

#include <cstdio>

int main() {
    asio::io_context context;
    context.run();
    std::printf("hotpool %s (%d), Asio %d\n", HOTPOOL_VERSION_STRING, HOTPOOL_VERSION, ASIO_VERSION);
}
