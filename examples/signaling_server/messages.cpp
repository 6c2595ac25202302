// Source of the shapes: localsend/localsend, core/src/webrtc/signaling.rs; localsend/web, app/services/signaling.ts.
#include "messages.hpp"

#include <cstddef>
#include <nlohmann/json.hpp>

namespace signaling {

namespace {

using nlohmann::json;

constexpr std::size_t max_name = 256;  // bytes; of what is shown to people or compared
constexpr std::size_t max_token = 4096;
constexpr std::size_t max_body = 64 * 1024;

/// The member, if it is a string and no longer than that.
std::optional<std::string> member(const json& object, const char* name, std::size_t max_bytes) {
    const auto place = object.find(name);
    if (place == object.end() || !place->is_string()) return std::nullopt;
    const auto& value = place->get_ref<const std::string&>();
    return value.size() <= max_bytes ? std::optional(value) : std::nullopt;
}

/// The member as `member` finds it, nothing if it is missing or null; false if it is anything else.
bool read_optional(const json& object, const char* name, std::optional<std::string>& out) {
    const auto place = object.find(name);
    if (place == object.end() || place->is_null()) return true;
    out = member(object, name, max_name);
    return out.has_value();
}

std::optional<device> read_device(const json& object) {
    if (!object.is_object()) return std::nullopt;
    auto alias = member(object, "alias", max_name);
    auto version = member(object, "version", max_name);
    auto token = member(object, "token", max_token);
    if (!alias || !version || !token) return std::nullopt;
    device read{std::move(*alias), std::move(*version), std::move(*token), {}, {}};
    if (!read_optional(object, "deviceModel", read.model) || !read_optional(object, "deviceType", read.type))
        return std::nullopt;
    return read;
}

std::optional<connection_id> parse_uuid(std::string_view written) {
    std::string digits;
    for (std::size_t i = 0; i < written.size(); ++i) {
        const bool between = i == 8 || i == 13 || i == 18 || i == 23;
        if (between != (written[i] == '-')) return std::nullopt;
        if (!between) digits += written[i];
    }
    return connection_id::parse(digits);
}

std::optional<sdp> read_sdp(const json& object, sdp_kind kind) {
    const auto target = member(object, "target", max_name);
    auto session_id = member(object, "sessionId", max_name);
    auto body = member(object, "sdp", max_body);
    const auto id = target ? parse_uuid(*target) : std::nullopt;
    if (!id || !session_id || !body) return std::nullopt;
    return sdp{kind, *id, std::move(*session_id), std::move(*body)};
}

json shown(const peer& p) {
    json object{{"id", to_uuid(p.id)}, {"alias", p.info.alias}, {"version", p.info.version}, {"token", p.info.token}};
    if (p.info.model) object["deviceModel"] = *p.info.model;
    if (p.info.type) object["deviceType"] = *p.info.type;
    return object;
}

text sent(const json& object) { return std::make_shared<const std::string>(object.dump()); }

}  // namespace

std::optional<device> parse_device(std::string_view written) {
    return read_device(json::parse(written, nullptr, false));
}

std::optional<request> parse_request(std::string_view written) {
    const json object = json::parse(written, nullptr, false);
    if (!object.is_object()) return std::nullopt;
    const auto type = member(object, "type", max_name);
    if (type == "UPDATE") {
        const auto info = object.find("info");
        auto read = info != object.end() ? read_device(*info) : std::nullopt;
        if (read) return update{std::move(*read)};
    } else if (type == "OFFER" || type == "ANSWER") {
        auto read = read_sdp(object, type == "OFFER" ? sdp_kind::offer : sdp_kind::answer);
        if (read) return std::move(*read);
    }
    return std::nullopt;
}

text hello(const peer& client, const std::vector<peer>& peers) {
    json others = json::array();
    for (const peer& other : peers) others.push_back(shown(other));
    return sent({{"type", "HELLO"}, {"client", shown(client)}, {"peers", std::move(others)}});
}
text joined(const peer& newcomer) { return sent({{"type", "JOIN"}, {"peer", shown(newcomer)}}); }
text updated(const peer& changed) { return sent({{"type", "UPDATE"}, {"peer", shown(changed)}}); }
text left(const connection_id& gone) { return sent({{"type", "LEFT"}, {"peerId", to_uuid(gone)}}); }
text passed_on(const peer& from, const sdp& what) {
    return sent({{"type", what.kind == sdp_kind::offer ? "OFFER" : "ANSWER"},
                 {"peer", shown(from)},
                 {"sessionId", what.session_id},
                 {"sdp", what.body}});
}
text error(unsigned code) { return sent({{"type", "ERROR"}, {"code", code}}); }

std::string to_uuid(const connection_id& id) {
    std::string digits = id.to_string();
    for (const std::size_t place : {20u, 16u, 12u, 8u}) digits.insert(place, 1, '-');
    return digits;
}

}  // namespace signaling
