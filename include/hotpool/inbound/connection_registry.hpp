// Who is there, group by group, and what waits to be sent to each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

#include "hotpool/base/ip_block.hpp"
#include "hotpool/base/linked_list.hpp"
#include "hotpool/inbound/bounded_queue.hpp"
#include "hotpool/inbound/connection_id.hpp"
#include "hotpool/inbound/registry_options.hpp"

namespace hotpool::inbound {

/// Connections by id, each in one group, with a state of the program's and a bounded queue of messages. It decides what
/// is sent next to whom and who is ended for reading too slowly; whoever writes asks with `next_delivery`, and says
/// `delivered` when that message is written, before which there is no other for that connection.
///
/// All that is sent to a connection comes in the order of sending, so each sender's order is kept; what a full queue
/// drops is missing from it. A message costs each receiver the same whether it reads or not.
/// @tparam Message cheap to copy, as each receiver gets a copy, such as `std::shared_ptr<const std::string>`
/// @tparam State what is known of a connection, such as its name and how to reach its socket
/// @tparam Group any value with an order; a tree and no hash table finds it, as peers choose their addresses
/// @threads distinct objects only
/// @cost a hash and a tree are searched to join and to leave, a hash for anything else; a broadcast and its deliveries
/// were measured to take 30 to 45 ns for each receiver
template <class Message, class State, class Group = ip_block>
class connection_registry {
public:
    struct delivery {
        connection_id to;
        Message message;
    };

    /// @errors throws `std::invalid_argument`, naming the field and the rule
    explicit connection_registry(const registry_options& options = {}) : options_(options) { validate(options); }
    connection_registry(const connection_registry&) = delete;
    connection_registry& operator=(const connection_registry&) = delete;

    // --- who is there

    /// @param id random bits that nobody outside chose: a hash table finds it
    /// @errors throws `std::bad_alloc`, nothing has changed then
    join_result join(const Group& group, const connection_id& id, State state) {
        const auto [place, is_new] = members_.try_emplace(id, id, std::move(state));
        if (!is_new) return join_result::known;
        try {
            place->second.group = &*groups_.try_emplace(group).first;
        } catch (...) {
            members_.erase(place);
            throw;
        }
        place->second.group->second.push_back(place->second);
        return join_result::joined;
    }
    /// The connection is gone, and what waited for it; with its last connection the group goes too.
    /// @return whether it was there
    bool leave(const connection_id& id) {
        member* const m = find(id);
        if (m == nullptr) return false;
        leave_turn(*m);
        waiting_ -= m->queue.size();
        group_entry& group = *m->group;
        group.second.remove(*m);
        members_.erase(id);
        if (group.second.empty()) groups_.erase(groups_.find(group.first));
        return true;
    }
    /// @return whether it was there
    bool update(const connection_id& id, State state) {
        member* const m = find(id);
        if (m != nullptr) m->state = std::move(state);
        return m != nullptr;
    }

    /// Null if there is none of that id; valid until the connection leaves.
    const State* state(const connection_id& id) const noexcept {
        const member* const m = find(id);
        return m != nullptr ? &m->state : nullptr;
    }
    /// Null if there is none of that id; valid until the connection leaves.
    const Group* group(const connection_id& id) const noexcept {
        const member* const m = find(id);
        return m != nullptr ? &m->group->first : nullptr;
    }
    std::size_t size() const noexcept { return members_.size(); }
    std::size_t group_count() const noexcept { return groups_.size(); }
    std::size_t size_of(const Group& group) const noexcept {
        const auto place = groups_.find(group);
        return place != groups_.end() ? place->second.size() : 0;
    }

    /// `visit(const connection_id&, const State&)` for each connection of the group, in the order of joining; it must
    /// not change the registry.
    template <class Visit>
    void for_each_in_group(const Group& group, Visit visit) const {
        const auto place = groups_.find(group);
        if (place != groups_.end()) for_each(place->second, nullptr, visit);
    }
    /// As `for_each_in_group`, of the others in the group of `id`; none if there is no such connection.
    template <class Visit>
    void for_each_peer(const connection_id& id, Visit visit) const {
        if (const member* const m = find(id)) for_each(m->group->second, m, visit);
    }

    // --- what is sent

    /// A message of the server's own.
    /// @errors throws what copying a message throws, or `std::bad_alloc`; nothing has changed then
    send_result send(const connection_id& to, const Message& message) {
        member* const receiver = find(to);
        return receiver != nullptr ? counted(put(*receiver, message), total_) : send_result::unknown;
    }
    /// From one connection to another of its group.
    /// @return `send_result::unknown` also for a sender that is not there
    /// @errors as `send` of the server's own
    send_result send(const connection_id& from, const connection_id& to, const Message& message) {
        const member* const sender = find(from);
        member* const receiver = find(to);
        if (sender == nullptr || receiver == nullptr) return send_result::unknown;
        if (sender->group != receiver->group) return send_result::other_group;
        return counted(put(*receiver, message), total_);
    }
    /// To all others in the group of `from`; to nobody if there is no such connection.
    /// @errors throws what copying a message throws, or `std::bad_alloc`; those who joined first may have it then
    /// @cost linear in the size of the group
    send_counts broadcast(const connection_id& from, const Message& message) {
        send_counts counts;
        const member* const sender = find(from);
        if (sender == nullptr) return counts;
        for (member* m = sender->group->second.front(); m != nullptr; m = member_list::next(*m)) {
            if (m == sender) continue;
            counted(counted(put(*m, message), total_), counts);
        }
        return counts;
    }

