// SPDX-License-Identifier: Apache-2.0
#include "attribution/process_facts.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "attribution/cgroup_names.h"
#include "attribution/proc_text.h"

namespace lockscope {

std::optional<ProcDirectory> open_thread_folder(const std::string& proc, const Thread& thread) {
  static const auto ticks_per_second = static_cast<std::uint64_t>(std::max(1L, ::sysconf(_SC_CLK_TCK)));
  if (thread.pid <= 0 || thread.id.tid <= 0) return std::nullopt;
  ProcDirectory directory(fmt::format("{}/{}/task/{}", proc, thread.pid, thread.id.tid));
  if (!directory) return std::nullopt;
  const auto stat = directory.text("stat");
  const auto ticks = stat ? start_ticks_of(*stat) : std::nullopt;
  if (!ticks || !same_start(*ticks, thread.id.start_ns, ticks_per_second)) return std::nullopt;
  return directory;
}

ProcessFacts read_process_facts(const ProcDirectory& thread) {
  ProcessFacts facts;
  facts.exe = thread.link("exe");
  if (const auto text = thread.text("cgroup")) facts.cgroup = cgroup_of(*text);
  if (facts.cgroup) {
    facts.unit = unit_of(*facts.cgroup);
    facts.container = container_of(*facts.cgroup);
  }
  if (const std::uint64_t inode = namespace_of(thread, "ns/user"); inode != 0) facts.user_namespace = inode;
  return facts;
}

std::uint64_t namespace_of(const ProcDirectory& thread, const char* name) {
  struct stat status {};
  return ::fstatat(thread.get(), name, &status, 0) == 0 ? status.st_ino : 0;
}

}  // namespace lockscope
