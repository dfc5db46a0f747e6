# Compiler settings and normkit_module(): one folder of src/ = one object library, its tests beside it.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

find_program(CCACHE ccache)
if(CCACHE)
  # Sloppy as precompiled headers want it, and paths relative, so that every clone finds what another compiled.
  set(CMAKE_CXX_COMPILER_LAUNCHER
    env CCACHE_SLOPPINESS=pch_defines,time_macros CCACHE_BASEDIR=${PROJECT_SOURCE_DIR}
    ${CCACHE})
endif()

# No contraction into fused multiply-adds: the same source gives the same bits on every SIMD target.
add_compile_options(-Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -ffp-contract=off)
# Designated initializers leave members out on purpose.
add_compile_options(-Wno-missing-field-initializers)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  add_compile_options(-Wno-restrict)  # false alarms on "text" + std::string, GCC bug 105651
endif()

add_link_options(-Wl,--as-needed)

set(NORMKIT_SANITIZE "" CACHE STRING "Sanitizers: address,undefined or thread")
if(NORMKIT_SANITIZE)
  add_compile_options(-fsanitize=${NORMKIT_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${NORMKIT_SANITIZE})
endif()

find_package(OpenMP REQUIRED COMPONENTS CXX)
find_package(fmt REQUIRED)

if(NORMKIT_BUILD_TESTS)
  enable_testing()
  find_package(GTest REQUIRED)
  include(GoogleTest)
endif()

set_property(GLOBAL PROPERTY NORMKIT_MODULES "")
set_property(GLOBAL PROPERTY NORMKIT_PROGRAM_MODULES "")

# For what is not worth the compiler's time: parsing, printing. Tests neither, but those that compute much themselves.
set(NORMKIT_LIGHTLY $<$<CONFIG:Release>:-O1>)
set(NORMKIT_UNOPTIMIZED $<$<CONFIG:Release>:-O0>)

include(NormkitPrecompile)  # normkit_precompile()

# Several files as one for the compiler, where a build begins from nothing: scripts/quickstart and scripts/test
# pass ON (builds of the sanitizers stay without). Names of a module's files are distinct then, those without linkage too.
option(NORMKIT_UNITY "Compile the files of a module together" OFF)
function(normkit_unity target)
  if(NORMKIT_UNITY AND NOT NORMKIT_SANITIZE)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
  endif()
endfunction()

# normkit_module(NAME [PROGRAM] [PROCESSOR] [UNITY] [COMPUTES] [LINK ...] [LIGHTLY FILE...]): every .cc of this folder and below goes into the object library
# normkit_NAME, but for *_test.cc (program NAME_test), *_bench.cc (NAME_bench) and *_fuzz.cc (a
# program each). Files in EXCLUDE (or below a folder in it) are left out: stubs that were not chosen.
# Files in LIGHTLY are optimized lightly. UNITY: see normkit_unity. PROCESSOR: what its tests see depends on the processor's
# vectors, so they run again as on processors with fewer (label processor, scripts/test). COMPUTES: its tests are worth optimizing.
# PROGRAM: it is no part of the library.
function(normkit_module name)
  cmake_parse_arguments(arg "PROGRAM;PROCESSOR;UNITY;COMPUTES" "" "LINK;EXCLUDE;LIGHTLY" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  foreach(pattern ${arg_EXCLUDE})
    list(FILTER sources EXCLUDE REGEX "${CMAKE_CURRENT_SOURCE_DIR}/${pattern}")
  endforeach()
  set(tests ${sources})
  set(benches ${sources})
  set(fuzzers ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  list(FILTER benches INCLUDE REGEX "_bench\\.cc$")
  list(FILTER fuzzers INCLUDE REGEX "_fuzz\\.cc$")
  list(FILTER sources EXCLUDE REGEX "_(test|bench|fuzz)\\.cc$")

  add_library(normkit_${name} OBJECT ${sources})
  target_include_directories(normkit_${name} PUBLIC ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/include
                                                    ${PROJECT_BINARY_DIR}/include)
  target_link_libraries(normkit_${name} PUBLIC fmt::fmt OpenMP::OpenMP_CXX ${arg_LINK})
  normkit_precompile(normkit_${name} library)
  if(arg_UNITY)
    normkit_unity(normkit_${name})
  endif()
  set_source_files_properties(${arg_LIGHTLY} PROPERTIES COMPILE_OPTIONS "${NORMKIT_LIGHTLY}")
  if(arg_PROGRAM)
    set_property(GLOBAL APPEND PROPERTY NORMKIT_PROGRAM_MODULES normkit_${name})
  else()
    set_property(GLOBAL APPEND PROPERTY NORMKIT_MODULES normkit_${name})
  endif()

  # Test programs link all modules (normkit_all), so that a module's tests may use what it uses.
  if(NORMKIT_BUILD_TESTS AND tests)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE normkit_all GTest::gmock GTest::gtest_main)
    if(arg_COMPUTES)
      target_compile_options(${name}_test PRIVATE ${NORMKIT_LIGHTLY})
      normkit_precompile(${name}_test computing_tests)
    else()
      target_compile_options(${name}_test PRIVATE ${NORMKIT_UNOPTIMIZED})
      normkit_precompile(${name}_test tests)
    endif()
    gtest_discover_tests(${name}_test DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 300 LABELS ${name}
                         WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
    if(arg_PROCESSOR)  # a second label: gtest_discover_tests takes no lists
      set(labels ${CMAKE_CURRENT_BINARY_DIR}/${name}_labels.cmake)
      file(CONFIGURE OUTPUT ${labels} @ONLY CONTENT
           "set_tests_properties(\${@name@_test_TESTS} PROPERTIES LABELS \"@name@;processor\")\n")
      set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${labels})
    endif()
  endif()
  if(NORMKIT_BUILD_BENCHMARKS AND benches)
    find_package(benchmark REQUIRED)
    add_executable(${name}_bench ${benches})
    target_link_libraries(${name}_bench PRIVATE normkit_all benchmark::benchmark_main)
  endif()
  if(NORMKIT_BUILD_FUZZERS)
    foreach(fuzzer ${fuzzers})
      get_filename_component(program ${fuzzer} NAME_WE)
      add_executable(${program} ${fuzzer})
      target_link_libraries(${program} PRIVATE normkit_all -fsanitize=fuzzer)
    endforeach()
  endif()
endfunction()
