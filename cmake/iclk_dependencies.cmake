# Everything we use from elsewhere, found at the top so that its targets are visible in every folder. A missing one is
# reported with the name of its Debian and Ubuntu package; cmake/packages.sh is the list that the scripts install.

macro(iclk_find_package name oldest package)
  find_package(${name} QUIET ${ARGN})
  if(NOT ${name}_FOUND)
    message(FATAL_ERROR "${name} ${oldest} or newer was not found: install the Debian or Ubuntu package ${package}, or "
                        "name the folder that holds it in CMAKE_PREFIX_PATH.")
  elseif("${${name}_VERSION}" VERSION_LESS "${oldest}")
    message(FATAL_ERROR "${name} ${oldest} or newer is needed, version ${${name}_VERSION} was found.")
  endif()
endmacro()

find_package(Threads REQUIRED)
iclk_find_package(Boost 1.74 libboost-dev CONFIG)

find_path(RANDOM123_INCLUDE_DIR Random123/philox.h)
if(NOT RANDOM123_INCLUDE_DIR)
  message(FATAL_ERROR "Random123 1.14 or newer was not found: install the Debian or Ubuntu package librandom123-dev, or "
                      "name the folder that holds Random123/philox.h in RANDOM123_INCLUDE_DIR.")
endif()

iclk_find_package(Eigen3 3.4 libeigen3-dev CONFIG)
if(ICLK_BUILD_TRAINER)
  iclk_find_package(OneDNN 2.6 libdnnl-dev)
  find_package(OpenMP REQUIRED COMPONENTS CXX)
  # Its headers alone: the compiled library that some packages bring beside them is not needed.
  find_path(TOMLPLUSPLUS_INCLUDE_DIR toml++/toml.h)
  mark_as_advanced(TOMLPLUSPLUS_INCLUDE_DIR)
  if(NOT TOMLPLUSPLUS_INCLUDE_DIR)
    message(FATAL_ERROR "toml++ 3.3 or newer was not found: install the Debian or Ubuntu package libtomlplusplus-dev, or "
                        "name the folder that holds toml++/toml.h in TOMLPLUSPLUS_INCLUDE_DIR.")
  endif()
  add_library(tomlplusplus_headers INTERFACE IMPORTED)
  target_include_directories(tomlplusplus_headers SYSTEM INTERFACE "${TOMLPLUSPLUS_INCLUDE_DIR}")
endif()
if(ICLK_BUILD_PROGRAM)
  iclk_find_package(CLI11 2.1 libcli11-dev CONFIG)
endif()
if(ICLK_BUILD_PROGRAM OR ICLK_BUILD_TESTS)
  iclk_find_package(nlohmann_json 3.11 nlohmann-json3-dev CONFIG)
endif()
