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

# The operation alone, normkit::norm: stands on the C and C++ libraries and nothing else. Of core and
# simd it takes what it needs; standalone/ has in their place what their libraries would do.
add_library(normkit_norm_parts STATIC)
set_target_properties(normkit_norm_parts PROPERTIES LINKER_LANGUAGE CXX)
target_sources(normkit_norm_parts PRIVATE $<TARGET_OBJECTS:normkit_core> $<TARGET_OBJECTS:normkit_simd>)
add_library(normkit_norm_library SHARED)
add_library(normkit::norm ALIAS normkit_norm_library)
target_sources(normkit_norm_library PRIVATE
  $<TARGET_OBJECTS:normkit_norm> $<TARGET_OBJECTS:normkit_c>
  $<TARGET_OBJECTS:normkit_core_standalone> $<TARGET_OBJECTS:normkit_simd_standalone>)
set_target_properties(normkit_norm_library PROPERTIES
  OUTPUT_NAME normkit_norm EXPORT_NAME norm LINKER_LANGUAGE CXX VERSION ${PROJECT_VERSION}
  SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
  LINK_DEPENDS ${PROJECT_SOURCE_DIR}/cmake/normkit.map)
target_include_directories(normkit_norm_library
  INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
            $<BUILD_INTERFACE:${PROJECT_BINARY_DIR}/include>
            $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_compile_features(normkit_norm_library INTERFACE cxx_std_20)
target_link_libraries(normkit_norm_library PRIVATE normkit_norm_parts)
target_link_options(normkit_norm_library PRIVATE -Wl,-z,nodelete -Wl,-z,defs
                                                 -Wl,--version-script=${PROJECT_SOURCE_DIR}/cmake/normkit.map)

# Installed: libraries, headers, find_package(normkit), pkg-config, and the program (tools/).
set(config_dir ${CMAKE_INSTALL_LIBDIR}/cmake/normkit)
install(TARGETS normkit normkit_norm_library EXPORT normkit)
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
