# find_package(normkit): normkit::norm, the operation alone, and where all is installed normkit::normkit.
include(${CMAKE_CURRENT_LIST_DIR}/normkit-norm.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/normkit-normkit.cmake OPTIONAL)
foreach(component ${normkit_FIND_COMPONENTS})
  if(NOT TARGET normkit::${component} AND normkit_FIND_REQUIRED_${component})
    set(normkit_FOUND FALSE)
    set(normkit_NOT_FOUND_MESSAGE "component '${component}' is not installed, expected norm or normkit")
  endif()
endforeach()
