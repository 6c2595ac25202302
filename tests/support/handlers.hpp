// Lambdas of one signature are one type of handler to Asio and to the library.
//
// For each type of handler the compiler emits the whole of an operation anew; a thousand lambdas took half of the
// programs' compile time. Stands before all uses of Asio in all sources of a program (it is in the precompiled headers).
// Handlers that have an executor, an allocator or a slot, those that are named and those that are large stay what they
// are.
#pragma once

#include <asio/async_result.hpp>

#include <cstddef>
#include <new>
#include <string_view>
#include <type_traits>
#include <utility>

namespace hotpool::test {

/// Whether `T` is a lambda's type, as g++ ("f()::<lambda(int)>") and clang++ ("(lambda at a.cpp:1:2)") write it. What
/// only holds a lambda ends with an angle more.
template <class T>
constexpr bool is_closure() {
    std::string_view type = __PRETTY_FUNCTION__;
    type = type.substr(0, type.find("; "));  // g++ says there what the names of types stand for
    if (type.ends_with(']')) type.remove_suffix(1);
    const std::size_t last = type.rfind("<lambda(");
    if (last == type.npos) return type.find("(lambda at ") != type.npos && type.ends_with(')');
    int open = 0;
    for (const char c : type.substr(last)) open += c == '(' ? 1 : c == ')' ? -1 : 0;
    return open == 0 && type.ends_with(")>");
}

/// Owns a lambda without memory of its own: tests count allocations.
template <class... Args>
class lambda_handler {
public:
    static constexpr std::size_t room = 64;
    template <class Lambda>
    static constexpr bool fits = sizeof(Lambda) <= room &&
                                 alignof(Lambda) <= alignof(void*) && std::is_nothrow_move_constructible_v<Lambda>;

    template <class Lambda>
    lambda_handler(std::in_place_t, Lambda&& lambda) : actions_(&actions_of<Lambda>) {
        new (room_) Lambda(std::move(lambda));
    }
    lambda_handler(lambda_handler&& other) noexcept : actions_(other.actions_) { actions_->move(other.room_, room_); }
    ~lambda_handler() { actions_->destroy(room_); }

    void operator()(Args... args) { actions_->call(room_, std::forward<Args>(args)...); }

private:
    struct actions {
        void (*call)(void*, Args&&...);
        void (*move)(void* from, void* to) noexcept;
        void (*destroy)(void*) noexcept;
    };
    template <class Lambda>
    static constexpr actions actions_of{
        [](void* lambda, Args&&... args) {
            static_cast<void>(std::move(*static_cast<Lambda*>(lambda))(std::forward<Args>(args)...));
        },
        [](void* from, void* to) noexcept { new (to) Lambda(std::move(*static_cast<Lambda*>(from))); },
        [](void* lambda) noexcept { static_cast<Lambda*>(lambda)->~Lambda(); }};

    const actions* actions_;
    alignas(void*) std::byte room_[room];
};

}  // namespace hotpool::test

template <class Lambda, class... Args>
requires(
    hotpool::test::is_closure<Lambda>() &&
    hotpool::test::lambda_handler<Args...>::template fits<Lambda>) class asio::async_result<Lambda, void(Args...)> {
public:
    using completion_handler_type = hotpool::test::lambda_handler<Args...>;
    using return_type = void;

    template <class Initiation, class Token, class... Rest>
    static void initiate(Initiation&& initiation, Token&& token, Rest&&... rest) {
        std::forward<Initiation>(initiation)(completion_handler_type(std::in_place, Lambda(std::forward<Token>(token))),
                                             std::forward<Rest>(rest)...);
    }
};