    /// The next message to write, for whoever has waited longest for its turn; empty if there is nothing to write to
    /// anybody who has not a message under way.
    std::optional<delivery> next_delivery() noexcept {
        member* const m = ready_.pop_front();
        if (m == nullptr) return std::nullopt;
        m->turn = turn::writing;
        --waiting_;
        return delivery{m->id, m->queue.pop()};
    }
    /// What `next_delivery` gave for `id` is written; its next one gets in line. Nothing happens if the connection is
    /// not there or being ended.
    void delivered(const connection_id& id) noexcept {
        member* const m = find(id);
        if (m == nullptr || m->turn != turn::writing) return;
        m->turn = turn::none;
        get_in_line(*m);
    }
    /// The next connection to be ended for reading too slowly, each once; it stays until `leave`.
    std::optional<connection_id> next_disconnect() noexcept {
        member* const m = ending_.pop_front();
        if (m == nullptr) return std::nullopt;
        m->turn = turn::ended;
        return m->id;
    }

    /// Messages that wait, over all connections.
    std::size_t waiting() const noexcept { return waiting_; }
    /// What has become of all messages to connections that were there.
    const send_counts& totals() const noexcept { return total_; }

    /// Whether all that it counts twice agrees; for tests.
    bool check() const {
        std::size_t grouped = 0, waiting = 0, ready = 0, ending = 0;
        for (const auto& entry : groups_) {
            if (entry.second.empty()) return false;
            grouped += entry.second.size();
            for (const member* m = entry.second.front(); m != nullptr; m = member_list::next(*m))
                if (m->group != &entry || find(m->id) != m) return false;
        }
        for (const auto& [id, m] : members_) {
            if (m.queue.size() > options_.queue_limit) return false;
            if (m.turn != turn::writing && m.queue.empty() != (m.turn != turn::ready)) return false;
            waiting += m.queue.size();
            ready += m.turn == turn::ready;
            ending += m.turn == turn::ending;
        }
        return grouped == members_.size() && waiting == waiting_ && ready == ready_.size() && ending == ending_.size();
    }

private:
    struct of_group;
    struct of_turn;
    struct member;
    using member_list = base::linked_list<member, of_group>;
    using turn_list = base::linked_list<member, of_turn>;
    using group_entry = typename std::map<Group, member_list>::value_type;

    /// What the connection waits for.
    enum class turn : std::uint8_t {
        none,     ///< nothing to write
        ready,    ///< in line to be written to
        writing,  ///< a message is being written
        ending,   ///< in line to be ended; nothing is queued any more
        ended,    ///< whoever writes knows that it is to be ended
    };
    struct member : base::list_hook<member, of_group>, base::list_hook<member, of_turn> {
        member(const connection_id& name, State&& known) : id(name), state(std::move(known)) {}

        const connection_id id;
        State state;
        group_entry* group = nullptr;
        bounded_queue<Message> queue;
        connection_registry::turn turn = connection_registry::turn::none;
    };

    const member* find(const connection_id& id) const noexcept {
        const auto place = members_.find(id);
        return place != members_.end() ? &place->second : nullptr;
    }
    member* find(const connection_id& id) noexcept { return const_cast<member*>(std::as_const(*this).find(id)); }

    template <class Visit>
    static void for_each(const member_list& group, const member* except, Visit& visit) {
        for (const member* m = group.front(); m != nullptr; m = member_list::next(*m))
            if (m != except) visit(m->id, m->state);
    }

    send_result put(member& m, const Message& message) {
        if (m.turn == turn::ending || m.turn == turn::ended) return send_result::disconnected;
        if (m.queue.size() < options_.queue_limit) {
            m.queue.push(message);
            ++waiting_;
            if (m.turn == turn::none) get_in_line(m);
            return send_result::queued;
        }
        switch (options_.when_full) {
            case slow_reader::drop_oldest: m.queue.replace_oldest(message); return send_result::dropped_oldest;
            case slow_reader::drop_newest: return send_result::dropped_newest;
            case slow_reader::disconnect: break;
        }
        end(m);
        return send_result::disconnected;
    }
    static send_result counted(send_result result, send_counts& counts) noexcept {
        switch (result) {
            case send_result::queued: ++counts.queued; break;
            case send_result::dropped_oldest: ++counts.dropped_oldest; break;
            case send_result::dropped_newest: ++counts.dropped_newest; break;
            case send_result::disconnected: ++counts.disconnected; break;
            case send_result::unknown:
            case send_result::other_group: break;
        }
        return result;
    }

    void get_in_line(member& m) noexcept {
        if (m.queue.empty()) return;
        m.turn = turn::ready;
        ready_.push_back(m);
    }
    void leave_turn(member& m) noexcept {
        if (m.turn == turn::ready) ready_.remove(m);
        if (m.turn == turn::ending) ending_.remove(m);
    }
    void end(member& m) noexcept {
        leave_turn(m);
        m.turn = turn::ending;
        ending_.push_back(m);
        waiting_ -= m.queue.size();
        m.queue.clear();
    }

    const registry_options options_;
    std::unordered_map<connection_id, member> members_;
    std::map<Group, member_list> groups_;
    turn_list ready_, ending_;
    std::size_t waiting_ = 0;
    send_counts total_;
};

}  // namespace hotpool::inbound
