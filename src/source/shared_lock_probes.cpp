// SPDX-License-Identifier: Apache-2.0
#include "source/shared_lock_probes.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <future>
#include <set>
#include <tuple>

#include "source/clocks.h"
#include "source/live_memory.h"
#include "source/probe_files.h"
#include "source/probe_trial.h"
#include "source/shared_lock_programs.h"

namespace lockscope {
namespace {

// Calls a second on private locks: 2 us each by session, up to 12 us without. A process that makes more is not worth
// what it pays, 4 to 6 % of a core.
constexpr std::uint64_t kPrivateCallsBySession = 20'000;
constexpr std::uint64_t kPrivateCallsOtherwise = 5'000;
constexpr std::uint64_t kLinger = 30'000'000'000;  // partners come and go: attaching again costs more than waiting

// Keys have no order of their own: C.
struct KeyOrder {
  bool operator()(const ls_shared_key& a, const ls_shared_key& b) const {
    return std::tie(a.target, a.address, a.uid, a.semaphore) < std::tie(b.target, b.address, b.uid, b.semaphore);
  }
};

std::uint64_t count_of(const ls_shared_use& use) { return use.acquired + use.released + use.failed; }

const SharedRange* range_at(const std::vector<SharedRange>& ranges, std::uint64_t address) {
  const auto found = std::ranges::find_if(
      ranges, [address](const SharedRange& range) { return address >= range.start && address < range.end; });
  return found == ranges.end() ? nullptr : &*found;
}

SharedPlace place_in(const SharedRange& range, std::uint64_t address) {
  return {range.place.file, range.place.offset + (address - range.start)};
}

auto identity_of(const SharedLockUse& use) { return std::tie(use.actor, use.place, use.semaphore); }

void add(SharedLockUse& sum, const SharedLockUse& use) {
  sum.acquired += use.acquired;
  sum.released += use.released;
  sum.failed += use.failed;
  sum.last_acquired_ns = std::max(sum.last_acquired_ns, use.last_acquired_ns);
  sum.last_released_ns = std::max(sum.last_released_ns, use.last_released_ns);
  sum.last_failed_ns = std::max(sum.last_failed_ns, use.last_failed_ns);
  if (sum.first_failed_ns == 0 || (use.first_failed_ns != 0 && use.first_failed_ns < sum.first_failed_ns)) {
    sum.first_failed_ns = use.first_failed_ns;
  }
}

}  // namespace

struct SharedLockProbes::Parts {
  explicit Parts(UniqueFd proc_fd) : proc(std::move(proc_fd)), scan(proc.get()), files(proc.get()) {}

  struct Target {
    ProcessImage process;
    std::string comm;
    bool other_user = false;
    std::vector<SharedRange> ranges;
    std::vector<FileSpan> bodies;
    std::vector<UprobeLink> links;
    bool waits_probed = false;
    std::uint64_t private_calls = 0;
    std::uint64_t shared_ns = 0;  // when it was last seen to share
    bool ended = false;           // to be let go after the next collect
    bool collected = false;
    std::future<void> closing;
  };
  using Counted = SharedLockPrograms::Counted;

  UniqueFd proc;
  std::unique_ptr<SharedLockPrograms> programs;
  FileReader reader;
  SharedMemoryScan scan;
  ProbeFiles files;
  std::array<std::unique_ptr<Target>, kMaxTargets> targets;  // the place is the target's number in the kernel
  std::optional<bool> filtered_survive;                      // asked when the first one is met
  std::size_t turn = 0;                                      // the next target to be asked whether it cancels threads
  std::set<ProcessImage> refused;                            // counted as lost, not to be tried again
  std::set<ProcessImage> crowded_out;
  // Threads of those who share memory, by the number that they write into locks: (number, process).
  std::vector<std::pair<pid_t, pid_t>> sharing_threads;
  std::map<ls_shared_key, ls_shared_use, KeyOrder> before;  // as of the last collect
  std::vector<SharedLockUse> left_over;                     // counted between a target's last collect and its end
  std::uint64_t window_began_ns = 0;
  SharedLockPrograms::Lost lost_in_kernel;
  std::map<std::string, std::uint64_t> lost;

