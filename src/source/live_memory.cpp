// SPDX-License-Identifier: Apache-2.0
#include "source/live_memory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/nsfs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace lockscope {
namespace {

std::optional<ino_t> inode_of(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return std::nullopt;
  return status.st_ino;
}

}  // namespace

bool read_process_memory(int proc, pid_t pid, std::uint64_t address, std::span<std::uint8_t> out) {
  if (out.empty()) return true;
  if (address > ~std::uint64_t{0} - out.size()) return false;
  iovec local{out.data(), out.size()};
  // An address of the other process, never followed here.
  iovec remote{reinterpret_cast<void*>(address), out.size()};  // NOLINT(performance-no-int-to-ptr)
  const ssize_t got = ::process_vm_readv(pid, &local, 1, &remote, 1, 0);
  if (got >= 0) return static_cast<std::size_t>(got) == out.size();
  if (errno != ENOSYS && errno != EPERM) return false;  // a seccomp filter answers with these
  const UniqueFd memory(::openat(proc, fmt::format("{}/mem", pid).c_str(), O_RDONLY | O_CLOEXEC));
  if (!memory) return false;
  return ::pread(memory.get(), out.data(), out.size(), static_cast<off_t>(address)) == static_cast<ssize_t>(out.size());
}

void LiveMemory::begin_look() {
  shared_mappings_.clear();
  log_ = {};
}

bool LiveMemory::read(pid_t pid, std::uint64_t address, std::span<std::uint8_t> out) {
  const bool done = read_process_memory(proc_, pid, address, out);
  if (logging_) {
    auto& answers = log_.reads[{pid, address, out.size()}];
    if (done) {
      answers.emplace_back(std::vector<std::uint8_t>(out.begin(), out.end()));
    } else {
      answers.emplace_back(std::nullopt);
    }
  }
  return done;
}

ProcessMemory::Mapping LiveMemory::find_mapping(pid_t pid, const SharedPlace& place) {
  auto known = shared_mappings_.find(pid);
  if (known == shared_mappings_.end()) {
    known = shared_mappings_.emplace(pid, std::nullopt).first;
    if (const auto maps = ProcessMaps::read(reader_, proc_, fmt::format("{}/maps", pid).c_str())) {
      auto& kept = known->second.emplace();
      std::ranges::copy_if(maps->mappings(), std::back_inserter(kept),
                           [](const auto& mapping) { return mapping.shared && mapping.file.ino != 0; });
    } else if (reader_.failure() == FileReader::Failure::gone) {
      known->second.emplace();  // it has ended: it maps nothing any more
    }
  }
  if (!known->second) return Mapping::unknown;
  bool doubtful = false;
  for (const auto& mapping : *known->second) {
    if (place.offset < mapping.offset || place.offset - mapping.offset >= mapping.end - mapping.start) continue;
    if (mapping.file == place.file) return Mapping::mapped;
    // overlayfs shows one device in maps and uses another: the same number there may be the same file.
    if (mapping.file.ino == place.file.ino) doubtful = true;
  }
  return doubtful ? Mapping::unknown : Mapping::not_mapped;
}

ProcessMemory::Mapping LiveMemory::maps(pid_t pid, const SharedPlace& place) {
  const Mapping answer = find_mapping(pid, place);
  if (logging_) log_.mappings[{pid, place}].push_back(answer);
  return answer;
}

std::optional<StatusFields> LiveMemory::status_of(pid_t pid) {
  const auto text = reader_.read(proc_, fmt::format("{}/status", pid).c_str());
  return text ? parse_status(*text) : std::nullopt;
}

pid_t LiveMemory::find_number(pid_t observer, pid_t pid) {
  const auto from = status_of(observer);
  const auto of = status_of(pid);
  if (!from || !of || from->levels > of->levels) return 0;
  // A process has one number in each namespace from the reader's down to its own. The observer's namespace is one of
  // these if it is met on the way up.
  if (from->levels > 1) {
    const UniqueFd theirs(::openat(proc_, fmt::format("{}/ns/pid", observer).c_str(), O_RDONLY | O_CLOEXEC));
    UniqueFd level(::openat(proc_, fmt::format("{}/ns/pid", pid).c_str(), O_RDONLY | O_CLOEXEC));
    for (std::size_t up = of->levels - from->levels; up > 0 && level; --up) {
      level = UniqueFd(::ioctl(level.get(), NS_GET_PARENT));
    }
    if (!theirs || !level) return 0;
    const auto expected = inode_of(theirs.get());
    if (!expected || inode_of(level.get()) != expected) return 0;
  }
  return of->numbers[from->levels - 1];
}

pid_t LiveMemory::number_in_namespace_of(pid_t observer, pid_t pid) {
  const pid_t answer = find_number(observer, pid);
  if (logging_) log_.numbers[{observer, pid}].push_back(answer);
  return answer;
}

pid_t LiveMemory::process_of_pidfd(pid_t pid, int fd) {
  const auto text = reader_.read(proc_, fmt::format("{}/fdinfo/{}", pid, fd).c_str());
  const auto fields = text ? parse_fdinfo(*text) : std::nullopt;
  const pid_t answer = fields ? std::max(0, fields->pid.value_or(0)) : 0;  // -1: has exited
  if (logging_) log_.pidfds[{pid, fd}].push_back(answer);
  return answer;
}

bool LiveMemory::catches_signals(pid_t pid) {
  const auto status = status_of(pid);
  // 32 and 33 are the C library's own (cancellation, setuid): only another thread of the process sends them.
  constexpr std::uint64_t kLibraryOwn = std::uint64_t{3} << 31;
  const bool answer = !status || (status->signals_caught & ~kLibraryOwn) != 0;
  if (logging_) log_.catching_signals[pid].push_back(answer);
  return answer;
}

}  // namespace lockscope
