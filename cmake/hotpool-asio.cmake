# Makes the target `hotpool::asio`: standalone Asio, 1.22.1 or newer. Used by the build and, installed beside the
# package files, by find_package(hotpool).
#
# Asio is taken from the first of: a target `asio::asio`, a target `asio`, the directory in
# HOTPOOL_ASIO_INCLUDE_DIR, the usual include directories and CMAKE_PREFIX_PATH.

set(HOTPOOL_ASIO_MINIMUM 1.22.1)

# Sets `result` to the version in `directory`/asio/version.hpp, empty when there is none.
function(hotpool_asio_version directory result)
    set(${result} "" PARENT_SCOPE)
    if(NOT EXISTS "${directory}/asio/version.hpp")
        return()
    endif()
    file(STRINGS "${directory}/asio/version.hpp" line REGEX "#define ASIO_VERSION +[0-9]+")
    if(line MATCHES "ASIO_VERSION +([0-9]+)")
        # Asio counts major * 100000 + minor * 100 + patch.
        math(EXPR major "${CMAKE_MATCH_1} / 100000")
        math(EXPR minor "${CMAKE_MATCH_1} / 100 % 1000")
        math(EXPR patch "${CMAKE_MATCH_1} % 100")
        set(${result} ${major}.${minor}.${patch} PARENT_SCOPE)
    endif()
endfunction()

# Sets `error` to what is wrong, or to nothing when `hotpool::asio` is ready.
function(hotpool_find_asio error)
    set(${error} "" PARENT_SCOPE)
    if(TARGET hotpool::asio)
        return()
    endif()

    set(given "")
    foreach(candidate asio::asio asio)
        if(TARGET ${candidate})
            set(given ${candidate})
            break()
        endif()
    endforeach()

    if(given)
        # The project around us brings its own Asio; its directories may be generator expressions, unreadable here.
        get_target_property(directories ${given} INTERFACE_INCLUDE_DIRECTORIES)
    else()
        find_path(HOTPOOL_ASIO_INCLUDE_DIR asio.hpp DOC "The directory of standalone Asio's asio.hpp")
        mark_as_advanced(HOTPOOL_ASIO_INCLUDE_DIR)
        if(NOT EXISTS "${HOTPOOL_ASIO_INCLUDE_DIR}/asio.hpp")
            set(${error} "standalone Asio (asio.hpp) not found: install it (Debian: libasio-dev) or set "
                "HOTPOOL_ASIO_INCLUDE_DIR to its directory (now: ${HOTPOOL_ASIO_INCLUDE_DIR})")
            list(JOIN ${error} "" ${error})
            set(${error} "${${error}}" PARENT_SCOPE)
            return()
        endif()
        set(directories "${HOTPOOL_ASIO_INCLUDE_DIR}")
    endif()

    foreach(directory IN LISTS directories)
        string(REGEX REPLACE "^\\$<BUILD_INTERFACE:(.*)>$" "\\1" directory "${directory}")
        hotpool_asio_version("${directory}" version)
        if(version AND version VERSION_LESS HOTPOOL_ASIO_MINIMUM)
            set(${error} "Asio ${version} in ${directory} is too old: ${HOTPOOL_ASIO_MINIMUM} or newer is needed"
                PARENT_SCOPE)
            return()
        endif()
    endforeach()

    add_library(hotpool::asio INTERFACE IMPORTED)
    if(given)
        target_link_libraries(hotpool::asio INTERFACE ${given})
    else()
        target_include_directories(hotpool::asio INTERFACE "${HOTPOOL_ASIO_INCLUDE_DIR}")
    endif()
endfunction()
