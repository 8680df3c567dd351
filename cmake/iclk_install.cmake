# Installs the libraries with their headers, the program, and the package icl_kinetics. Every component has an export
# file of its own, so that a project which uses only `theory` need not have oneDNN.
include(CMakePackageConfigHelpers)
set(package_folder "${CMAKE_INSTALL_LIBDIR}/cmake/icl_kinetics")

get_property(ICLK_COMPONENTS GLOBAL PROPERTY ICLK_COMPONENTS)
foreach(component IN LISTS ICLK_COMPONENTS)
  install(
    TARGETS iclk_${component}
    EXPORT icl_kinetics_${component}
    ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}"
    FILE_SET HEADERS DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
  install(
    EXPORT icl_kinetics_${component}
    NAMESPACE iclk::
    DESTINATION "${package_folder}")
endforeach()
if(TARGET iclk)
  install(TARGETS iclk RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
endif()

configure_package_config_file(cmake/icl_kineticsConfig.cmake.in icl_kineticsConfig.cmake
                              INSTALL_DESTINATION "${package_folder}" NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(icl_kineticsConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/icl_kineticsConfig.cmake"
              "${CMAKE_CURRENT_BINARY_DIR}/icl_kineticsConfigVersion.cmake" cmake/FindOneDNN.cmake
        DESTINATION "${package_folder}")
