// SPDX-License-Identifier: Apache-2.0
#include "source/probe_sites.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <string_view>

namespace lockscope {
namespace {

constexpr std::size_t kFunctionStart = 64;        // bytes looked at for a site
constexpr std::size_t kFunctionBytes = 512;       // and for jumps back to it
constexpr std::uint64_t kUnsizedFunction = 512;   // for symbols without a size
constexpr std::uint64_t kLargestFunction = 8192;  // what a symbol's size is believed up to
constexpr unsigned kStackPointer = 4;
constexpr unsigned kFirstArgument = 7;   // rdi
constexpr unsigned kSecondArgument = 6;  // rsi

// What an instruction of the straight line does, as far as it matters here.
struct Instruction {
  std::size_t length = 0;  // 0: not understood
  bool emulated = false;   // by the kernel's uprobes
  bool last = false;       // control does not go on behind it, or rdi or rsp are not the caller's any more
};

class Decoder {
 public:
  Decoder(std::span<const std::uint8_t> code, KeptArguments kept) : code_(code), kept_(kept) {}

  Instruction decode() {
    if (code_.size() >= 4 && std::ranges::equal(code_.first(4), kEndbr64)) return {4, false, false};
    read_prefixes();
    const auto opcode = next();
    if (!opcode) return {};
    const Instruction found = *opcode == 0x0f ? decode_two_bytes() : decode_one_byte(*opcode);
    return past_end_ ? Instruction{} : found;
  }

 private:
  static constexpr std::array<std::uint8_t, 4> kEndbr64{0xf3, 0x0f, 0x1e, 0xfa};

  std::optional<std::uint8_t> next() {
    if (at_ >= code_.size()) {
      past_end_ = true;
      return std::nullopt;
    }
    return code_[at_++];
  }

  void read_prefixes() {
    for (; at_ < code_.size(); ++at_) {
      const std::uint8_t byte = code_[at_];
      if (byte == 0x66) {
        short_operand_ = true;
      } else if (byte != 0x64 && byte != 0x65 && byte != 0x2e && byte != 0xf0) {
        break;
      }
      prefixed_ = true;
    }
    if (at_ < code_.size() && (code_[at_] & 0xf0) == 0x40) rex_ = code_[at_++];
  }

  // An instruction with a ModRM byte. Which operand it writes: neither, the register, or the one that may be memory.
  enum class Writes { nothing, reg, rm };
  Instruction with_modrm(Writes writes, std::size_t immediate = 0, bool bytes = false) {
    const auto modrm = next();
    if (!modrm) return {};
    const unsigned mode = *modrm >> 6;
    const unsigned reg = ((*modrm >> 3) & 7u) | ((rex_ & 4u) << 1);
    const unsigned rm = (*modrm & 7u) | ((rex_ & 1u) << 3);
    if (mode != 3 && (*modrm & 7u) == 4) {
      const auto sib = next();
      if (sib && mode == 0 && (*sib & 7u) == 5) at_ += 4;
    } else if (mode == 0 && (*modrm & 7u) == 5) {
      at_ += 4;
    }
    at_ += mode == 1 ? 1 : mode == 2 ? 4 : 0;
    bool last = false;
    if (writes == Writes::reg) last = is_kept(reg, bytes);
    if (writes == Writes::rm && mode == 3) last = is_kept(rm, bytes);
    return end(immediate, last);
  }

  // Without REX the byte registers 4 to 7 are ah, ch, dh and bh.
  [[nodiscard]] bool is_kept(unsigned reg, bool bytes) const {
    if (bytes && rex_ == 0) return false;
    return reg == kStackPointer || (kept_ != KeptArguments::none && reg == kFirstArgument) ||
           (kept_ == KeptArguments::two && reg == kSecondArgument);
  }

  Instruction end(std::size_t immediate, bool last = false) {
    at_ += immediate;
    if (at_ > code_.size()) past_end_ = true;
    return {at_, false, last};
  }

