# cmake -DOUTPUT=file.cpp "-DSCRIPTS=a.gp;b.gp" -P embed_scripts.cmake
#
# Writes a source file that holds each gnuplot script as a string named like the file: the library draws wherever it is
# installed, without looking for scripts.
set(source "#include \"figure_scripts.hpp\"\n\nnamespace iclk::figures::scripts {\n\n")
foreach(script IN LISTS SCRIPTS)
  get_filename_component(name "${script}" NAME_WE)
  file(READ "${script}" text)
  string(APPEND source "const std::string_view ${name} = R\"gnuplot(${text})gnuplot\";\n\n")
endforeach()
string(APPEND source "}  // namespace iclk::figures::scripts\n")
file(WRITE "${OUTPUT}" "${source}")
