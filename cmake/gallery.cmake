# cmake -DPROGRAM=<iclk> -DSOURCE=<repository> -DWORK=<folder> -P gallery.cmake
#
# Draws every figure from the shipped data by `iclk report` and writes docs/gallery.md and the pictures in docs/images.
execute_process(
  COMMAND "${PROGRAM}" report --data figures/data --out "${WORK}" --quiet
  WORKING_DIRECTORY "${SOURCE}"
  OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
file(READ "${WORK}/claims.json" report)
string(JSON n_figures LENGTH "${report}" figures)
math(EXPR last "${n_figures} - 1")

set(text "# Gallery\n\nEvery figure of `iclk figure`, drawn from the measured data in figures/data; `cmake --build BUILD --target iclk_gallery`
makes this page again, and `iclk report --data figures/data --out report` one page with all of them and the table of claims.
Click a picture for its full size; the words under it are those of its caption file.\n")
foreach(i RANGE ${last})
  string(JSON id GET "${report}" figures ${i} id)
  string(JSON title GET "${report}" figures ${i} title)
  string(JSON drawn GET "${report}" figures ${i} drawn)
  if(NOT drawn)
    string(JSON problem GET "${report}" figures ${i} problem)
    message(WARNING "${id} is not drawn: ${problem}")
    continue()
  endif()
  file(COPY_FILE "${WORK}/figures/${id}.svg" "${SOURCE}/docs/images/${id}.svg" ONLY_IF_DIFFERENT)
  # The caption file: title, blank line, text, blank line, settings and sources.
  file(READ "${WORK}/figures/${id}.txt" caption)
  string(FIND "${caption}" "\n\n" start)
  math(EXPR start "${start} + 2")
  string(SUBSTRING "${caption}" ${start} -1 caption)
  string(FIND "${caption}" "\n\n" end)
  string(SUBSTRING "${caption}" 0 ${end} words)
  string(APPEND text "\n## ${id}: ${title}\n\n[![${title}](images/${id}.svg)](images/${id}.svg)\n\n${words}\n\n    iclk figure ${id}")
  if(NOT caption MATCHES "Theory alone")
    string(APPEND text " --data figures/data")
  endif()
  string(APPEND text " --out DIR\n")
endforeach()
file(WRITE "${SOURCE}/docs/gallery.md" "${text}")
