// SPDX-License-Identifier: Apache-2.0
#include "source/uprobe_link.h"

#include <linux/bpf.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace lockscope {
namespace {

// The part of union bpf_attr that BPF_LINK_CREATE reads for uprobe_multi (linux/bpf.h, Linux 6.6).
struct LinkCreate {
  std::uint32_t program;
  std::uint32_t target;
  std::uint32_t attach_type;
  std::uint32_t flags;
  std::uint64_t path;
  std::uint64_t offsets;
  std::uint64_t reference_counters;
  std::uint64_t cookies;
  std::uint32_t count;
  std::uint32_t uprobe_flags;
  std::uint32_t pid;
  std::uint32_t pad;
};

int create_link(int program, UprobeLink::Kind kind, UprobeLink::At at, const UprobeLink::Place& place) {
  LinkCreate call{};
  call.program = static_cast<std::uint32_t>(program);
  call.attach_type = static_cast<std::uint32_t>(kind);
  call.path = reinterpret_cast<std::uint64_t>(place.path.c_str());
  call.offsets = reinterpret_cast<std::uint64_t>(place.offsets.data());
  call.cookies = reinterpret_cast<std::uint64_t>(place.cookies.data());
  call.count = static_cast<std::uint32_t>(place.offsets.size());
  call.uprobe_flags = static_cast<std::uint32_t>(at);
  call.pid = static_cast<std::uint32_t>(place.pid);
  return static_cast<int>(::syscall(SYS_bpf, BPF_LINK_CREATE, &call, sizeof call));
}

}  // namespace

Result<UprobeLink> UprobeLink::attach(int program, Kind kind, At at, const Place& place) {
  UniqueFd fd(create_link(program, kind, at, place));
  if (!fd) return fail(ErrorKind::failed, "cannot attach a probe", std::strerror(errno));
  return UprobeLink(std::move(fd));
}

bool UprobeLink::supported(int program, Kind kind) {
  // A directory cannot be probed: EBADF says that everything before was understood. Where processes are filtered
  // rightly, a pid that cannot be is refused before the path is looked at (the question of libbpf's features.c).
  const std::uint64_t zero = 0;
  Place nowhere{"/", {&zero, 1}, {&zero, 1}, 0};
  const UniqueFd without_pid(create_link(program, kind, At::entry, nowhere));
  if (without_pid || errno != EBADF) return false;
  nowhere.pid = -1;
  const UniqueFd with_pid(create_link(program, kind, At::entry, nowhere));
  return !with_pid && errno == EINVAL;
}

std::future<void> close_aside(std::vector<UprobeLink> links) {
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  auto done = std::async(std::launch::async, [closed = std::move(links)]() mutable { closed.clear(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return done;
}

}  // namespace lockscope
