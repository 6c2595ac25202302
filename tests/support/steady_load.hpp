// A client that is kept busy: several requests at once, each followed by the next, and what became of them.
#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <system_error>
#include <utility>

#include "hotpool/response.hpp"

namespace hotpool::test {

/// Asks for `/get/N` and `/post/N`, each N once, of a server that answers 200 with the target as the body.
template <class Client>
class steady_load {
public:
    explicit steady_load(Client& client) : client_(client) {}

    void start(int gets_at_once, int posts_at_once) {
        going_ = true;
        for (int i = 0; i < gets_at_once; ++i) next(kind::get);
        for (int i = 0; i < posts_at_once; ++i) next(kind::post);
    }
    /// No more requests; those under way end as they do.
    void stop() noexcept { going_ = false; }
    bool finished() const noexcept { return under_way_ == 0; }

    std::size_t gets() const noexcept { return gets_; }
    std::size_t posts() const noexcept { return posts_; }
    /// Answers that are not what was asked for.
    const std::set<std::string>& wrong() const noexcept { return wrong_; }
    /// By target.
    const std::map<std::string, std::error_code>& failed_gets() const noexcept { return failed_gets_; }
    const std::map<std::string, std::error_code>& failed_posts() const noexcept { return failed_posts_; }

private:
    enum class kind { get, post };

    void next(kind what) {
        if (!going_) return;
        ++under_way_;
        const bool post = what == kind::post;
        const std::string target = post ? "/post/" + std::to_string(posts_++) : "/get/" + std::to_string(gets_++);
        auto ended = [this, what, target](std::error_code error, const response& reply) {
            --under_way_;
            if (error)
                (what == kind::post ? failed_posts_ : failed_gets_).emplace(target, error);
            else if (reply.status() != 200 || reply.body() != target)
                wrong_.insert(target + ": " + std::to_string(reply.status()) + ' ' + std::string(reply.body()));
            next(what);
        };
        if (post)
            client_.async_post(target, "some text", "text/plain", std::move(ended));
        else
            client_.async_get(target, std::move(ended));
    }

    Client& client_;
    bool going_ = false;
    std::size_t under_way_ = 0;
    std::size_t gets_ = 0;
    std::size_t posts_ = 0;
    std::set<std::string> wrong_;
    std::map<std::string, std::error_code> failed_gets_;
    std::map<std::string, std::error_code> failed_posts_;
};

}  // namespace hotpool::test
