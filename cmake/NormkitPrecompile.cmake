# normkit_precompile(TARGET library|tests|computing_tests): other people's headers that most files of a kind include,
# compiled once: two thirds of the compiler's time were theirs (docs/decisions.md). None of our own, which
# change. Every file includes what it needs all the same: the builds of the sanitizers do without.
option(NORMKIT_PRECOMPILED_HEADERS "Compile other people's headers once" ON)
if(NORMKIT_SANITIZE)
  set(NORMKIT_PRECOMPILED_HEADERS OFF)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  add_compile_options(-fpch-preprocess)  # ccache wants it
endif()

set(precompiled_library
  <algorithm> <array> <cmath> <filesystem> <functional> <map> <memory> <numeric> <optional> <span> <sstream>
  <string> <string_view> <utility> <vector> <fmt/format.h> <fmt/ranges.h> <nlohmann/json.hpp>)
set(precompiled_tests ${precompiled_library} <gmock/gmock.h> <gtest/gtest.h>)
set(precompiled_computing_tests ${precompiled_tests})

find_package(nlohmann_json REQUIRED)
set(precompiled_library_link nlohmann_json::nlohmann_json)
set(precompiled_tests_link nlohmann_json::nlohmann_json GTest::gmock)
set(precompiled_computing_tests_link ${precompiled_tests_link})

function(normkit_precompile target kind)
  if(NOT NORMKIT_PRECOMPILED_HEADERS)
    return()
  endif()
  set(owner normkit_precompiled_${kind})
  if(NOT TARGET ${owner})
    set(source ${PROJECT_BINARY_DIR}/${owner}.cc)
    file(CONFIGURE OUTPUT ${source} CONTENT "// Owns the precompiled headers of ${kind}.\n")
    add_library(${owner} OBJECT ${source})
    target_link_libraries(${owner} PRIVATE fmt::fmt OpenMP::OpenMP_CXX ${precompiled_${kind}_link})
    if(NOT kind STREQUAL "library")  # programs
      set_target_properties(${owner} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
      target_compile_options(${owner} PRIVATE -fPIE)
    endif()
    if(kind STREQUAL "tests")  # the compiler takes none that was optimized where nothing is
      target_compile_options(${owner} PRIVATE ${NORMKIT_UNOPTIMIZED})
    endif()
    target_precompile_headers(${owner} PRIVATE ${precompiled_${kind}})
  endif()
  target_precompile_headers(${target} REUSE_FROM ${owner})
endfunction()
