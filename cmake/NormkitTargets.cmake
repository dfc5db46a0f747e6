# For which SIMD targets kernels are compiled: NORMKIT_TARGETS. Sets NORMKIT_KERNEL_TARGETS, and makes
# normkit_highway, which all who include Highway link: each has to know the same targets.
set(NORMKIT_TARGETS "all" CACHE STRING
    "SIMD targets of the kernels: all, native (the best of this machine), or a list (AVX2;AVX3); SCALAR is in each")
find_package(hwy CONFIG REQUIRED)

# The best target of this machine, by Highway's own detection.
function(normkit_find_native_target result)
  if(CMAKE_CROSSCOMPILING)
    message(FATAL_ERROR "NORMKIT_TARGETS=native: the machine that builds is not the one that runs, expected a list or all")
  endif()
  set(source ${PROJECT_BINARY_DIR}/native_target.cc)
  file(WRITE ${source} "#include <hwy/highway.h>\n\n#include <cstdio>\n\nint main() {
  const auto best = hwy::SupportedTargets();\n  std::puts(hwy::TargetName(best & -best));\n}\n")
  try_run(ran compiled ${PROJECT_BINARY_DIR}/native_target ${source} LINK_LIBRARIES hwy::hwy
          COMPILE_OUTPUT_VARIABLE errors RUN_OUTPUT_VARIABLE name)
  if(NOT compiled OR NOT ran EQUAL 0)
    message(FATAL_ERROR "NORMKIT_TARGETS=native: this machine's target is not found out: ${errors}${name}")
  endif()
  string(STRIP "${name}" name)
  set(${result} ${name} PARENT_SCOPE)
endfunction()

# SSSE3 is never compiled: whatever has it has SSE4, or is well served by SCALAR. Nor is AVX3_DL, which
# Highway leaves out by itself.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(known SSE4 AVX2 AVX3)
else()
  set(known EMU128 NEON SVE SVE2 SVE_256 SVE2_128)  # those Highway leaves out are empty
endif()
set(chosen ${NORMKIT_TARGETS})
if(chosen STREQUAL "all")
  set(chosen ${known})
elseif(chosen STREQUAL "native")
  normkit_find_native_target(chosen)
  if(chosen STREQUAL "AVX3_DL")
    set(chosen AVX3)
  endif()
  message(STATUS "SIMD targets: ${chosen} of this machine, and SCALAR")
endif()
set(disabled HWY_SSSE3)
foreach(target ${known})
  if(NOT target IN_LIST chosen)
    string(APPEND disabled "|HWY_${target}")
  endif()
endforeach()
foreach(target ${chosen})
  if(NOT target IN_LIST known AND NOT target STREQUAL "SCALAR")
    string(REPLACE ";" ", " known "${known}")
    message(FATAL_ERROR "NORMKIT_TARGETS: '${target}' given, expected all, native, or some of ${known}, SCALAR")
  endif()
endforeach()
set(NORMKIT_KERNEL_TARGETS SCALAR ${chosen})
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")  # for which it is Highway's baseline, as SCALAR is for gcc
  list(APPEND NORMKIT_KERNEL_TARGETS EMU128)
endif()
list(REMOVE_DUPLICATES NORMKIT_KERNEL_TARGETS)

add_library(normkit_highway INTERFACE)
target_link_libraries(normkit_highway INTERFACE hwy::hwy)
target_compile_definitions(normkit_highway INTERFACE "HWY_DISABLED_TARGETS=(${disabled})")