  void remember_threads(const RawSample& look);
  void follow(const RawSample& look);
  void check_one();
  void check_price(std::size_t number, std::uint64_t now_ns);
  void attach_new(std::uint64_t now_ns);
  [[nodiscard]] bool has_call_filter(pid_t pid);
  [[nodiscard]] bool make_room(const Sharer& sharer);
  [[nodiscard]] bool attach(std::size_t number, Target& target);
  void tell(std::size_t number, const Target& target);
  void release(std::size_t number);
  [[nodiscard]] Counted read_counts();
  [[nodiscard]] pid_t owner_of_mutex(pid_t pid, std::uint64_t address, const FileId& file);
  void take(const Counted& counted, std::size_t number, std::vector<SharedLockUse>& into);
  void forget(const Counted& counted, std::size_t number);
};

SharedLockProbes::SharedLockProbes(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
SharedLockProbes::~SharedLockProbes() {
  for (auto& target : parts_->targets) {
    if (target && !target->closing.valid()) target->closing = close_aside(std::move(target->links));
  }
}

Result<std::unique_ptr<SharedLockProbes>> SharedLockProbes::create(bool sessions) {
  UniqueFd proc(::open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!proc) return fail(ErrorKind::unsupported, "cannot open /proc", std::strerror(errno));
  auto parts = std::make_unique<Parts>(std::move(proc));
  auto programs = SharedLockPrograms::create(sessions);
  if (!programs) return std::unexpected(programs.error());
  parts->programs = *std::move(programs);
  parts->window_began_ns = clock_ns(CLOCK_BOOTTIME);
  return std::unique_ptr<SharedLockProbes>(new SharedLockProbes(std::move(parts)));
}

void SharedLockProbes::update(const RawSample& look) {
  parts_->scan.update(look);
  parts_->remember_threads(look);
  parts_->follow(look);
  parts_->check_one();
  parts_->attach_new(look.taken_ns);
}

void SharedLockProbes::collect(std::vector<SharedLockUse>& into, std::map<std::string, std::uint64_t>& lost) {
  Parts& parts = *parts_;
  parts.programs->begin_window();
  const std::uint64_t now = clock_ns(CLOCK_BOOTTIME);
  std::vector<SharedLockUse> uses = std::exchange(parts.left_over, {});
  const Parts::Counted counted = parts.read_counts();
  for (std::size_t number = 0; number < parts.targets.size(); ++number) {
    if (!parts.targets[number]) continue;
    parts.take(counted, number, uses);
    parts.check_price(number, now);
    if (parts.targets[number]->ended) parts.targets[number]->collected = true;
  }
  parts.window_began_ns = now;
  // A process may map one file twice, and may have been two targets in turn.
  std::ranges::sort(uses, [](const auto& a, const auto& b) { return identity_of(a) < identity_of(b); });
  const std::size_t first = into.size();
  for (SharedLockUse& use : uses) {
    if (into.size() > first && identity_of(into.back()) == identity_of(use)) {
      add(into.back(), use);
    } else {
      into.push_back(std::move(use));
    }
  }
  const auto add_lost = [&lost](const char* cause, std::uint64_t total, std::uint64_t before) {
    if (total != before) lost[cause] += total - before;
  };
  const SharedLockPrograms::Lost in_kernel = parts.programs->lost();
  add_lost("shared-memory lock calls of too many locks", in_kernel.uses, parts.lost_in_kernel.uses);
  add_lost("shared-memory lock calls inside others", in_kernel.calls, parts.lost_in_kernel.calls);
  parts.lost_in_kernel = in_kernel;
  for (const auto& [cause, count] : std::exchange(parts.lost, {})) lost[cause] += count;
  for (const auto& [cause, count] : parts.scan.take_lost()) lost[cause] += count;
}

std::vector<pid_t> SharedLockProbes::probed() const {
  std::vector<pid_t> pids;
  for (const auto& target : parts_->targets) {
    if (target && !target->ended) pids.push_back(target->process.pid);
  }
  std::ranges::sort(pids);
  return pids;
}

void SharedLockProbes::Parts::remember_threads(const RawSample& look) {
  sharing_threads.clear();
  for (const Sharer& sharer : scan.sharers()) {
    for (const Thread& thread : std::ranges::equal_range(look.threads, sharer.process.pid, {}, &Thread::pid)) {
      sharing_threads.emplace_back(thread.ns_tid, thread.pid);
    }
  }
  std::ranges::sort(sharing_threads);
}

// The process that the memory of a contended mutex names, if it is one and only one of those who map it; else 0.
// Layout: struct __pthread_mutex_s of glibc 2.31 to 2.43 on x86_64; a musl mutex does not pass for one.
pid_t SharedLockProbes::Parts::owner_of_mutex(pid_t pid, std::uint64_t address, const FileId& file) {
  struct {
    std::uint32_t lock, count;
    std::int32_t owner;
    std::uint32_t users;
    std::int32_t kind;
  } mutex{};
  constexpr std::int32_t kShared = 128;
  constexpr std::uint32_t kTidMask = 0x3fffffff;
  std::array<std::uint8_t, sizeof mutex> bytes{};
  if (!read_process_memory(proc.get(), pid, address, bytes)) return 0;
  std::memcpy(&mutex, bytes.data(), sizeof mutex);
  if ((mutex.kind & kShared) == 0 || mutex.owner <= 0) return 0;
  if (mutex.lock != 1 && mutex.lock != 2 && (mutex.lock & kTidMask) != static_cast<std::uint32_t>(mutex.owner))
    return 0;
  pid_t found = 0;
  const auto named = std::ranges::equal_range(sharing_threads, mutex.owner, {}, &std::pair<pid_t, pid_t>::first);
  for (const auto& [number, process] : named) {
    const auto maps_it = [&](const Sharer& sharer) {
      return sharer.process.pid == process &&
             std::ranges::any_of(sharer.ranges, [&](const SharedRange& r) { return r.place.file == file; });
    };
    if (std::ranges::none_of(scan.sharers(), maps_it)) continue;
    if (found != 0 && found != process) return 0;
    found = process;
  }
  return found;
}

void SharedLockProbes::Parts::follow(const RawSample& look) {
  for (std::size_t number = 0; number < targets.size(); ++number) {
    if (!targets[number]) continue;
    Target& target = *targets[number];
    const auto sharer = std::ranges::lower_bound(scan.sharers(), target.process, {}, &Sharer::process);
    if (sharer != scan.sharers().end() && sharer->process == target.process) {
      target.shared_ns = look.taken_ns;
      target.comm = sharer->comm;
      target.other_user = sharer->other_user;
      if (sharer->ranges != target.ranges) {
        target.ranges = sharer->ranges;
        tell(number, target);
      }
    } else {
      const auto thread = std::ranges::lower_bound(look.threads, target.process.pid, {}, &Thread::pid);
      const bool lives = thread != look.threads.end() && thread->pid == target.process.pid &&
                         thread->address_space == target.process.address_space &&
                         (thread->id.tid != thread->pid || thread->id.start_ns == target.process.start_ns);
      if (!lives || look.taken_ns - target.shared_ns > kLinger) target.ended = true;
    }
    if (!target.ended || !target.collected) continue;
    if (!target.closing.valid()) {
      target.closing = close_aside(std::move(target.links));
    } else if (target.closing.wait_for(std::chrono::seconds(0)) == std::future_status::ready) {
      release(number);
    }
  }
}

void SharedLockProbes::Parts::check_price(std::size_t number, std::uint64_t now_ns) {
  constexpr std::uint64_t kSecond = 1'000'000'000;
  Target& target = *targets[number];
  const std::uint64_t calls = programs->private_calls(number);
  const std::uint64_t grown = calls - std::exchange(target.private_calls, calls);
  const std::uint64_t elapsed = std::max(now_ns - window_began_ns, kSecond / 10);
  const std::uint64_t most = programs->by_session() ? kPrivateCallsBySession : kPrivateCallsOtherwise;
  if (target.ended || grown < most || grown * kSecond / elapsed < most) return;
  ++lost["process with too many private lock calls to be probed"];
  target.ended = true;
  refused.insert(target.process);
}

// A library that was loaded since may cancel threads.
void SharedLockProbes::Parts::check_one() {
  turn = (turn + 1) % targets.size();
  Target* target = targets[turn].get();
  if (target != nullptr && target->waits_probed && files.may_cancel_threads(target->process.pid)) target->ended = true;
}

void SharedLockProbes::Parts::attach_new(std::uint64_t now_ns) {
  const auto is_target = [this](const Sharer& sharer) {
    return std::ranges::any_of(targets, [&](const auto& t) { return t && t->process == sharer.process; });
  };
  std::vector<const Sharer*> candidates;
  for (const Sharer& sharer : scan.sharers()) {
    if (!is_target(sharer) && !refused.contains(sharer.process)) candidates.push_back(&sharer);
  }
  std::ranges::stable_sort(candidates, std::greater{}, &Sharer::other_user);
  constexpr std::size_t kRemembered = 4096;
  if (refused.size() > kRemembered) refused.clear();
  if (crowded_out.size() > kRemembered) crowded_out.clear();
  std::size_t attached = 0;
  for (const Sharer* sharer : candidates) {
    if (attached == kAttachAtOnce) break;
    const auto free = std::ranges::find_if(targets, [](const auto& t) { return !t; });
    if (free == targets.end()) {
      if (!make_room(*sharer) && crowded_out.insert(sharer->process).second) {
        ++lost["process beyond the shared-memory lock probes"];
      }
      continue;
    }
    ++attached;
    auto target = std::make_unique<Target>();
    target->process = sharer->process;
    target->comm = sharer->comm;
    target->other_user = sharer->other_user;
    target->ranges = sharer->ranges;
    target->shared_ns = now_ns;
    if (attach(static_cast<std::size_t>(free - targets.begin()), *target)) {
      *free = std::move(target);
    } else {
      refused.insert(sharer->process);
    }
  }
}

// A process that shares with another user goes before one that shares with another cgroup of its own user.
bool SharedLockProbes::Parts::make_room(const Sharer& sharer) {
  if (!sharer.other_user) return false;
  const auto lesser = std::ranges::find_if(targets, [](const auto& t) { return !t->other_user || t->ended; });
  if (lesser == targets.end()) return false;
  (*lesser)->ended = true;
  return true;
}

bool SharedLockProbes::Parts::has_call_filter(pid_t pid) {
  // The kernel escapes newlines in the name: a line begins only where it says.
  const auto status = reader.read(proc.get(), fmt::format("{}/status", pid).c_str());
  return !status || status->find("\nSeccomp:\t0\n") == std::string_view::npos;
}

bool SharedLockProbes::Parts::attach(std::size_t number, Target& target) {
  const pid_t pid = target.process.pid;
  const std::vector<ProbeFile> found = files.of(pid);
  if (found.empty()) {
    ++lost["shared-memory lock without symbols"];
    return false;
  }
  for (const ProbeFile& file : found) target.bodies.insert(target.bodies.end(), file.bodies.begin(), file.bodies.end());
  if (has_call_filter(pid)) {
    if (!filtered_survive) filtered_survive = filtered_process_survives(*programs, files, number);
    if (!*filtered_survive) {
      ++lost["process with a system-call filter: not to be probed on this kernel"];
      return false;
    }
  }
  target.waits_probed = !files.may_cancel_threads(pid);
  if (!target.waits_probed) ++lost["process that cancels threads: its semaphore waits"];
  tell(number, target);
  auto links = programs->attach(number, found, pid, target.waits_probed);
  if (!links) {
    ++lost["shared-memory lock not probed: " + links.error().why];
    forget(read_counts(), number);
    return false;
  }
  target.links = *std::move(links);
  return true;
}

void SharedLockProbes::Parts::tell(std::size_t number, const Target& target) {
  if (!programs->tell(number, target.ranges, target.bodies)) ++lost["process with too many shared mappings"];
}

// Its links are closed: no probe of it runs any more.
void SharedLockProbes::Parts::release(std::size_t number) {
  const Counted counted = read_counts();
  take(counted, number, left_over);
  forget(counted, number);
  targets[number].reset();
}

SharedLockProbes::Parts::Counted SharedLockProbes::Parts::read_counts() {
  auto counted = programs->counts();
  if (counted) return *std::move(counted);
  ++lost["shared-memory lock counts not readable"];
  return {};
}

void SharedLockProbes::Parts::take(const Counted& counted, std::size_t number, std::vector<SharedLockUse>& into) {
  const Target& target = *targets[number];
  std::optional<std::vector<SharedRange>> now;
  bool asked = false;
  for (const auto& [key, use] : counted) {
    if (key.target != number) continue;
    ls_shared_use& old = before[key];
    const ls_shared_use was = std::exchange(old, use);
    if (count_of(use) == count_of(was)) continue;
    if (!std::exchange(asked, true)) now = scan.read_now(target.process.pid);
    const SharedRange* range = range_at(target.ranges, key.address);
    // Something else may lie there by now: then nobody knows which lock it was. Who has ended maps nothing any more.
    const SharedRange* today = now ? range_at(*now, key.address) : range;
    if (range == nullptr || today == nullptr || place_in(*range, key.address) != place_in(*today, key.address)) {
      lost["shared-memory lock calls where the mapping changed"] += count_of(use) - count_of(was);
      continue;
    }
    SharedLockUse grown;
    grown.actor = {target.process.pid, target.process.start_ns, key.uid, use.cgroup, target.comm};
    grown.place = place_in(*range, key.address);
    grown.semaphore = key.semaphore != 0;
    grown.acquired = use.acquired - was.acquired;
    grown.released = use.released - was.released;
    grown.failed = use.failed - was.failed;
    if (grown.acquired > 0) grown.last_acquired_ns = use.last_acquired_ns;
    if (grown.released > 0) grown.last_released_ns = use.last_released_ns;
    if (grown.failed > 0) {
      grown.last_failed_ns = use.last_failed_ns;
      // Written by whoever is first in a window; what races with its end is put where it must be.
      grown.first_failed_ns = std::clamp<std::uint64_t>(
          use.first_failed_ns, std::min<std::uint64_t>(window_began_ns, use.last_failed_ns), use.last_failed_ns);
      if (!grown.semaphore) grown.owner = owner_of_mutex(target.process.pid, key.address, range->place.file);
    }
    into.push_back(std::move(grown));
  }
}

void SharedLockProbes::Parts::forget(const Counted& counted, std::size_t number) {
  programs->forget(counted, number);
  std::erase_if(before, [number](const auto& entry) { return entry.first.target == number; });
}

}  // namespace lockscope
