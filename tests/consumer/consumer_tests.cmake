# Installs what was built into a folder of its own, then configures, builds and runs tests/consumer against it.
set(prefix "${CMAKE_CURRENT_BINARY_DIR}/consumer/prefix")
add_test(NAME "package: install" COMMAND "${CMAKE_COMMAND}" --install "${PROJECT_BINARY_DIR}" --prefix "${prefix}")
set_tests_properties("package: install" PROPERTIES FIXTURES_SETUP installed_package LABELS package)

foreach(components IN ITEMS theory all)
  set(wanted ${components})
  if(components STREQUAL "all")
    set(wanted "")
  endif()
  add_test(
    NAME "package: find_package of ${components}"
    COMMAND
      "${CMAKE_CTEST_COMMAND}" --build-and-test "${CMAKE_CURRENT_SOURCE_DIR}/consumer"
      "${CMAKE_CURRENT_BINARY_DIR}/consumer/${components}" --build-generator "${CMAKE_GENERATOR}" --build-options
      "-DCMAKE_PREFIX_PATH=${prefix}" "-DCMAKE_BUILD_TYPE=${CMAKE_BUILD_TYPE}" "-DCMAKE_CXX_FLAGS=${CMAKE_CXX_FLAGS}"
      "-DCMAKE_CXX_COMPILER=${CMAKE_CXX_COMPILER}" "-DCONSUMER_COMPONENTS=${wanted}" --test-command consumer)
  set_tests_properties("package: find_package of ${components}" PROPERTIES FIXTURES_REQUIRED installed_package LABELS
                                                                                                            package)
endforeach()
