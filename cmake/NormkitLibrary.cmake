# The modules become normkit_all (static, for the program and the tests) and normkit::normkit (shared,
# installed; dependencies stay private).

get_property(modules GLOBAL PROPERTY NORMKIT_MODULES)
add_library(normkit_all STATIC)
set_target_properties(normkit_all PROPERTIES LINKER_LANGUAGE CXX)
target_link_libraries(normkit_all PUBLIC ${modules})
add_library(normkit SHARED)
target_link_libraries(normkit PRIVATE ${modules})
foreach(module ${modules})
  target_sources(normkit_all PRIVATE $<TARGET_OBJECTS:${module}>)
endforeach()
