// SPDX-License-Identifier: Apache-2.0
#include "source/code_modules.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <string>

#include "source/mapped_file.h"

namespace lockscope {
namespace {

constexpr std::uint64_t kMaxFunction = 4096;   // what a symbol's size is believed up to
constexpr std::uint64_t kUnsizedSyscall = 64;  // syscall(2) of a libc has 51 to 134 bytes
constexpr std::string_view kGlibcLoader = "ld-linux-x86-64.so.2";

bool is_glibc_name(std::string_view soname) {
  return soname == "libc.so.6" || soname == "libpthread.so.0" || soname == kGlibcLoader;
}

bool may_be_musl(std::string_view soname) {
  // Upstream gives its libc no SONAME; Alpine gives it this one.
  return soname.empty() || soname == "libc.musl-x86_64.so.1" || soname == "libc.so";
}

// Names under which a libc is mapped. Only a reason to look into the file.
bool names_a_libc(std::string_view path) {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  for (const std::string_view prefix : {"libc.so", "libc-2.", "ld-linux-", "ld-2.", "ld-musl-", "libc.musl-"}) {
    if (name.starts_with(prefix)) return true;
  }
  return false;
}

}  // namespace

CodeModule CodeModule::describe(int fd, bool is_executable_of_process) {
  CodeModule module;
  auto elf = read_elf(fd);
  if (!elf) return module;
  module.elf_ = std::move(*elf);
  const std::string_view soname = module.elf_.soname;
  if (is_glibc_name(soname)) {
    module.loader_ = soname == kGlibcLoader;
    module.find_functions(fd, true);
  } else if (!module.elf_.fixed_address && may_be_musl(soname)) {
    module.find_functions(fd, false);
  }
  // A program without an interpreter carries its libc inside, where no symbol tells its functions from the program's.
  const bool program = module.elf_.fixed_address || module.elf_.position_independent_executable ||
                       (is_executable_of_process && soname.empty());
  if (module.libc_ == LibcKind::unknown && program && !module.elf_.has_interpreter) module.code_ = CodePlace::unknown;
  return module;
}

void CodeModule::find_functions(int fd, bool glibc_by_name) {
  // __dls2b and __dls3 are the stages of musl's loader (ldso/dynlink.c, 1.1.17 on).
  const auto symbols = read_dynamic_symbols(fd, {"syscall", "__lll_lock_wait_private", "__lll_lock_wake_private",
                                                 "gnu_get_libc_version", "__dls2b", "__dls3", "__libc_start_main"});
  const auto &call = symbols[0], &wait_private = symbols[1], &wake_private = symbols[2], &gnu = symbols[3],
             &stage2 = symbols[4], &stage3 = symbols[5], &start = symbols[6];
  const bool musl = !glibc_by_name && !gnu && start && (stage2 || stage3);
  if (!glibc_by_name && !musl) return;
  code_ = musl ? CodePlace::musl : CodePlace::libc;
  libc_ = musl ? LibcKind::musl : LibcKind::glibc;
  if (call) {
    const bool sized = call->size > 0 && call->size <= kMaxFunction;
    syscall_ = {call->address, call->address + (sized ? call->size : kUnsizedSyscall)};
  }
  if (musl || !wait_private || !wake_private) return;
  // nptl/lowlevellock.c, 2.34 to 2.43, is compiled in this order: __lll_lock_wait_private, the hidden __lll_lock_wait,
  // __lll_lock_wake_private. Without a credible size nothing says where the first ends.
  const std::uint64_t end = wait_private->address + wait_private->size;
  if (wait_private->size == 0 || wait_private->size > kMaxFunction) return;
  if (wake_private->address < end || wake_private->address - end > kMaxFunction) return;
  private_lock_ = {wait_private->address, end};
  lock_ = {end, wake_private->address};
}

CodePlace CodeModule::place(std::uint64_t file_offset) const {
  if (libc_ == LibcKind::unknown) return code_;
  const auto address = elf_.address_of(file_offset);
  if (!address) return CodePlace::unknown;
  if (syscall_.holds(*address)) return CodePlace::libc_syscall;
  if (private_lock_.holds(*address)) return CodePlace::libc_private_lock;
  if (lock_.holds(*address)) return CodePlace::libc_lock;
  return code_;
}

void CodeModules::begin_look() { files_.clear(); }

std::pair<CodeModules::Module, bool> CodeModules::open_module(pid_t pid, const ProcessMaps& maps,
                                                              const MappedRange& mapping) {
  const auto opened = open_mapped_file(proc_, pid, mapping, maps.path(mapping));
  if (!opened) return {nullptr, false};
  const struct stat& status = opened->status;
  struct stat executable {};
  const bool as_executable = ::fstatat(proc_, fmt::format("{}/exe", pid).c_str(), &executable, 0) == 0 &&
                             executable.st_dev == status.st_dev && executable.st_ino == status.st_ino;
  const Content content{
      kernel_device(status.st_dev), status.st_ino,          static_cast<std::uint64_t>(status.st_size),
      status.st_mtim.tv_sec,        status.st_mtim.tv_nsec, status.st_ctim.tv_sec,
      status.st_ctim.tv_nsec,       as_executable};
  auto known = contents_.find(content);
  if (known == contents_.end()) {
    if (contents_.size() >= kMaxFiles) {
      evictions_ += contents_.size();
      contents_.clear();
    }
    known =
        contents_.emplace(content, std::make_shared<CodeModule>(CodeModule::describe(opened->fd.get(), as_executable)))
            .first;
  }
  // What one process shows under these numbers holds for the others only if they are those of the file that was opened:
  // a path must not speak for another process' libc.
  const bool same_file = status.st_ino == mapping.file.ino && (opened->exact || content.dev == mapping.file.dev);
  return {known->second, same_file};
}

CodeModules::Module CodeModules::module_at(pid_t pid, const ProcessMaps& maps, const MappedRange& mapping) {
  for (const pid_t scope : {pid_t{0}, pid}) {
    if (const auto known = files_.find({mapping.file, scope}); known != files_.end()) return known->second;
  }
  auto [module, for_all] = open_module(pid, maps, mapping);
  if (files_.size() >= kMaxFiles) {
    evictions_ += files_.size();
    files_.clear();
  }
  files_[{mapping.file, for_all ? 0 : pid}] = module;
  return module;
}

CodePlace CodeModules::place(pid_t pid, const ProcessMaps& maps, std::uint64_t ip) {
  const MappedRange* mapping = maps.at(ip);
  if (mapping == nullptr) return CodePlace::unknown;
  if (mapping->file.ino == 0) return CodePlace::other;
  const Module module = module_at(pid, maps, *mapping);
  return module ? module->place(mapping->offset + (ip - mapping->start)) : CodePlace::unknown;
}

bool CodeModules::is_loader(pid_t pid, const ProcessMaps& maps, std::uint64_t address) {
  const MappedRange* mapping = maps.at(address);
  if (mapping == nullptr || mapping->shared || mapping->file.ino == 0) return false;
  const Module module = module_at(pid, maps, *mapping);
  return module && module->is_loader();
}

LibcKind CodeModules::libc_kind(pid_t pid, const ProcessMaps& maps) {
  LibcKind kind = LibcKind::unknown;
  for (const MappedRange& mapping : maps.mappings()) {
    if (!mapping.executable || mapping.file.ino == 0 || !names_a_libc(maps.path(mapping))) continue;
    const Module module = module_at(pid, maps, mapping);
    if (!module || module->libc() == LibcKind::unknown) continue;
    if (kind != LibcKind::unknown && kind != module->libc()) return LibcKind::unknown;
    kind = module->libc();
  }
  return kind;
}

}  // namespace lockscope
