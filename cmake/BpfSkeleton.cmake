# SPDX-License-Identifier: Apache-2.0
# Compiles bpf/NAME.bpf.c with clang and makes NAME.skel.h of it with bpftool. NAME=PART+PART makes one of several files
# that share their maps. No BTF of the building host is needed:
# bpf/kernel_types.h declares the few fields that are read, and libbpf relocates them where lockscope runs.

find_program(CLANG_FOR_BPF NAMES clang clang-19 clang-18 clang-17 clang-16 clang-15 clang-14 REQUIRED)
# Ubuntu's /usr/sbin/bpftool is a wrapper that refuses kernels it was not built for; the real one lies beside its tools.
file(GLOB bpftool_candidates /usr/lib/linux-tools/*/bpftool /usr/lib/linux-tools-*/bpftool)
find_program(BPFTOOL NAMES bpftool HINTS ${bpftool_candidates} PATHS /usr/sbin /usr/local/sbin REQUIRED)
if(bpftool_candidates)
  list(GET bpftool_candidates 0 BPFTOOL)
endif()

function(lockscope_bpf_skeleton target)
  set(headers)
  file(GLOB shared CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.h" "${PROJECT_SOURCE_DIR}/include/lockscope/*wire.h")
  foreach(entry ${ARGN})
    string(REGEX REPLACE "=.*" "" name "${entry}")
    string(REGEX REPLACE "^.*=" "" parts "${entry}")
    string(REPLACE "+" ";" parts "${parts}")
    set(objects)
    foreach(part ${parts})
      set(object "${CMAKE_CURRENT_BINARY_DIR}/${part}.bpf.o")
      add_custom_command(OUTPUT "${object}"
        COMMAND "${CLANG_FOR_BPF}" -g -O2 -target bpf -mcpu=v3 -D__TARGET_ARCH_x86 -Wall -Wextra -Werror
                -I "${PROJECT_SOURCE_DIR}/include/lockscope" -I "${PROJECT_SOURCE_DIR}/bpf"
                -isystem "/usr/include/${CMAKE_SYSTEM_PROCESSOR}-linux-gnu"
                -c "${CMAKE_CURRENT_SOURCE_DIR}/${part}.bpf.c" -o "${object}"
        DEPENDS "${part}.bpf.c" ${shared}
        VERBATIM)
      list(APPEND objects "${object}")
    endforeach()
    set(object "${objects}")
    list(LENGTH objects count)
    if(count GREATER 1)
      set(object "${CMAKE_CURRENT_BINARY_DIR}/${name}.linked.o")
      add_custom_command(OUTPUT "${object}" COMMAND "${BPFTOOL}" gen object "${object}" ${objects}
        DEPENDS ${objects} VERBATIM)
    endif()
    set(header "${CMAKE_CURRENT_BINARY_DIR}/${name}.skel.h")
    add_custom_command(OUTPUT "${header}"
      COMMAND sh -c "\"$1\" gen skeleton \"$2\" name \"$3\" > \"$4.part\" && mv \"$4.part\" \"$4\""
              sh "${BPFTOOL}" "${object}" "${name}" "${header}"
      DEPENDS "${object}" VERBATIM)
    list(APPEND headers "${header}")
  endforeach()
  add_custom_target(${target}_headers DEPENDS ${headers})
  add_library(${target} INTERFACE)
  add_dependencies(${target} ${target}_headers)
  target_include_directories(${target} SYSTEM INTERFACE "${CMAKE_CURRENT_BINARY_DIR}")
endfunction()
