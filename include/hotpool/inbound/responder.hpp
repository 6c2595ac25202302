// The right, and the duty, to answer one request.
#pragma once

#include <functional>
#include <utility>

#include "hotpool/base/access.hpp"
#include "hotpool/inbound/reply.hpp"

namespace hotpool::inbound {

namespace detail {

/// The session whose request is to be answered.
class answer_target {
public:
    virtual void add_ref() noexcept = 0;
    virtual void release() noexcept = 0;
    /// Of each responder until one of these has not thrown, on any thread.
    virtual void answer(const reply& r) = 0;
    virtual void answer(reply&& r) = 0;
    virtual void unanswered() noexcept = 0;
    virtual bool client_gone() noexcept = 0;
    virtual void on_client_gone(std::function<void()> hook) = 0;

protected:
    ~answer_target() = default;
};

}  // namespace detail

/// Answers one request, once: in the handler or later, on any thread. One that is destroyed without having answered
/// answers 500 and closes the connection. Move-only.
/// @threads distinct objects only
/// @lifetime keeps the `request` that the handler was given, which stays until it has answered, or is gone. The connection
/// may end meanwhile, the reply is dropped then
class responder {
public:
    responder() noexcept = default;
    responder(responder&& other) noexcept : target_(std::exchange(other.target_, nullptr)) {}
    responder& operator=(responder&& other) noexcept {
        responder(std::move(other)).swap(*this);
        return *this;
    }
    ~responder() {
        if (target_ == nullptr) return;
        target_->unanswered();
        target_->release();
    }
    void swap(responder& other) noexcept { std::swap(target_, other.target_); }

    /// Whether it has still to answer.
    explicit operator bool() const noexcept { return target_ != nullptr; }

    /// @param r one with an `error` goes out as 500
    /// @errors throws `std::bad_alloc`; it has still to answer then
    /// @cost from the handler itself, a small reply is written into the session's own buffer: no allocation
    void send(const reply& r) { answer_with(r); }
    void send(reply&& r) { answer_with(std::move(r)); }

    /// Whether the client has ended its side, or the connection is over, so that nobody is likely to read the answer. A client
    /// that ends its side only after its last request looks the same: what is sent is still written.
    /// @cost a system call
    bool client_gone() const noexcept { return target_ == nullptr || target_->client_gone(); }
    /// Run once when that happens before the answer, for whatever reason: the client has left, a limit or the drain has ended
    /// the connection. On the connection's executor; at once, if it has happened already. Dropped with the answer, and with
    /// the execution context. Takes the place of an earlier one.
    /// @errors what the hook throws, where it is run at once; elsewhere it must not throw
    void on_client_gone(std::function<void()> hook) {
        if (target_ != nullptr) target_->on_client_gone(std::move(hook));
    }

private:
    friend struct hotpool::detail::access;

    /// Takes over a reference.
    explicit responder(detail::answer_target* target) noexcept : target_(target) {}

    template <class Reply>
    void answer_with(Reply&& r) {
        if (target_ == nullptr) return;
        target_->answer(std::forward<Reply>(r));
        std::exchange(target_, nullptr)->release();
    }

    detail::answer_target* target_ = nullptr;
};

}  // namespace hotpool::inbound
