# SPDX-License-Identifier: Apache-2.0
# Warnings, sanitizers and the one way in which a folder becomes a library: every .cpp in it, so that a new lock kind,
# detector or exporter is a new file and a row in a table, and no line of CMake.

add_library(lockscope_options INTERFACE)
target_include_directories(lockscope_options INTERFACE
  "${PROJECT_SOURCE_DIR}/include" "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}")
target_compile_options(lockscope_options INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Werror>
  $<$<COMPILE_LANGUAGE:C>:-Wall -Wextra -Wshadow -Werror>)
target_compile_definitions(lockscope_options INTERFACE
  LOCKSCOPE_VERSION="${PROJECT_VERSION}"
  $<$<NOT:$<CONFIG:Debug>>:_FORTIFY_SOURCE=2>)
if(LOCKSCOPE_SANITIZE)
  target_compile_options(lockscope_options INTERFACE -fsanitize=${LOCKSCOPE_SANITIZE} -fno-omit-frame-pointer
                         -fno-sanitize-recover=all)
  target_link_options(lockscope_options INTERFACE -fsanitize=${LOCKSCOPE_SANITIZE})
endif()

# lockscope_library(NAME [libraries...]): a static library of all sources in the current folder.
function(lockscope_library name)
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cpp")
  add_library(${name} STATIC ${sources})
  target_link_libraries(${name} PUBLIC lockscope_options ${ARGN})
endfunction()
