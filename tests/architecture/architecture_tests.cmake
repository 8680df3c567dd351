# Who may use whom: the include path of a component holds what it uses and nothing else. Each test compiles one forbidden
# include with that component's include path and passes when the compiler does not find the header.
set(forbidden_to_core theory fit mlp_stats transformer figures)
set(forbidden_to_theory fit mlp_stats transformer figures)
set(forbidden_to_fit theory mlp_stats transformer figures)
set(forbidden_to_mlp_stats theory fit transformer figures)
set(forbidden_to_transformer theory fit figures)
set(forbidden_to_figures mlp_stats transformer)

foreach(component IN ITEMS core theory fit mlp_stats transformer figures)
  foreach(forbidden IN LISTS forbidden_to_${component})
    if(TARGET iclk_${component} AND TARGET iclk_${forbidden})
      get_target_property(headers iclk_${forbidden} HEADER_SET)
      list(GET headers 0 header)
      string(REGEX REPLACE "^.*include/(iclk/.*)$" "\\1" header "${header}")
      set(source "${CMAKE_CURRENT_BINARY_DIR}/${component}_includes_${forbidden}.cpp")
      file(CONFIGURE OUTPUT "${source}" CONTENT "#include \"${header}\"\n" @ONLY)
      set(name "architecture: ${component} cannot include ${forbidden}")
      add_test(
        NAME "${name}"
        COMMAND "${CMAKE_CXX_COMPILER}" -E -nostdinc
                "-I$<JOIN:$<TARGET_PROPERTY:iclk_${component},INCLUDE_DIRECTORIES>,;-I>" "${source}"
        COMMAND_EXPAND_LISTS)
      string(REPLACE "." "\\." pattern "${header}")
      set_tests_properties("${name}" PROPERTIES LABELS architecture PASS_REGULAR_EXPRESSION
                                                "error: '?${pattern}'?.*(No such file|not found)")
    endif()
  endforeach()
endforeach()

foreach(script IN ITEMS equations test_names)
  add_test(NAME "architecture: ${script}" COMMAND "${CMAKE_COMMAND}" "-DSOURCE=${PROJECT_SOURCE_DIR}" -P
                                                  "${CMAKE_CURRENT_SOURCE_DIR}/architecture/${script}.cmake")
  set_tests_properties("architecture: ${script}" PROPERTIES LABELS architecture)
endforeach()
