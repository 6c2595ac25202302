// The seam to Asio: the one file that includes its headers and knows its versions.
#pragma once

#include <asio/version.hpp>
#if ASIO_VERSION < 102201
#    error "hotpool needs Asio 1.22.1 or newer"
#endif

#include <asio/any_io_executor.hpp>
#include <asio/associated_allocator.hpp>
#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/associator.hpp>
#include <asio/async_result.hpp>
#include <asio/awaitable.hpp>
#include <asio/basic_stream_socket.hpp>
#include <asio/basic_waitable_timer.hpp>
#include <asio/bind_executor.hpp>
#include <asio/buffer.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/dispatch.hpp>
#include <asio/error.hpp>
#include <asio/execution_context.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/address.hpp>
#include <asio/ip/basic_resolver.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/ip/v6_only.hpp>
#include <asio/post.hpp>
#include <asio/prefer.hpp>
#include <asio/redirect_error.hpp>
#include <asio/strand.hpp>
#include <asio/use_awaitable.hpp>

#if !defined(ASIO_STANDALONE)
#    error "hotpool needs standalone Asio: compile with ASIO_STANDALONE, as the CMake target does"
#endif

/// 1 where a completion may run inside the initiating call through the handler's immediate executor.
#if __has_include(<asio/associated_immediate_executor.hpp>)
#    include <asio/associated_immediate_executor.hpp>
#    define HOTPOOL_ASIO_HAS_IMMEDIATE_EXECUTOR 1
#else
#    define HOTPOOL_ASIO_HAS_IMMEDIATE_EXECUTOR 0
#endif

namespace hotpool {

/// Every name of Asio is reached through this one.
namespace net = asio;

}  // namespace hotpool
