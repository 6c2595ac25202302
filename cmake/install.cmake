# Installs the headers and what find_package(hotpool CONFIG) needs.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package_directory ${CMAKE_INSTALL_DATADIR}/cmake/hotpool)

install(TARGETS hotpool EXPORT hotpool-targets FILE_SET HEADERS)
install(EXPORT hotpool-targets NAMESPACE hotpool:: DESTINATION ${package_directory})

configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/hotpool-config.cmake.in
    ${PROJECT_BINARY_DIR}/hotpool-config.cmake
    INSTALL_DESTINATION ${package_directory})
# While the major version is 0, a new minor version may break its users.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/hotpool-config-version.cmake
    COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES
    ${PROJECT_BINARY_DIR}/hotpool-config.cmake
    ${PROJECT_BINARY_DIR}/hotpool-config-version.cmake
    ${PROJECT_SOURCE_DIR}/cmake/hotpool-asio.cmake
    DESTINATION ${package_directory})