  Instruction emulated(std::size_t immediate, bool last) {
    if (short_operand_) return {};
    Instruction found = end(immediate, last);
    found.emulated = true;
    return found;
  }

  [[nodiscard]] std::size_t full_immediate() const { return short_operand_ ? 2 : 4; }

  Instruction decode_one_byte(std::uint8_t opcode) {
    if (opcode >= 0x50 && opcode <= 0x57) {  // push: moves rsp, so it is the last that can be used
      Instruction found = emulated(0, true);
      if (prefixed_ || (rex_ != 0 && rex_ != 0x41)) found.emulated = false;
      return found;
    }
    if (opcode == 0x90 && rex_ == 0) {
      Instruction found = end(0);
      found.emulated = true;
      return found;
    }
    if (opcode >= 0x70 && opcode <= 0x7f) return emulated(1, false);  // not taken: on it goes
    if (opcode == 0xeb) return emulated(1, true);
    if (opcode == 0xe9 || opcode == 0xe8) return emulated(4, true);
    // add, or, adc, sbb, and, sub, xor, cmp: six forms each
    if (opcode < 0x40 && (opcode & 7) < 6) {
      const bool compares = (opcode & 0x38) == 0x38;
      switch (opcode & 7) {
        case 0: return with_modrm(compares ? Writes::nothing : Writes::rm, 0, true);
        case 1: return with_modrm(compares ? Writes::nothing : Writes::rm);
        case 2: return with_modrm(compares ? Writes::nothing : Writes::reg, 0, true);
        case 3: return with_modrm(compares ? Writes::nothing : Writes::reg);
        case 4: return end(1);
        default: return end(full_immediate());
      }
    }
    const auto group = at_ < code_.size() ? (code_[at_] >> 3) & 7 : 0;
    switch (opcode) {
      case 0x63: return with_modrm(Writes::reg);
      case 0x80: return with_modrm(group == 7 ? Writes::nothing : Writes::rm, 1, true);
      case 0x81: return with_modrm(group == 7 ? Writes::nothing : Writes::rm, full_immediate());
      case 0x83: return with_modrm(group == 7 ? Writes::nothing : Writes::rm, 1);
      case 0x84:
      case 0x85: return with_modrm(Writes::nothing);
      case 0x88: return with_modrm(Writes::rm, 0, true);
      case 0x89: return with_modrm(Writes::rm);
      case 0x8a: return with_modrm(Writes::reg, 0, true);
      case 0x8b:
      case 0x8d: return with_modrm(Writes::reg);
      case 0xa8: return end(1);
      case 0xa9: return end(full_immediate());
      case 0xc0: return with_modrm(Writes::rm, 1, true);
      case 0xc1: return with_modrm(Writes::rm, 1);
      case 0xc6: return with_modrm(Writes::rm, 1, true);
      case 0xc7: return with_modrm(Writes::rm, full_immediate());
      case 0xd1: return with_modrm(Writes::rm);
      case 0xf6: return group < 2 ? with_modrm(Writes::nothing, 1) : Instruction{};
      case 0xfe: return group < 2 ? with_modrm(Writes::rm, 0, true) : Instruction{};
      case 0xff: return group < 2 ? with_modrm(Writes::rm) : Instruction{};
      case 0xf7: return group < 2 ? with_modrm(Writes::nothing, full_immediate()) : Instruction{};
      default: break;
    }
    if (opcode >= 0xb8 && opcode <= 0xbf) {
      const unsigned reg = (opcode & 7u) | ((rex_ & 1u) << 3);
      return end((rex_ & 8u) != 0 ? 8 : full_immediate(), is_kept(reg, false));
    }
    return {};
  }

