// SPDX-License-Identifier: Apache-2.0
#include "source/shared_memory_scan.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "lockscope/hash.h"
#include "source/mapped_file.h"
#include "source/text_scan.h"
#include "source/unique_fd.h"

namespace lockscope {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kReadSharerAfter = 2 * kSecond;
constexpr std::uint64_t kReadAgainAfter = 60 * kSecond;

MappedDevices find_devices() {
  MappedDevices found;
  struct stat dev {
  }, root{};
  if (::stat("/dev", &dev) == 0 && ::stat("/", &root) == 0 && dev.st_dev != root.st_dev) {
    found.devices = kernel_device(dev.st_dev);
  }
  const UniqueFd memory(::memfd_create("lockscope", MFD_CLOEXEC));
  struct stat status {};
  if (memory && ::fstat(memory.get(), &status) == 0) found.kernel_shared = kernel_device(status.st_dev);
  return found;
}

bool may_hold_locks(const MappedRange& mapping, std::string_view path, const MappedDevices& devices) {
  // anon_inode:… and dmabuf are the kernel's; one inode number may stand for all files of such a kind.
  if (!path.starts_with('/')) return false;
  if (mapping.file.dev == devices.kernel_shared && path.starts_with("/SYSV")) return false;
  return mapping.file.dev != devices.devices || path.starts_with("/dev/shm/");
}

}  // namespace

std::vector<SharedRange> shared_ranges(std::string_view maps, const MappedDevices& devices) {
  std::vector<SharedRange> ranges;
  TextScan scan(maps);
  while (!scan.at_end() && ranges.size() < kMaxRanges) {
    const std::string_view line = scan.take_line();
    // Most lines are private: the permissions tell before anything is parsed.
    const std::size_t permissions = line.find(' ') + 1;
    if (permissions == 0 || line.size() < permissions + 4) continue;
    if (line[permissions + 1] != 'w' || line[permissions + 2] == 'x' || line[permissions + 3] != 's') continue;
    const auto mapping = parse_maps_line(line);
    if (!mapping || mapping->file.ino == 0) continue;
    if (!may_hold_locks(*mapping, line.substr(mapping->path_at), devices)) continue;
    const SharedRange range{mapping->start, mapping->end, {mapping->file, mapping->offset}};
    if (!ranges.empty() && ranges.back().end == range.start && ranges.back().place.file == range.place.file &&
        ranges.back().place.offset + (ranges.back().end - ranges.back().start) == range.place.offset) {
      ranges.back().end = range.end;
    } else {
      ranges.push_back(range);
    }
  }
  return ranges;
}

SharedMemoryScan::SharedMemoryScan(int proc) : proc_(proc), devices_(find_devices()) {}

std::optional<std::vector<SharedRange>> SharedMemoryScan::read_now(pid_t pid) {
  const auto text =
      reader_.read(proc_, fmt::format("{}/maps", pid).c_str(), FileReader::Answers::many, ProcessMaps::kLimit);
  // The maps of a process that has ended are empty.
  if (!text || text->empty()) return std::nullopt;
  return shared_ranges(*text, devices_);
}

std::uint64_t SharedMemoryScan::size_of(pid_t pid) {
  const auto text = reader_.read(proc_, fmt::format("{}/statm", pid).c_str());
  return text ? TextScan(*text).take_number<std::uint64_t>().value_or(0) : 0;
}

void SharedMemoryScan::read(Process& process, std::uint64_t now_ns) {
  const bool first = process.read_ns == 0;
  process.read_ns = now_ns;
  process.size = size_of(process.image.pid);
  auto ranges = read_now(process.image.pid);
  if (!ranges) {
    if (first && reader_.failure() == FileReader::Failure::refused) ++lost_["shared memory of a process not readable"];
    process.ranges.clear();
    return;
  }
  process.ranges = std::move(*ranges);
  if (process.ranges.size() == kMaxRanges) ++lost_["process with too many shared mappings"];
  if (process.ranges.empty()) return;
  const auto text = reader_.read(proc_, fmt::format("{}/cgroup", process.image.pid).c_str());
  process.cgroup = text ? Fnv1a().add(*text).value() : 0;
  struct stat ns {};
  const bool known = ::fstatat(proc_, fmt::format("{}/ns/user", process.image.pid).c_str(), &ns, 0) == 0;
  process.user_namespace = known ? ns.st_ino : 0;
}

