// What servers show, and the root of the clients that they believe.
#pragma once

#include <string>

#include "hotpool/transport/tls_server_options.hpp"
#include "support/certificates.hpp"

namespace hotpool::test {

inline identity named(const std::string& name) { return test_root().issue({.common_name = name}); }

inline tls_server_options showing(const identity& own) {
    return {.certificate_pem = own.certificate_pem, .private_key_pem = own.key_pem};
}

inline const authority& client_root() {
    static const authority made("clients' root");
    return made;
}

}  // namespace hotpool::test