  Instruction decode_two_bytes() {
    const auto opcode = next();
    if (!opcode) return {};
    if (*opcode >= 0x80 && *opcode <= 0x8f) return emulated(4, false);
    if (*opcode == 0x1f) {
      Instruction found = with_modrm(Writes::nothing);
      found.emulated = true;
      return found;
    }
    if (*opcode >= 0x40 && *opcode <= 0x4f) return with_modrm(Writes::reg);
    if (*opcode >= 0x90 && *opcode <= 0x9f) return with_modrm(Writes::rm, 0, true);
    if (*opcode == 0xb6 || *opcode == 0xb7 || *opcode == 0xbe || *opcode == 0xbf) return with_modrm(Writes::reg);
    if (*opcode == 0xb1) return with_modrm(Writes::rm);
    return {};
  }

  std::span<const std::uint8_t> code_;
  KeptArguments kept_;
  std::size_t at_ = 0;
  unsigned rex_ = 0;
  bool short_operand_ = false;
  bool prefixed_ = false;
  bool past_end_ = false;
};

ProbeSite site_in_file(int fd, const ProbedFunction& known, std::uint64_t entry, std::uint64_t size) {
  const std::vector<std::uint8_t> bytes = read_function(fd, entry, size);
  const std::span<const std::uint8_t> function(bytes);
  const std::uint64_t site = choose_probe_site(function.first(std::min(function.size(), kFunctionStart)), known.kept);
  const auto rest = function.subspan(std::min<std::size_t>(site, function.size()));
  return {known.call, entry + site, entry, may_come_again(function, site), known.name, emulated_instruction(rest)};
}

// The kernel refuses to step over an instruction with a lock prefix (is_prefix_bad() of arch/x86/kernel/uprobes.c).
bool begins_locked(std::span<const std::uint8_t> function) { return function.empty() || function.front() == 0xf0; }

// As read_functions(), of each name the version that programs are linked against today.
std::vector<NamedFunction> default_functions(int fd, const std::vector<std::string_view>& names) {
  std::vector<NamedFunction> functions;
  const auto symbols = read_dynamic_symbols(fd, names);
  for (std::size_t i = 0; i < symbols.size(); ++i) {
    if (symbols[i]) functions.push_back({i, *symbols[i]});
  }
  return functions;
}

}  // namespace

std::vector<std::uint8_t> read_function(int fd, std::uint64_t entry, std::uint64_t size) {
  std::vector<std::uint8_t> bytes(std::min<std::uint64_t>(size, kFunctionBytes));
  ssize_t got = 0;
  do {
    got = ::pread(fd, bytes.data(), bytes.size(), static_cast<off_t>(entry));
  } while (got < 0 && errno == EINTR);
  bytes.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  return bytes;
}

std::optional<std::uint64_t> frame_at_first_call(std::span<const std::uint8_t> function) {
  std::uint64_t frame = 0;
  std::size_t at = 0;
  while (at < function.size()) {
    const auto code = function.subspan(at);
    const Instruction instruction = Decoder(code, KeptArguments::none).decode();
    if (instruction.length == 0) return std::nullopt;
    if (code[0] == 0xe8) return frame;
    if (code[0] == 0xc3 || code[0] == 0xe9 || code[0] == 0xeb) return std::nullopt;
    const bool wide_push = code.size() > 1 && code[0] == 0x41 && code[1] >= 0x50 && code[1] <= 0x57;
    std::uint32_t size = 0;
    if (code[0] == 0x48 && code[1] == 0x83 && code[2] == 0xec) size = code[3] < 0x80 ? code[3] : 0;
    if (code[0] == 0x48 && code[1] == 0x81 && code[2] == 0xec) std::memcpy(&size, &code[3], sizeof size);
    if ((code[0] >= 0x50 && code[0] <= 0x57) || wide_push) {
      frame += 8;
    } else if (size != 0 && size <= 0x7fffffff) {
      frame += size;
    } else if (instruction.last) {
      return std::nullopt;  // the stack pointer is moved in another way
    }
    at += instruction.length;
  }
  return std::nullopt;
}

std::uint64_t choose_probe_site(std::span<const std::uint8_t> function, KeptArguments kept) {
  std::size_t at = 0;
  while (at < function.size()) {
    const Instruction instruction = Decoder(function.subspan(at), kept).decode();
    if (instruction.length == 0) break;
    if (instruction.emulated) return at;
    if (instruction.last) break;
    at += instruction.length;
  }
  return 0;
}

std::string_view emulated_instruction(std::span<const std::uint8_t> code) {
  static constexpr std::array<std::string_view, 16> kJumps{"jo", "jno", "jb", "jae", "je", "jne", "jbe", "ja",
                                                           "js", "jns", "jp", "jnp", "jl", "jge", "jle", "jg"};
  if (!Decoder(code, KeptArguments::first).decode().emulated) return {};
  switch (code[0]) {
    case 0xe8: return "call";
    case 0xe9:
    case 0xeb: return "jmp";
    case 0x90: return "nop";
    default: break;
  }
  const bool two_bytes = code[0] == 0x0f;
  const std::uint8_t opcode = two_bytes && code.size() > 1 ? code[1] : code[0];
  if ((opcode & 0xf0) == (two_bytes ? 0x80 : 0x70)) return kJumps[opcode & 15u];
  return code[0] == 0x41 || (opcode & 0xf8) == 0x50 ? "push" : "nop";
}

bool may_come_again(std::span<const std::uint8_t> function, std::uint64_t site) {
  const auto leads_back = [site](std::size_t end, std::int64_t distance) {
    const std::int64_t target = static_cast<std::int64_t>(end) + distance;
    return target >= 0 && target <= static_cast<std::int64_t>(site);
  };
  for (std::size_t at = site; at < function.size(); ++at) {
    const std::uint8_t opcode = function[at];
    const bool is_short = opcode == 0xeb || (opcode >= 0x70 && opcode <= 0x7f) || (opcode >= 0xe0 && opcode <= 0xe3);
    if (is_short && at + 1 < function.size() && leads_back(at + 2, static_cast<std::int8_t>(function[at + 1]))) {
      return true;
    }
    const bool is_long = opcode == 0xe9 || (opcode >= 0x80 && opcode <= 0x8f && at > site && function[at - 1] == 0x0f);
    if (!is_long || at + 4 >= function.size()) continue;
    std::int32_t distance = 0;
    std::memcpy(&distance, &function[at + 1], sizeof distance);
    if (leads_back(at + 5, distance)) return true;
  }
  return false;
}

std::optional<ProbeSites> find_probe_sites(int fd, SymbolTable table, std::span<const ProbedFunction> functions,
                                           bool every_version) {
  const auto elf = read_elf(fd);
  if (!elf) return std::nullopt;
  std::vector<std::string_view> names;
  std::ranges::transform(functions, std::back_inserter(names), &ProbedFunction::name);
  const bool only_default = table == SymbolTable::dynamic && !every_version;
  std::map<std::uint64_t, ProbeSite> by_entry;  // file offset of the symbol
  ProbeSites found;
  for (const NamedFunction& function : only_default ? default_functions(fd, names) : read_functions(fd, table, names)) {
    const auto entry = elf->file_offset_of(function.symbol.address);
    if (!entry || by_entry.contains(*entry)) continue;
    const ProbedFunction& known = functions[function.name];
    const std::uint64_t size = function.symbol.size == 0 ? kUnsizedFunction : function.symbol.size;
    const ProbeSite site = site_in_file(fd, known, *entry, size);
    if (site.offset == *entry && begins_locked(read_function(fd, *entry, 1))) continue;
    by_entry[*entry] = site;
    if (!known.calls_others) continue;
    found.bodies.push_back({*entry, *entry + std::min(size, kLargestFunction)});
  }
  for (const auto& [entry, site] : by_entry) found.sites.push_back(site);
  if (found.sites.empty()) return std::nullopt;
  return found;
}

}  // namespace lockscope
