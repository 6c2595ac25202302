// Files by HTTP, out of memory.
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include <hotpool/inbound/http_server.hpp>

namespace support {

/// The regular files of one directory, read when it is made: nothing else can be asked for, whatever a target says. Each
/// is a reply that is ready to be sent.
class file_service {
public:
    explicit file_service(const std::filesystem::path& directory) {
        for (const auto& entry : std::filesystem::directory_iterator(directory))
            if (entry.is_regular_file()) add(entry.path());
    }

    void serve(const hotpool::inbound::request& request, hotpool::inbound::responder answer) const {
        if (request.method() != "GET" && request.method() != "HEAD") return answer.send(not_allowed_);
        const auto found = files_.find(request.path());
        answer.send(found != files_.end() ? found->second : not_found_);
    }

private:
    void add(const std::filesystem::path& file) {
        std::ifstream in(file, std::ios::binary);
        auto text =
            std::make_shared<const std::string>(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
        hotpool::inbound::reply made;
        made.header("Content-Type", type_of(file.extension().string())).body(std::move(text));
        files_.emplace('/' + file.filename().string(), std::move(made));
    }
    static std::string_view type_of(std::string_view extension) {
        if (extension == ".html") return "text/html; charset=utf-8";
        return extension == ".txt" ? "text/plain; charset=utf-8" : "application/octet-stream";
    }

    std::map<std::string, hotpool::inbound::reply, std::less<>> files_;
    hotpool::inbound::reply not_found_ = std::move(hotpool::inbound::reply(404).body("no such file\n"));
    hotpool::inbound::reply not_allowed_ = std::move(hotpool::inbound::reply(405).header("Allow", "GET, HEAD"));
};

}  // namespace support
