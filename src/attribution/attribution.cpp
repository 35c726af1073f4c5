// SPDX-License-Identifier: Apache-2.0
#include "attribution/attribution.h"

#include <fmt/format.h>
#include <sys/utsname.h>

#include <algorithm>
#include <utility>

#include "attribution/proc_text.h"
#include "attribution/process_facts.h"

namespace lockscope {

namespace {

constexpr int kTries = 8;                     // threads of one process that may be gone before it is given up
constexpr std::size_t kMapsLimit = 16 << 20;  // bytes of one process' maps
constexpr std::size_t kRegions = 65536;

}  // namespace

Attribution::Attribution(std::string proc) : proc_(std::move(proc)) {}

ThreadDescription Attribution::describe(const Thread& thread) {
  ThreadDescription description;
  description.pid = thread.pid;
  description.tid = thread.id.tid;
  description.comm = thread.comm;
  description.start_ns = thread.id.start_ns;
  description.uid = thread.uid;
  if (thread.uid) description.user = accounts_.user(*thread.uid);
  const ProcessFacts& process = process_of(thread);
  description.exe = process.exe;
  description.cgroup = process.cgroup;
  description.unit = process.unit;
  description.container = process.container;
  return description;
}

std::optional<std::string> Attribution::path_of_lock(const Thread& thread, int fd,
                                                     const std::optional<FileId>& expected) {
  if (fd < 0) return std::nullopt;
  const std::tuple key{thread.pid, fd, expected ? expected->ino : 0};
  if (const auto known = lock_paths_.find(key); known != lock_paths_.end()) return known->second;
  const auto directory = open_thread_folder(proc_, thread);
  if (!directory) return std::nullopt;
  auto path = directory->link(fmt::format("fd/{}", fd).c_str());
  if (expected) {
    // Not stat(2) through the link: that may ask a file server that does not answer. Kernels before 5.14 do not say.
    const auto fdinfo = directory->text(fmt::format("fdinfo/{}", fd).c_str());
    const auto inode = fdinfo ? inode_of(*fdinfo) : std::nullopt;
    if (inode && *inode != expected->ino) path.reset();
  }
  return lock_paths_[key] = std::move(path);
}

std::optional<std::string> Attribution::path_of_mapping(const Thread& thread, std::uint64_t address) {
  const std::vector<Region>& regions = regions_of(thread);
  const auto after = std::ranges::upper_bound(regions, address, {}, &Region::start);
  if (after == regions.begin() || address >= std::prev(after)->end) return std::nullopt;
  return std::prev(after)->path;
}

std::optional<std::string> Attribution::path_of_mapping(const Thread& thread, const FileId& file) {
  const std::vector<Region>& regions = regions_of(thread);
  const auto found = std::ranges::find(regions, file, &Region::file);
  if (found == regions.end()) return std::nullopt;
  return found->path;
}

const ProcessFacts& Attribution::process_of(const Thread& thread) {
  Process& process = processes_[thread.pid];
  if (process.known || process.tries >= kTries) return process.facts;
  ++process.tries;
  // Through the thread, not the process: where the first thread has ended, only the others still know their program.
  const auto directory = open_thread_folder(proc_, thread);
  if (!directory) return process.facts;
  process.known = true;
  process.facts = read_process_facts(*directory);
  return process.facts;
}

const std::vector<Attribution::Region>& Attribution::regions_of(const Thread& thread) {
  if (regions_pid_ == thread.pid) return regions_;
  regions_.clear();
  const auto directory = open_thread_folder(proc_, thread);
  if (!directory) {
    regions_pid_ = 0;
    return regions_;
  }
  regions_pid_ = thread.pid;
  directory->lines("maps", kMapsLimit, [this](std::string_view line) {
    const auto mapping = parse_mapping(line);
    if (!mapping || !mapping->shared || regions_.size() >= kRegions) return;
    if (auto path = path_to_show(*mapping)) {
      regions_.push_back({mapping->start, mapping->end, mapping->file, std::move(*path)});
    }
  });
  return regions_;
}

HostDescription host_description(const std::string& proc) {
  HostDescription host;
  utsname names{};
  if (::uname(&names) == 0) {
    host.name = names.nodename;
    host.kernel = names.release;
  }
  const auto boot_id = ProcDirectory(proc + "/sys/kernel/random").text("boot_id");
  if (boot_id) host.boot_id = boot_id->substr(0, boot_id->find('\n'));
  return host;
}

}  // namespace lockscope
