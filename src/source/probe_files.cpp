// SPDX-License-Identifier: Apache-2.0
#include "source/probe_files.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "lockscope/wire.h"

namespace lockscope {
namespace {

constexpr std::array kFunctions{
    ProbedFunction{"sem_wait", LS_CALL_SEM_WAIT, true},
    ProbedFunction{"sem_trywait", LS_CALL_SEM_TRY, false},
    ProbedFunction{"sem_timedwait", LS_CALL_SEM_TIMED, true},
    ProbedFunction{"sem_clockwait", LS_CALL_SEM_TIMED, true},
    ProbedFunction{"sem_post", LS_CALL_SEM_POST, false},
    ProbedFunction{"pthread_mutex_trylock", LS_CALL_MUTEX_TRY, false},
    ProbedFunction{"pthread_mutex_timedlock", LS_CALL_MUTEX_TIMED, true},
    ProbedFunction{"pthread_mutex_clocklock", LS_CALL_MUTEX_TIMED, true},
};

// Names under which a C library with these functions is mapped. Only a reason to look into the file.
bool names_a_libc(std::string_view path) {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  for (const std::string_view prefix :
       {"libc.so", "libc-2.", "libpthread.so", "libpthread-2.", "ld-musl-", "libc.musl-"}) {
    if (name.starts_with(prefix)) return true;
  }
  return false;
}

}  // namespace

std::span<const ProbedFunction> shared_lock_functions() { return kFunctions; }

ProbeFiles::Content ProbeFiles::content_of(const MappedFile& file) {
  const struct stat& status = file.status;
  return {kernel_device(status.st_dev), status.st_ino, static_cast<std::uint64_t>(status.st_size),
          status.st_ctim.tv_sec, status.st_ctim.tv_nsec};
}

const std::optional<ProbeSites>& ProbeFiles::sites_in(const MappedFile& file, SymbolTable table) {
  const std::pair key{content_of(file), table};
  auto known = sites_.find(key);
  if (known == sites_.end()) {
    if (sites_.size() >= kMaxFiles) sites_.clear();
    known = sites_.emplace(key, find_probe_sites(file.fd.get(), table, kFunctions)).first;
  }
  return known->second;
}

void ProbeFiles::add(std::vector<ProbeFile>& files, MappedFile file, const MappedRange& code, SymbolTable table) {
  const auto& sites = sites_in(file, table);
  if (!sites) return;
  ProbeFile found{std::move(file.fd), {}, {}};
  const std::uint64_t size = code.end - code.start;
  // Symbols are the file's own word: only what lies in the code that is mapped is believed.
  for (const ProbeSite& site : sites->sites) {
    if (site.entry >= code.offset && site.offset >= site.entry && site.offset - code.offset < size)
      found.sites.push_back(site);
  }
  for (const FileSpan& body : sites->bodies) {
    if (body.start < code.offset || body.end - code.offset > size) continue;
    found.bodies.push_back({code.start + (body.start - code.offset), code.start + (body.end - code.offset)});
  }
  if (!found.sites.empty()) files.push_back(std::move(found));
}

std::vector<ProbeFile> ProbeFiles::of(pid_t pid) {
  std::vector<ProbeFile> files;
  const auto maps = ProcessMaps::read(reader_, proc_, fmt::format("{}/maps", pid).c_str());
  if (!maps) return files;
  constexpr std::size_t kMaxLibraries = 4;
  for (const MappedRange& mapping : maps->mappings()) {
    if (!mapping.executable || mapping.file.ino == 0 || files.size() >= kMaxLibraries) continue;
    const std::string_view path = maps->path(mapping);
    if (!names_a_libc(path)) continue;
    if (auto file = open_mapped_file(proc_, pid, mapping, path)) {
      add(files, *std::move(file), mapping, SymbolTable::dynamic);
    }
  }
  if (!files.empty()) return files;
  struct stat program {};
  if (::fstatat(proc_, fmt::format("{}/exe", pid).c_str(), &program, 0) != 0) return files;
  for (const MappedRange& mapping : maps->mappings()) {
    if (!mapping.executable || mapping.file.ino != program.st_ino) continue;
    auto file = open_mapped_file(proc_, pid, mapping, maps->path(mapping));
    if (!file || file->status.st_dev != program.st_dev || file->status.st_ino != program.st_ino) continue;
    add(files, *std::move(file), mapping, SymbolTable::full);
    break;
  }
  return files;
}

// A program linked statically carries pthread_cancel if it calls it. Without symbols nothing says so.
bool ProbeFiles::static_program_may_cancel(pid_t pid) {
  const UniqueFd program(::openat(proc_, fmt::format("{}/exe", pid).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!program) return true;
  const auto functions = read_functions(program.get(), SymbolTable::full, {"sem_wait", "pthread_cancel"});
  return functions.empty() ||
         std::ranges::any_of(functions, [](const NamedFunction& function) { return function.name == 1; });
}

bool ProbeFiles::may_cancel_threads(pid_t pid) {
  const auto maps = ProcessMaps::read(reader_, proc_, fmt::format("{}/maps", pid).c_str());
  if (!maps) return true;
  FileId last;
  bool dynamic = false;
  for (const MappedRange& mapping : maps->mappings()) {
    if (!mapping.executable || mapping.file.ino == 0 || mapping.file == last) continue;
    last = mapping.file;
    const std::string_view path = maps->path(mapping);
    const auto file = open_mapped_file(proc_, pid, mapping, path);
    if (!file) return true;
    dynamic |= names_a_libc(path);
    const Content content = content_of(*file);
    auto known = cancels_.find(content);
    if (known == cancels_.end()) {
      if (cancels_.size() >= kMaxFiles) cancels_.clear();
      known = cancels_.emplace(content, imports_symbol(file->fd.get(), "pthread_cancel")).first;
    }
    if (known->second) return true;
  }
  return !dynamic && static_program_may_cancel(pid);
}

}  // namespace lockscope
