// A group of connections on loopback, each written to as the registry says.
#pragma once

#include <hotpool/inbound/connection_registry.hpp>
#include <hotpool/inbound/random_bytes.hpp>

#include <array>
#include <asio/buffer.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/write.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <future>
#include <memory>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

namespace bench {

// Of `size` members the first sends and has no socket. The others' far ends are read by a thread, all but the last one's
// if that is stuck.
class loopback_group {
public:
    using message = std::shared_ptr<const std::string>;
    using clock = std::chrono::steady_clock;

    loopback_group(std::size_t size, hotpool::inbound::slow_reader when_full, bool stuck)
        : registry_({.when_full = when_full}), stuck_(stuck) {
        asio::ip::tcp::acceptor acceptor(context_, {asio::ip::address_v4::loopback(), 0});
        sender_ = hotpool::inbound::random_connection_id();
        registry_.join({}, sender_, nullptr);
        while (readers_.size() + 1 < size) {
            readers_.push_back(std::make_unique<reader>(*this));
            readers_.back()->far.connect(acceptor.local_endpoint());
            readers_.back()->near = acceptor.accept();
            readers_.back()->near.set_option(asio::ip::tcp::no_delay(true));
            registry_.join({}, readers_.back()->id, readers_.back().get());
        }
        if (stuck) {
            const auto more_than_fits = std::make_shared<const std::string>(std::size_t{16} << 20, 'x');
            registry_.send(readers_.back()->id, more_than_fits);
            write_all();
        }
        for (std::size_t i = 0; i < awake(); ++i) readers_[i]->read();
        far_ends_ = std::thread([this] { far_context_.run(); });
    }
    loopback_group(const loopback_group&) = delete;
    loopback_group& operator=(const loopback_group&) = delete;
    ~loopback_group() {
        far_context_.stop();
        far_ends_.join();
    }

    // How long it takes until all who are awake have read so many broadcasts. The next one is sent when the one before
    // is written to them, so nothing is dropped for them.
    std::chrono::duration<double> broadcast(std::size_t times, const message& text) {
        std::promise<void> all_read;
        expect(times * text->size() * awake(), all_read);
        const auto begin = clock::now();
        for (std::size_t i = 0; i < times; ++i) {
            under_way_ = awake();
            registry_.broadcast(sender_, text);
            write_all();
            while (under_way_ != 0) context_.run_one();
        }
        all_read.get_future().wait();
        return clock::now() - begin;
    }

    std::size_t awake() const { return readers_.size() - (stuck_ ? 1 : 0); }

private:
    struct reader {
        explicit reader(loopback_group& group) : owner(group), near(group.context_), far(group.far_context_) {}

        void write(message text) {
            asio::async_write(near, asio::buffer(*text), [this, text](std::error_code error, std::size_t) {
                if (error) throw std::system_error(error);
                owner.written(*this);
            });
        }
        void read() {
            far.async_read_some(asio::buffer(owner.space_), [this](std::error_code error, std::size_t bytes) {
                if (error) throw std::system_error(error);
                owner.bytes_read(bytes);
                read();
            });
        }

        loopback_group& owner;
        const hotpool::inbound::connection_id id = hotpool::inbound::random_connection_id();
        asio::ip::tcp::socket near, far;
    };

    void write_all() {
        while (auto next = registry_.next_delivery()) (*registry_.state(next->to))->write(std::move(next->message));
        while (const auto ended = registry_.next_disconnect()) registry_.leave(*ended);
    }
    void written(reader& by) {
        --under_way_;
        registry_.delivered(by.id);
        write_all();
    }

    void expect(std::size_t bytes, std::promise<void>& all_read) {
        std::promise<void> told;
        asio::post(far_context_, [&] {
            expected_ = bytes;
            all_read_ = &all_read;
            told.set_value();
        });
        told.get_future().wait();
    }
    void bytes_read(std::size_t bytes) {
        if ((expected_ -= bytes) == 0) all_read_->set_value();
    }

    asio::io_context context_{1}, far_context_{1};
    asio::executor_work_guard<asio::io_context::executor_type> work_{context_.get_executor()},
        far_work_{far_context_.get_executor()};
    hotpool::inbound::connection_registry<message, reader*> registry_;
    hotpool::inbound::connection_id sender_;
    std::vector<std::unique_ptr<reader>> readers_;
    std::size_t under_way_ = 0;
    const bool stuck_;

    // Of the thread that reads.
    std::array<char, 64 * 1024> space_{};
    std::size_t expected_ = 0;
    std::promise<void>* all_read_ = nullptr;
    std::thread far_ends_;
};

}  // namespace bench
