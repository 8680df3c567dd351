# iclk_component(NAME SOURCES ... HEADERS ... [USES ...] [LINK ...] [HEADER_ONLY ...])
#
# One library `iclk_NAME` with alias `iclk::NAME`. HEADERS are public (a FILE_SET below include/). USES names the
# components that it may include: nothing else is on its include path. LINK names targets that its sources need
# privately; HEADER_ONLY those of them that are nothing but headers, which a user of the installed library can do without.
function(iclk_component name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;HEADERS;USES;LINK;HEADER_ONLY")
  set(target iclk_${name})
  add_library(${target} STATIC ${arg_SOURCES})
  add_library(iclk::${name} ALIAS ${target})
  target_sources(${target} PUBLIC FILE_SET HEADERS BASE_DIRS include FILES ${arg_HEADERS})
  target_include_directories(${target} PRIVATE src)
  target_compile_features(${target} PUBLIC cxx_std_20)
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name} CXX_EXTENSIONS OFF POSITION_INDEPENDENT_CODE ON
                                             VERIFY_INTERFACE_HEADER_SETS ON)
  foreach(used IN LISTS arg_USES)
    target_link_libraries(${target} PUBLIC iclk::${used})
  endforeach()
  target_link_libraries(${target} PRIVATE ${arg_LINK})
  foreach(headers IN LISTS arg_HEADER_ONLY)
    target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:${headers}>)
  endforeach()
  iclk_warnings(${target})
  set_property(GLOBAL APPEND PROPERTY ICLK_COMPONENTS ${name})
endfunction()

# Warnings for one of our own targets; dependencies come in as system headers and stay quiet.
function(iclk_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # GCC 12 finds overlapping copies in the joining of strings where there are none (its bug 105651).
    target_compile_options(${target} PRIVATE -Wno-restrict)
  endif()
  if(ICLK_WARNINGS_AS_ERRORS)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
endfunction()
