// A connection registry as plainly as it can be written: one list, searched from its beginning each time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "hotpool/inbound/registry_options.hpp"

namespace hotpool::test {

class reference_registry {
public:
    struct connection {
        int id;
        int group;
        int state;
        std::vector<int> queue = {};
        bool writing = false;
        bool ended = false;
    };

    explicit reference_registry(const inbound::registry_options& options) : options_(options) {}

    inbound::join_result join(int group, int id, int state) {
        if (find(id) != nullptr) return inbound::join_result::known;
        connections.push_back({id, group, state});
        return inbound::join_result::joined;
    }
    bool leave(int id) {
        std::erase(ready_, id);
        std::erase(ending_, id);
        return std::erase_if(connections, [id](const connection& c) { return c.id == id; }) != 0;
    }
    bool update(int id, int state) {
        connection* const c = find(id);
        if (c != nullptr) c->state = state;
        return c != nullptr;
    }

    inbound::send_result send(int to, int message) {
        connection* const c = find(to);
        if (c == nullptr) return inbound::send_result::unknown;
        if (c->ended) return count(totals.disconnected, inbound::send_result::disconnected);
        if (c->queue.size() < options_.queue_limit) {
            c->queue.push_back(message);
            get_in_line(*c);
            return count(totals.queued, inbound::send_result::queued);
        }
        if (options_.when_full == inbound::slow_reader::drop_oldest) {
            c->queue.erase(c->queue.begin());
            c->queue.push_back(message);
            return count(totals.dropped_oldest, inbound::send_result::dropped_oldest);
        }
        if (options_.when_full == inbound::slow_reader::drop_newest)
            return count(totals.dropped_newest, inbound::send_result::dropped_newest);
        c->ended = true;
        c->queue.clear();
        std::erase(ready_, to);
        ending_.push_back(to);
        return count(totals.disconnected, inbound::send_result::disconnected);
    }
    inbound::send_result send(int from, int to, int message) {
        const connection* const sender = find(from);
        const connection* const receiver = find(to);
        if (sender == nullptr || receiver == nullptr) return inbound::send_result::unknown;
        if (sender->group != receiver->group) return inbound::send_result::other_group;
        return send(to, message);
    }
    inbound::send_counts broadcast(int from, int message) {
        const inbound::send_counts before = totals;
        for (const int id : peers(from)) send(id, message);
        return {totals.queued - before.queued, totals.dropped_oldest - before.dropped_oldest,
                totals.dropped_newest - before.dropped_newest, totals.disconnected - before.disconnected};
    }

    std::optional<std::pair<int, int>> next_delivery() {
        if (ready_.empty()) return std::nullopt;
        connection& c = *find(ready_.front());
        ready_.erase(ready_.begin());
        const int message = c.queue.front();
        c.queue.erase(c.queue.begin());
        c.writing = true;
        return std::pair(c.id, message);
    }
    void delivered(int id) {
        connection* const c = find(id);
        if (c == nullptr || !c->writing) return;
        c->writing = false;
        if (!c->ended && !c->queue.empty()) get_in_line(*c);
    }
    std::optional<int> next_disconnect() {
        if (ending_.empty()) return std::nullopt;
        const int id = ending_.front();
        ending_.erase(ending_.begin());
        return id;
    }

    std::vector<int> peers(int id) const {
        std::vector<int> found;
        const auto of =
            std::find_if(connections.begin(), connections.end(), [id](const connection& c) { return c.id == id; });
        if (of == connections.end()) return found;
        for (const connection& c : connections)
            if (c.group == of->group && c.id != id) found.push_back(c.id);
        return found;
    }
    std::size_t group_count() const {
        std::vector<int> groups;
        for (const connection& c : connections) groups.push_back(c.group);
        std::sort(groups.begin(), groups.end());
        return static_cast<std::size_t>(std::unique(groups.begin(), groups.end()) - groups.begin());
    }
    std::size_t waiting() const {
        std::size_t sum = 0;
        for (const connection& c : connections) sum += c.queue.size();
        return sum;
    }

    std::vector<connection> connections;
    inbound::send_counts totals;

private:
    connection* find(int id) {
        const auto place =
            std::find_if(connections.begin(), connections.end(), [id](const connection& c) { return c.id == id; });
        return place != connections.end() ? &*place : nullptr;
    }
    void get_in_line(const connection& c) {
        if (!c.writing && std::find(ready_.begin(), ready_.end(), c.id) == ready_.end()) ready_.push_back(c.id);
    }
    static inbound::send_result count(std::uint64_t& counter, inbound::send_result result) {
        ++counter;
        return result;
    }

    inbound::registry_options options_;
    std::vector<int> ready_, ending_;
};

}  // namespace hotpool::test
