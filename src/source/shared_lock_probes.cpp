// SPDX-License-Identifier: Apache-2.0
#include "source/shared_lock_probes.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
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

#include "shared_lock_probes.skel.h"
#include "source/clocks.h"
#include "source/probe_files.h"
#include "source/shared_memory_scan.h"
#include "source/uprobe_link.h"

namespace lockscope {
namespace {

using Kind = UprobeLink::Kind;
using At = UprobeLink::At;

constexpr std::uint64_t kLinger = 30'000'000'000;  // partners come and go: attaching again costs more than waiting

struct Deleter {
  void operator()(shared_lock_probes* object) const { shared_lock_probes__destroy(object); }
};
using Skeleton = std::unique_ptr<shared_lock_probes, Deleter>;

// Loads the programs for links of this kind. Nothing: errno says why.
Skeleton load(Kind kind) {
  Skeleton skeleton(shared_lock_probes__open());
  if (!skeleton) return nullptr;
  const bool session = kind == Kind::session;
  auto& programs = skeleton->progs;
  bpf_program__set_autoload(programs.session, session);
  bpf_program__set_autoload(programs.on_entry, !session);
  bpf_program__set_autoload(programs.on_return, !session);
  for (bpf_program* program : {programs.session, programs.on_entry, programs.on_return}) {
    bpf_program__set_expected_attach_type(program, static_cast<bpf_attach_type>(kind));
  }
  if (shared_lock_probes__load(skeleton.get()) != 0) return nullptr;
  const int program = bpf_program__fd(session ? programs.session : programs.on_entry);
  if (!UprobeLink::supported(program, kind)) {
    errno = EOPNOTSUPP;
    return nullptr;
  }
  return skeleton;
}

int silent(libbpf_print_level, const char*, va_list) { return 0; }

// Keys have no order of their own: C.
struct KeyOrder {
  bool operator()(const ls_shared_key& a, const ls_shared_key& b) const {
    return std::tie(a.target, a.address, a.uid, a.semaphore) < std::tie(b.target, b.address, b.uid, b.semaphore);
  }
};

// Closing takes the kernel 40 ms and more of waiting, which ticks must not do. The thread takes no signals: those are
// the main thread's.
std::future<void> close_aside(std::vector<UprobeLink> links) {
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  auto done = std::async(std::launch::async, [closed = std::move(links)]() mutable { closed.clear(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return done;
}

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
    std::uint64_t shared_ns = 0;  // when it was last seen to share
    bool ended = false;           // to be let go after the next collect
    bool collected = false;
    std::future<void> closing;
  };
  using Counted = std::vector<std::pair<ls_shared_key, ls_shared_use>>;

  UniqueFd proc;
  Skeleton bpf;
  Kind kind = Kind::session;
  SharedMemoryScan scan;
  ProbeFiles files;
  std::array<std::unique_ptr<Target>, kMaxTargets> targets;  // the place is the target's number in the kernel
  std::size_t turn = 0;                                      // the next target to be asked whether it cancels threads
  std::set<ProcessImage> refused;                            // counted as lost, not to be tried again
  std::set<ProcessImage> crowded_out;
  std::map<ls_shared_key, ls_shared_use, KeyOrder> before;  // as of the last collect
  std::vector<SharedLockUse> left_over;                     // counted between a target's last collect and its end
  std::uint64_t window_began_ns = 0;
  std::uint64_t lost_uses = 0;
  std::uint64_t lost_calls = 0;
  std::map<std::string, std::uint64_t> lost;

  void follow(const RawSample& look);
  void check_one();
  void attach_new(std::uint64_t now_ns);
  [[nodiscard]] bool make_room(const Sharer& sharer);
  [[nodiscard]] bool attach(std::size_t number, Target& target);
  void tell_ranges(std::size_t number, const Target& target);
  void release(std::size_t number);
  [[nodiscard]] Counted read_counts();
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
  libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
  const auto previous = libbpf_set_print(silent);  // that a kernel lacks this is nothing to warn of
  for (const Kind kind : {Kind::session, Kind::multi}) {
    if (kind == Kind::session && !sessions) continue;
    parts->kind = kind;
    parts->bpf = load(kind);
    if (parts->bpf) break;
  }
  const int error = errno;
  libbpf_set_print(previous);
  if (!parts->bpf) {
    const bool forbidden = error == EPERM || error == EACCES;
    return fail(ErrorKind::unsupported, "cannot probe locks in shared memory", std::strerror(error),
                forbidden ? "needs CAP_BPF and CAP_PERFMON, or root" : "needs uprobe_multi links, Linux 6.6 or later");
  }
  parts->window_began_ns = clock_ns(CLOCK_BOOTTIME);
  return std::unique_ptr<SharedLockProbes>(new SharedLockProbes(std::move(parts)));
}

void SharedLockProbes::update(const RawSample& look) {
  parts_->scan.update(look);
  parts_->follow(look);
  parts_->check_one();
  parts_->attach_new(look.taken_ns);
}

void SharedLockProbes::collect(std::vector<SharedLockUse>& into, std::map<std::string, std::uint64_t>& lost) {
  Parts& parts = *parts_;
  ++parts.bpf->bss->window;
  const std::uint64_t now = clock_ns(CLOCK_BOOTTIME);
  std::vector<SharedLockUse> uses = std::exchange(parts.left_over, {});
  const Parts::Counted counted = parts.read_counts();
  for (std::size_t number = 0; number < parts.targets.size(); ++number) {
    if (!parts.targets[number]) continue;
    parts.take(counted, number, uses);
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
  const auto add_lost = [&lost](const char* cause, std::uint64_t total, std::uint64_t& before) {
    if (total != before) lost[cause] += total - before;
    before = total;
  };
  add_lost("shared-memory lock calls of too many locks", parts.bpf->bss->lost_uses, parts.lost_uses);
  add_lost("shared-memory lock calls inside others", parts.bpf->bss->lost_calls, parts.lost_calls);
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
        tell_ranges(number, target);
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
      target->links.clear();
      forget(read_counts(), static_cast<std::size_t>(free - targets.begin()));
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

bool SharedLockProbes::Parts::attach(std::size_t number, Target& target) {
  const pid_t pid = target.process.pid;
  const std::vector<ProbeFile> found = files.of(pid);
  if (found.empty()) {
    ++lost["shared-memory lock without symbols"];
    return false;
  }
  for (const ProbeFile& file : found) target.bodies.insert(target.bodies.end(), file.bodies.begin(), file.bodies.end());
  const bool cancels = files.may_cancel_threads(pid);
  if (cancels) ++lost["process that cancels threads: its semaphore waits"];
  target.waits_probed = !cancels;
  tell_ranges(number, target);
  for (const ProbeFile& file : found) {
    std::vector<std::uint64_t> offsets;
    std::vector<std::uint64_t> cookies;
    for (const ProbeSite& site : file.sites) {
      if (cancels && (site.call == LS_CALL_SEM_WAIT || site.call == LS_CALL_SEM_TIMED)) continue;
      offsets.push_back(site.offset);
      cookies.push_back(number | static_cast<std::uint64_t>(site.call) << LS_SHARED_COOKIE_CALL);
    }
    const UprobeLink::Place place{fmt::format("/proc/self/fd/{}", file.fd.get()), offsets, cookies, pid};
    std::vector<std::pair<int, At>> programs{{bpf_program__fd(bpf->progs.session), At::entry}};
    if (kind == Kind::multi) {
      programs = {{bpf_program__fd(bpf->progs.on_return), At::returning},
                  {bpf_program__fd(bpf->progs.on_entry), At::entry}};
    }
    for (const auto& [program, at] : programs) {
      auto link = UprobeLink::attach(program, kind, at, place);
      if (!link) {
        ++lost["shared-memory lock not probed: " + link.error().why];
        return false;
      }
      target.links.push_back(std::move(*link));
    }
  }
  return true;
}

void SharedLockProbes::Parts::tell_ranges(std::size_t number, const Target& target) {
  ls_shared_target told{};
  for (const SharedRange& range : target.ranges) {
    if (told.ranges == LS_SHARED_RANGES) {
      ++lost["process with too many shared mappings"];
      break;
    }
    told.range[told.ranges++] = {range.start, range.end};
  }
  for (const FileSpan& body : target.bodies) {
    if (told.bodies < LS_SHARED_BODIES) told.body[told.bodies++] = {body.start, body.end};
  }
  const auto key = static_cast<std::uint32_t>(number);
  bpf_map_update_elem(bpf_map__fd(bpf->maps.targets), &key, &told, BPF_ANY);
}

// Its links are closed: no probe of it runs any more.
void SharedLockProbes::Parts::release(std::size_t number) {
  const Counted counted = read_counts();
  take(counted, number, left_over);
  forget(counted, number);
  targets[number].reset();
}

SharedLockProbes::Parts::Counted SharedLockProbes::Parts::read_counts() {
  constexpr std::uint32_t kMost = LS_SHARED_TARGETS * LS_SHARED_USES;
  constexpr std::uint32_t kPiece = 1024;  // more than any bucket holds
  std::vector<ls_shared_key> keys(kPiece);
  std::vector<ls_shared_use> uses(kPiece);
  Counted counted;
  const int map = bpf_map__fd(bpf->maps.uses);
  std::uint32_t position = 0;
  bool first = true;
  int failed = 0;
  while (failed == 0 && counted.size() < kMost) {
    std::uint32_t count = kPiece;
    failed =
        bpf_map_lookup_batch(map, first ? nullptr : &position, &position, keys.data(), uses.data(), &count, nullptr);
    first = false;
    if (failed != 0 && errno != ENOENT) {
      ++lost["shared-memory lock counts not readable"];
      break;
    }
    for (std::uint32_t i = 0; i < count; ++i) counted.emplace_back(keys[i], uses[i]);
  }
  return counted;
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
    }
    into.push_back(std::move(grown));
  }
}

void SharedLockProbes::Parts::forget(const Counted& counted, std::size_t number) {
  const int map = bpf_map__fd(bpf->maps.uses);
  for (const auto& [key, use] : counted) {
    if (key.target != number) continue;
    bpf_map_delete_elem(map, &key);
    before.erase(key);
  }
  const auto key = static_cast<std::uint32_t>(number);
  const std::uint32_t none = 0;
  bpf_map_update_elem(bpf_map__fd(bpf->maps.entries), &key, &none, BPF_ANY);
}

}  // namespace lockscope
