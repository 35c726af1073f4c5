// SPDX-License-Identifier: Apache-2.0
// Where to put probes into a C library so that they cost little: which of its functions lock, where they lie in the
// file, and at which instruction. x86-64.
//
// A probe on an instruction that the kernel emulates (push, nop, relative jump or call) costs under 1 us, on any other,
// which it must step over, 11 us and more. The first few instructions of a function are run straight through, so any of
// them will do as long as the first argument and the stack pointer are still those of the caller. It is derived from
// the bytes, not from a table of versions. Instructions: Intel SDM volume 2, chapter 2 and appendix A; emulated:
// arch/x86/kernel/uprobes.c, branch_setup_xol_ops() and push_setup_xol_ops().
//
// The file is hostile (elf_symbols.h). For shared_lock_probes and lock_tracer only. Cost: about 1 ms for a libc.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "source/elf_symbols.h"

namespace lockscope {

// Arguments that must still be in their registers, beside the stack pointer: none, the first, or the first two.
enum class KeptArguments { none, first, two };

// The offset of the best instruction of a function that begins with these bytes; 0, the entry, where none is better or
// the bytes are not understood.
[[nodiscard]] std::uint64_t choose_probe_site(std::span<const std::uint8_t> function,
                                              KeptArguments kept = KeptArguments::first);
// What the kernel emulates at the beginning of these bytes: "push", "nop", "jne", "jmp", "call"; empty: nothing.
[[nodiscard]] std::string_view emulated_instruction(std::span<const std::uint8_t> code);
// Whether a jump in these bytes of the function may lead back before or onto the site: one call may then hit it again.
// Bytes are not told from instructions: true may be wrong, false is not, as far as the bytes go.
[[nodiscard]] bool may_come_again(std::span<const std::uint8_t> function, std::uint64_t site);

// How far the stack pointer lies below the function's own return address when it makes its first call; nothing: the
// bytes up to there are not understood.
[[nodiscard]] std::optional<std::uint64_t> frame_at_first_call(std::span<const std::uint8_t> function);

struct ProbedFunction {
  std::string_view name;
  std::uint32_t call = 0;     // what it does; the catalog's own number
  bool calls_others = false;  // of the catalog: such calls are not the program's own
  KeptArguments kept = KeptArguments::first;
};

struct ProbeSite {
  std::uint32_t call = 0;
  std::uint64_t offset = 0;      // in the file
  std::uint64_t entry = 0;       // of the function
  bool again = false;            // may be hit more than once in one call
  std::string_view name;         // of the function, as the catalog has it
  std::string_view instruction;  // there: "push", "jne"; empty: one that the kernel must step over
  friend auto operator<=>(const ProbeSite&, const ProbeSite&) = default;
};
struct FileSpan {
  std::uint64_t start = 0;
  std::uint64_t end = 0;
  friend auto operator<=>(const FileSpan&, const FileSpan&) = default;
};
struct ProbeSites {
  std::vector<ProbeSite> sites;  // each function once, under however many names and versions
  std::vector<FileSpan> bodies;  // of functions that may call others of these: such a call is not the program's own
};

// Nothing: no x86-64 ELF file, or it has none of the functions. `every_version`: also those that only programs which
// were linked long ago ask for.
[[nodiscard]] std::optional<ProbeSites> find_probe_sites(int fd, SymbolTable table,
                                                         std::span<const ProbedFunction> functions,
                                                         bool every_version = true);
// The first bytes of a function, as many as a judgement of it needs; fewer where the file ends.
[[nodiscard]] std::vector<std::uint8_t> read_function(int fd, std::uint64_t entry, std::uint64_t size);

}  // namespace lockscope
