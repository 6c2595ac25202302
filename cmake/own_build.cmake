# Flags for our own tests, examples and benchmarks; nothing here reaches a user of the library.

set(HOTPOOL_SANITIZE "" CACHE STRING "Sanitizers for our own programs: empty, \"address,undefined\" or \"thread\"")
set_property(CACHE HOTPOOL_SANITIZE PROPERTY STRINGS "" "address,undefined" "thread")
if(NOT HOTPOOL_SANITIZE MATCHES "^(|address,undefined|thread)$")
    message(FATAL_ERROR "HOTPOOL_SANITIZE must be empty, \"address,undefined\" or \"thread\", "
        "not \"${HOTPOOL_SANITIZE}\"")
endif()

add_library(hotpool_warnings INTERFACE)
target_compile_options(hotpool_warnings INTERFACE
    -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror)

add_library(hotpool_sanitize INTERFACE)
if(HOTPOOL_SANITIZE)
    target_compile_options(hotpool_sanitize INTERFACE -fsanitize=${HOTPOOL_SANITIZE} -fno-omit-frame-pointer)
    target_link_options(hotpool_sanitize INTERFACE -fsanitize=${HOTPOOL_SANITIZE})
    if(HOTPOOL_SANITIZE MATCHES "undefined")
        target_compile_options(hotpool_sanitize INTERFACE -fno-sanitize-recover=undefined
            # The address sanitizer sees nearly all that these would see, and they take half of the compile time.
            -fno-sanitize=null,object-size,vptr,alignment,pointer-overflow)
    endif()
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
        # Instrumented code confuses this analysis; and Asio's fences are only reported, never a race by themselves.
        target_compile_options(hotpool_sanitize INTERFACE -Wno-maybe-uninitialized -Wno-tsan)
    endif()
endif()

# Makes `target` one of our own programs: the library, strict warnings, the chosen sanitizer, plain C++20.
function(hotpool_own_target target)
    target_link_libraries(${target} PRIVATE hotpool::hotpool hotpool_warnings hotpool_sanitize)
    set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF)
    # Asio 1.22 takes clang for a compiler without coroutines; ours, as any user's, may say that it has them.
    target_compile_definitions(${target} PRIVATE $<$<CXX_COMPILER_ID:Clang>:ASIO_HAS_CO_AWAIT=1>)
endfunction()
