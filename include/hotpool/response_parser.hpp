// The response parser: bytes to events, strict RFC 9112.
#pragma once

#include "hotpool/http/response_parser.hpp"
