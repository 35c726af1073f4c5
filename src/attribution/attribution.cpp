// SPDX-License-Identifier: Apache-2.0
#include "attribution/attribution.h"

#include <fmt/format.h>
#include <pwd.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "attribution/cgroup_names.h"
#include "attribution/proc_text.h"

namespace lockscope {

namespace {

constexpr int kTries = 8;                     // threads of one process that may be gone before it is given up
constexpr std::size_t kUsers = 4096;          // names kept; users beyond have none in this report
constexpr std::size_t kMapsLimit = 16 << 20;  // bytes of one process' maps
constexpr std::size_t kRegions = 65536;
constexpr std::size_t kPasswdLimit = 1 << 20;

std::optional<std::string> ask_name_service(std::uint32_t uid) {
  std::vector<char> buffer(1024);
  passwd entry{};
  passwd* found = nullptr;
  int error = 0;
  while ((error = ::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found)) == ERANGE) {
    if (buffer.size() >= kPasswdLimit) return std::nullopt;
    buffer.resize(buffer.size() * 2);
  }
  if (error != 0 || found == nullptr || found->pw_name == nullptr || *found->pw_name == '\0') return std::nullopt;
  return std::string(found->pw_name);
}

}  // namespace

Attribution::Attribution(std::string proc)
    : proc_(std::move(proc)), ticks_per_second_(static_cast<std::uint64_t>(std::max(1L, ::sysconf(_SC_CLK_TCK)))) {}

ThreadDescription Attribution::describe(const Thread& thread) {
  ThreadDescription description;
  description.pid = thread.pid;
  description.tid = thread.id.tid;
  description.comm = thread.comm;
  description.start_ns = thread.id.start_ns;
  description.uid = thread.uid;
  if (thread.uid) description.user = user_of(*thread.uid);
  const Process& process = process_of(thread);
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
  const auto directory = open_thread(thread);
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

const Attribution::Process& Attribution::process_of(const Thread& thread) {
  Process& process = processes_[thread.pid];
  if (process.known || process.tries >= kTries) return process;
  ++process.tries;
  // Through the thread, not the process: where the first thread has ended, only the others still know their program.
  const auto directory = open_thread(thread);
  if (!directory) return process;
  process.known = true;
  process.exe = directory->link("exe");
  if (const auto text = directory->text("cgroup")) process.cgroup = cgroup_of(*text);
  if (process.cgroup) {
    process.unit = unit_of(*process.cgroup);
    process.container = container_of(*process.cgroup);
  }
  return process;
}

std::optional<std::string> Attribution::user_of(std::uint32_t uid) {
  const auto known = users_.find(uid);
  if (known != users_.end()) return known->second;
  if (users_.size() >= kUsers) return std::nullopt;
  return users_[uid] = ask_name_service(uid);
}

const std::vector<Attribution::Region>& Attribution::regions_of(const Thread& thread) {
  if (regions_pid_ == thread.pid) return regions_;
  regions_.clear();
  const auto directory = open_thread(thread);
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

std::optional<ProcDirectory> Attribution::open_thread(const Thread& thread) const {
  if (thread.pid <= 0 || thread.id.tid <= 0) return std::nullopt;
  ProcDirectory directory(fmt::format("{}/{}/task/{}", proc_, thread.pid, thread.id.tid));
  if (!directory) return std::nullopt;
  const auto stat = directory.text("stat");
  const auto ticks = stat ? start_ticks_of(*stat) : std::nullopt;
  if (!ticks || !same_start(*ticks, thread.id.start_ns, ticks_per_second_)) return std::nullopt;
  return directory;
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
