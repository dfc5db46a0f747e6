# The modules become normkit_all (static, for the program and the tests), normkit::normkit and normkit::norm
# (shared, installed; dependencies stay private).
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
include(CheckLinkerFlag)

get_property(modules GLOBAL PROPERTY NORMKIT_MODULES)
get_property(program_modules GLOBAL PROPERTY NORMKIT_PROGRAM_MODULES)

add_library(normkit_all STATIC)
set_target_properties(normkit_all PROPERTIES LINKER_LANGUAGE CXX)
target_link_libraries(normkit_all PUBLIC ${modules} ${program_modules})

add_library(normkit SHARED)
add_library(normkit::normkit ALIAS normkit)
target_link_libraries(normkit PRIVATE ${modules})

if(TARGET normkit_mpi)  # loaded at run time: whoever builds one of the two has it
  add_dependencies(normkit_all normkit_mpi)
  add_dependencies(normkit normkit_mpi)
endif()

# The operation alone, normkit::norm: the same objects, and in place of what core and simd take from other
# people's libraries their standalone/, so that it links nothing but the C and C++ libraries.
add_library(normkit_norm_library SHARED)
add_library(normkit::norm ALIAS normkit_norm_library)
set_target_properties(normkit_norm_library PROPERTIES OUTPUT_NAME normkit_norm EXPORT_NAME norm)
get_property(core_objects TARGET normkit_core_standalone PROPERTY NORMKIT_OBJECTS)
target_sources(normkit_norm_library PRIVATE
  ${core_objects} $<TARGET_OBJECTS:normkit_simd> $<TARGET_OBJECTS:normkit_simd_standalone>
  $<TARGET_OBJECTS:normkit_norm> $<TARGET_OBJECTS:normkit_c>)

# Names of functions that nobody outside can call are 8 % of a release's file.
target_link_options(normkit_norm_library PRIVATE $<$<CONFIG:Release>:-Wl,--strip-all>)
# Functions that are the same to the byte for several dtypes are 3 %: they stand there once. (safe: not those
# whose address could be compared.)
set(folding -fuse-ld=gold -Wl,--icf=safe)
check_linker_flag(CXX "${folding}" NORMKIT_LINKER_FOLDS)
if(NORMKIT_LINKER_FOLDS)
  target_link_options(normkit_norm_library PRIVATE $<$<CONFIG:Release>:${folding}>)
endif()

foreach(library normkit normkit_norm_library)
  # Below 1.0 every minor version may change the interface.
  set_target_properties(${library} PROPERTIES
    LINKER_LANGUAGE CXX VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
    LINK_DEPENDS ${PROJECT_SOURCE_DIR}/cmake/normkit.map)
  # Its threads sleep in its code until the process ends: dlclose must not take the code away.
  target_link_options(${library} PRIVATE -Wl,-z,nodelete
                                         -Wl,--version-script=${PROJECT_SOURCE_DIR}/cmake/normkit.map)
  target_include_directories(${library} INTERFACE
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<BUILD_INTERFACE:${PROJECT_BINARY_DIR}/include>
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_compile_features(${library} INTERFACE cxx_std_20)
endforeach()
if(NOT NORMKIT_SANITIZE)  # clang's are found when the program starts
  target_link_options(normkit_norm_library PRIVATE -Wl,-z,defs)
endif()

# Installed: libraries, headers, find_package(normkit), pkg-config, and the program (tools/). Component norm is
# what belongs to normkit::norm, and is enough for it: cmake --install FOLDER --component norm.
set(config_dir ${CMAKE_INSTALL_LIBDIR}/cmake/normkit)
set(include_dir ${CMAKE_INSTALL_INCLUDEDIR}/normkit)
set(pc_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
file(RELATIVE_PATH pc_to_prefix /${pc_dir} /)
foreach(library normkit normkit_norm)
  string(REPLACE _ - pc_name ${library})
  configure_file(cmake/normkit.pc.in ${PROJECT_BINARY_DIR}/${pc_name}.pc @ONLY)
endforeach()
write_basic_package_version_file(${PROJECT_BINARY_DIR}/normkitConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)

install(TARGETS normkit_norm_library EXPORT normkit-norm LIBRARY COMPONENT norm)
install(EXPORT normkit-norm NAMESPACE normkit:: DESTINATION ${config_dir} COMPONENT norm)
install(DIRECTORY include/normkit/core include/normkit/norm DESTINATION ${include_dir} COMPONENT norm)
install(FILES include/normkit/c.h ${PROJECT_BINARY_DIR}/include/normkit/version.h
        DESTINATION ${include_dir} COMPONENT norm)
install(FILES cmake/normkitConfig.cmake ${PROJECT_BINARY_DIR}/normkitConfigVersion.cmake
        DESTINATION ${config_dir} COMPONENT norm)
install(FILES ${PROJECT_BINARY_DIR}/normkit-norm.pc DESTINATION ${pc_dir} COMPONENT norm)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT norm)

install(TARGETS normkit EXPORT normkit-normkit)
install(EXPORT normkit-normkit NAMESPACE normkit:: DESTINATION ${config_dir})
install(DIRECTORY include/normkit DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(FILES ${PROJECT_BINARY_DIR}/normkit.pc DESTINATION ${pc_dir})
