// What devices and the server say to one another: JSON in the shapes of LocalSend's signaling protocol.
#pragma once

#include <hotpool/inbound/connection_id.hpp>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace signaling {

using hotpool::inbound::connection_id;

/// A message as it is sent, shared by all who get it.
using text = std::shared_ptr<const std::string>;

/// What a device says of itself. The server passes it on and reads none of it.
struct device {
    std::string alias;
    std::string version;
    std::string token;
    std::optional<std::string> model;
    std::optional<std::string> type;
};

/// A device that is there, under the id that the server gave it.
struct peer {
    connection_id id;
    device info;
};

/// A device says something else of itself.
struct update {
    device info;
};

enum class sdp_kind { offer, answer };

/// An offer or an answer to one peer, to which its session means something.
struct sdp {
    sdp_kind kind;
    connection_id target;
    std::string session_id;
    std::string body;
};

/// From a device to the server.
using request = std::variant<update, sdp>;

/// Nothing if a member is missing, of another type, or longer than one may be; members that are not known are ignored.
std::optional<device> parse_device(std::string_view json);
std::optional<request> parse_request(std::string_view json);

/// The first message of a connection: who it is, and who is there.
text hello(const peer& client, const std::vector<peer>& peers);
text joined(const peer& newcomer);
text updated(const peer& changed);
text left(const connection_id& gone);
text passed_on(const peer& from, const sdp& what);
/// @param code of HTTP, such as 429
text error(unsigned code);

/// The 128 bits as a UUID is written: five groups of hexadecimal digits.
std::string to_uuid(const connection_id& id);

}  // namespace signaling
