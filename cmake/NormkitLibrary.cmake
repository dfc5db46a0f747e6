# The modules become normkit_all (static, for the program and the tests) and normkit::normkit (shared,
# installed; dependencies stay private).
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

get_property(modules GLOBAL PROPERTY NORMKIT_MODULES)

add_library(normkit_all STATIC)
set_target_properties(normkit_all PROPERTIES LINKER_LANGUAGE CXX)
target_link_libraries(normkit_all PUBLIC ${modules})

add_library(normkit SHARED)
add_library(normkit::normkit ALIAS normkit)
# Below 1.0 every minor version may change the interface.
set_target_properties(normkit PROPERTIES
  LINKER_LANGUAGE CXX VERSION ${PROJECT_VERSION}
  SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
target_link_libraries(normkit PRIVATE ${modules})
# Its threads sleep in its code until the process ends: dlclose must not take the code away.
target_link_options(normkit PRIVATE -Wl,-z,nodelete
                                    -Wl,--version-script=${PROJECT_SOURCE_DIR}/cmake/normkit.map)
set_target_properties(normkit PROPERTIES LINK_DEPENDS ${PROJECT_SOURCE_DIR}/cmake/normkit.map)
target_include_directories(normkit INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<BUILD_INTERFACE:${PROJECT_BINARY_DIR}/include>
  $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_compile_features(normkit INTERFACE cxx_std_20)

# Installed: library, headers, find_package(normkit), pkg-config, and the program (tools/).
set(config_dir ${CMAKE_INSTALL_LIBDIR}/cmake/normkit)
install(TARGETS normkit EXPORT normkit)
install(DIRECTORY include/normkit ${PROJECT_BINARY_DIR}/include/normkit
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(EXPORT normkit NAMESPACE normkit:: DESTINATION ${config_dir} FILE normkitConfig.cmake)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/normkitConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/normkitConfigVersion.cmake DESTINATION ${config_dir})
file(RELATIVE_PATH pc_to_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(cmake/normkit.pc.in ${PROJECT_BINARY_DIR}/normkit.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/normkit.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
