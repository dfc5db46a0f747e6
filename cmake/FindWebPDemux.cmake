# libwebp and libwebpdemux from the system, which not every distribution gives a CMake config.
find_path(WEBP_INCLUDE_DIR webp/demux.h)
find_library(WEBP_LIBRARY webp)
find_library(WEBPDEMUX_LIBRARY webpdemux)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(WebPDemux REQUIRED_VARS WEBPDEMUX_LIBRARY WEBP_LIBRARY
                                                          WEBP_INCLUDE_DIR)
if(WebPDemux_FOUND AND NOT TARGET WebP::webpdemux)
  add_library(WebP::webpdemux UNKNOWN IMPORTED)
  set_target_properties(WebP::webpdemux PROPERTIES IMPORTED_LOCATION ${WEBPDEMUX_LIBRARY}
                                                   INTERFACE_LINK_LIBRARIES ${WEBP_LIBRARY}
                                                   INTERFACE_INCLUDE_DIRECTORIES ${WEBP_INCLUDE_DIR})
endif()
