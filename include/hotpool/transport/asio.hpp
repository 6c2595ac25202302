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
#include <asio/system_executor.hpp>
#include <asio/use_awaitable.hpp>

#if !defined(ASIO_STANDALONE)
#    error "hotpool needs standalone Asio: compile with ASIO_STANDALONE, as the CMake target does"
#endif

/// 1 where an `any_io_executor` can say what it holds.
#if defined(ASIO_NO_TYPEID)
#    define HOTPOOL_ASIO_HAS_TYPEID 0
#else
#    define HOTPOOL_ASIO_HAS_TYPEID 1
#endif

/// 1 where executors have an `execute` for everybody; before, Asio's own function is what calls it.
#if ASIO_VERSION < 102600
#    define HOTPOOL_ASIO_HAS_EXECUTE 0
#    include <asio/execution/execute.hpp>
#else
#    define HOTPOOL_ASIO_HAS_EXECUTE 1
#endif

/// 1 where readiness comes from epoll.
#if defined(ASIO_HAS_EPOLL)
#    define HOTPOOL_ASIO_HAS_EPOLL 1
#else
#    define HOTPOOL_ASIO_HAS_EPOLL 0
#endif

namespace hotpool {

/// Every name of Asio is reached through this one.
namespace net = asio;

}  // namespace hotpool
