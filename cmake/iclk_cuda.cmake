# The CUDA toolkit, for backend cuda alone. Folders named cuda hold all that is compiled with it.
find_program(ICLK_NVCC nvcc HINTS "$ENV{CUDA_PATH}/bin" "$ENV{CUDA_HOME}/bin" PATHS /usr/local/cuda/bin)
mark_as_advanced(ICLK_NVCC)
if(NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX})
  if(NOT ICLK_NVCC)
    message(FATAL_ERROR "ICLK_CUDA needs the CUDA toolkit 12.4 or newer: nvcc was found neither in PATH nor in "
                        "/usr/local/cuda/bin; name it in the environment variable CUDACXX.")
  endif()
  set(CMAKE_CUDA_COMPILER "${ICLK_NVCC}")
endif()
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES 90 CACHE STRING "Cards to compile for, by compute capability")
endif()
enable_language(CUDA)
find_package(CUDAToolkit 12.4 REQUIRED)

add_custom_target(iclk_cuda)

# A target of .cu files. Functions that only return constants are used on both sides; no a*b + c in one rounding, so that
# drawn normal numbers have the bits of the host's (matrix products are not ours, all else waits for memory).
function(iclk_cuda_target target)
  # Older CMakes do not know this standard of newer toolkits: it is asked for by name.
  target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:-std=c++20 --expt-relaxed-constexpr --fmad=false>)
  set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  target_link_libraries(${target} PRIVATE CUDA::cublas)
  add_dependencies(iclk_cuda ${target})
endfunction()
