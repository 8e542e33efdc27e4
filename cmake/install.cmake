# The installed tree: one include directory (include/csp) that keeps the spelling of the repository, the library, and a
# package that `find_package(csp)` finds.
include(CMakePackageConfigHelpers)

install(TARGETS csp csp_hooks csp_hook EXPORT csp-targets)

# The facade's templates include the layers below, so their headers go along; users include <libcsp/...> only.
install(DIRECTORY libcsp netio channel sched DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/csp FILES_MATCHING PATTERN "*.h")
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

set(csp_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/csp)
get_target_property(csp_type csp TYPE)
configure_package_config_file(cmake/csp-config.cmake.in ${PROJECT_BINARY_DIR}/csp-config.cmake
                              INSTALL_DESTINATION ${csp_package_dir})
# Before 1.0 a minor version may break users.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/csp-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/csp-config.cmake ${PROJECT_BINARY_DIR}/csp-config-version.cmake
        DESTINATION ${csp_package_dir})
install(EXPORT csp-targets NAMESPACE csp:: DESTINATION ${csp_package_dir})