// Both lists are in the order of pids: one pass keeps what is still there.
void SharedMemoryScan::take_over(const RawSample& look) {
  const pid_t self = ::getpid();
  std::vector<Process> kept;
  kept.reserve(processes_.size());
  auto known = processes_.begin();
  std::uint64_t beyond = 0;
  for (std::size_t i = 0; i < look.threads.size();) {
    const Thread& first = look.threads[i];
    for (++i; i < look.threads.size() && look.threads[i].pid == first.pid;) ++i;
    if (first.id.tid != first.pid || first.pid == self || !first.uid || first.state == ThreadState::exiting) continue;
    if (kept.size() >= kMaxProcesses) {
      ++beyond;
      continue;
    }
    const ProcessImage image{first.pid, first.id.start_ns, first.address_space};
    while (known != processes_.end() && known->image.pid < first.pid) ++known;
    if (known != processes_.end() && known->image == image) {
      kept.push_back(std::move(*known));
    } else {
      kept.emplace_back().image = image;
    }
    kept.back().uid = *first.uid;
    kept.back().comm = first.comm;
  }
  if (beyond > 0) lost_["process not looked at for shared memory"] += beyond;
  processes_ = std::move(kept);
}

void SharedMemoryScan::read_in_turn(std::uint64_t now_ns) {
  int fresh = kNewReads;
  int old = kOldReads;
  for (Process& process : processes_) {
    if (process.read_ns == 0 && fresh-- > 0) read(process, now_ns);
  }
  // Those that share something first: their partners depend on it.
  for (Process& process : processes_) {
    if (process.ranges.empty() || now_ns - process.read_ns < kReadSharerAfter) continue;
    if (old-- <= kOldReads / 2) break;
    read(process, now_ns);
  }
  old = std::max(old, kOldReads / 2);
  int sizes = kSizeReads;
  const std::size_t count = processes_.size();
  const auto from = static_cast<std::size_t>(
      std::ranges::lower_bound(processes_, turn_, {}, [](const Process& p) { return p.image.pid; }) -
      processes_.begin());
  for (std::size_t i = 0; i < count && sizes > 0 && old > 0; ++i) {
    Process& process = processes_[(from + i) % count];
    turn_ = process.image.pid + 1;
    if (process.read_ns == 0 || now_ns - process.read_ns < kReadSharerAfter) continue;
    --sizes;
    if (now_ns - process.read_ns < kReadAgainAfter && size_of(process.image.pid) == process.size) continue;
    --old;
    read(process, now_ns);
  }
}

void SharedMemoryScan::find_sharers() {
  struct File {
    std::set<TrustDomain> domains;
    std::set<std::uint32_t> users;
  };
  std::map<FileId, File> files;
  for (const Process& process : processes_) {
    for (const SharedRange& range : process.ranges) {
      File& file = files[range.place.file];
      file.domains.insert({process.uid, process.user_namespace, process.cgroup});
      file.users.insert(process.uid);
    }
  }
  sharers_.clear();
  for (const Process& process : processes_) {
    Sharer sharer{process.image, process.comm, false, {}};
    for (const SharedRange& range : process.ranges) {
      const File& file = files.at(range.place.file);
      if (file.domains.size() < 2) continue;
      sharer.ranges.push_back(range);
      sharer.other_user |= file.users.size() > 1;
    }
    if (!sharer.ranges.empty()) sharers_.push_back(std::move(sharer));
  }
}

void SharedMemoryScan::update(const RawSample& look) {
  take_over(look);
  read_in_turn(look.taken_ns);
  find_sharers();
}

}  // namespace lockscope
