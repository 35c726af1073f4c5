// SPDX-License-Identifier: Apache-2.0
#include "classify/owner_resolver.h"

#include <algorithm>

#include "classify/threads.h"

namespace lockscope {
namespace {

class Resolver {
 public:
  Resolver(const FutexVerdict& verdict, const RawWait& wait, const RawSample& sample, const ThreadNumbers& threads,
           ProcessMemory& memory)
      : verdict_(verdict), wait_(wait), sample_(sample), waiter_(sample.threads[wait.thread]), threads_(threads),
        memory_(memory) {}

  OwnerResolution resolve() {
    if (verdict_.held_by_readers && !verdict_.ending && !verdict_.weak) {
      // One of those who have the memory; their count is all that is written down.
      Obstacle readers = obstacle_by(Evidence::memory);
      readers.candidates = true;
      readers.known = !verdict_.process_shared;
      if (readers.known) readers.any_of = processes_of_waiter();
      return with(std::move(readers));
    }
    if (!verdict_.believes_owner()) return {};
    return verdict_.process_shared ? shared_owner(*verdict_.owner_number) : private_owner(*verdict_.owner_number);
  }

 private:
  static OwnerResolution with(Obstacle obstacle) {
    OwnerResolution r;
    r.obstacles.push_back(std::move(obstacle));
    return r;
  }

  static Obstacle obstacle_by(Evidence evidence) {
    Obstacle o;
    o.evidence = evidence;
    return o;
  }

  OwnerResolution private_owner(pid_t number) {
    const auto matches = threads_.in_memory_of(waiter_, number);
    if (matches.size() > 1) return {};
    if (matches.empty()) {
      if (!verdict_.proven) return {};
      return gone(absence(number), number, processes_of_waiter(), true);
    }
    const Thread& owner = *matches.front();
    if (owner.state == ThreadState::exiting && verdict_.kind != LockKind::join) {
      // It runs no user code any more. What the kernel cleans up after it is about to change hands.
      const bool cleaned_up = verdict_.kind == LockKind::robust_mutex || verdict_.kind == LockKind::pi_mutex;
      if (!verdict_.proven || cleaned_up) return {};
      return gone(OwnerGone::exited, number, processes_of_waiter(), true);
    }
    return owned_by(owner, [this] { return std::pair(processes_of_waiter(), true); });
  }

  OwnerResolution shared_owner(pid_t number) {
    const Thread* owner = nullptr;
    std::size_t found = 0;
    bool certain = true;
    for (const Thread* candidate : threads_.everywhere(number)) {
      switch (mapping_of(candidate->pid)) {
        case ProcessMemory::Mapping::mapped:
          if (!owner || candidate->id == wait_.pi_owner) owner = candidate;
          ++found;
          break;
        case ProcessMemory::Mapping::unknown: certain = false; break;
        case ProcessMemory::Mapping::not_mapped: break;
      }
    }
    const bool kernel_agrees = owner && kernel_names(*owner);
    if (found > 1 && !kernel_agrees) return {};
    if (!certain && !kernel_agrees) return {};
    const auto everyone = [this] { return processes_that_map(); };
    if (owner) return owner->state == ThreadState::exiting ? OwnerResolution{} : owned_by(*owner, everyone);
    if (!verdict_.proven || !sample_.sees_all_pids) return {};
    if (verdict_.owner_enforced) return gone(OwnerGone::exited, number, {}, true);
    auto [processes, known] = everyone();
    return gone(OwnerGone::exited, number, std::move(processes), known);
  }

  // `everyone` gives all who could unlock a lock that does not check its owner, and whether they are all.
  template <class Everyone>
  OwnerResolution owned_by(const Thread& owner, Everyone everyone) {
    if (started_after_wait(owner)) return {};
    if (kernel_named_any() && !kernel_names(owner)) return {};
    Obstacle obstacle = obstacle_by(kernel_names(owner) ? Evidence::kernel : Evidence::memory);
    const bool self = owner.id == waiter_.id;
    if (self && !verdict_.owner_enforced) {
      // Legal use of a normal mutex as a signal: whoever is to give it can be any thread that has it.
      std::tie(obstacle.any_of, obstacle.known) = everyone();
      obstacle.candidates = true;
    } else {
      obstacle.any_of = {only(owner)};
    }
    OwnerResolution r = with(std::move(obstacle));
    r.self = self;
    return r;
  }

  OwnerResolution gone(OwnerGone how, pid_t number, std::vector<Releaser> could_unlock, bool known) const {
    Obstacle obstacle = obstacle_by(Evidence::memory);
    obstacle.known = known;
    // A thread that forked with the lock held goes on in the child under another number, and may let go there.
    if (!verdict_.owner_enforced || how == OwnerGone::before_fork) {
      obstacle.any_of = std::move(could_unlock);
      obstacle.candidates = true;
    }
    OwnerResolution r = with(std::move(obstacle));
    r.owner_gone = how;
    r.gone_owner = number;
    return r;
  }

  // Why a number means no thread of the waiter's memory.
  [[nodiscard]] OwnerGone absence(pid_t number) const {
    for (const Thread& t : threads_of(sample_.threads, waiter_.parent_pid)) {
      if (t.ns_tid == number) return OwnerGone::before_fork;
    }
    // Numbers are given out in order: a higher one than the process's own was given to one of its threads.
    return number >= waiter_.ns_pid && waiter_.ns_pid != 0 ? OwnerGone::exited : OwnerGone::before_fork;
  }

  [[nodiscard]] bool started_after_wait(const Thread& owner) const {
    // The waiter was read at some time of the look; its wait began no later than this. The two clocks, the scheduler's
    // and that of boot, may disagree a little; a number comes up again much later than that.
    constexpr std::uint64_t kDoubt = 1'000'000'000;
    const std::uint64_t latest_read = sample_.taken_ns + sample_.duration_ns + kDoubt;
    const auto blocked = waiter_.blocked_ns;
    return blocked && *blocked <= latest_read && owner.id.start_ns > latest_read - *blocked;
  }

  [[nodiscard]] bool kernel_named_any() const { return verdict_.kind == LockKind::pi_mutex && wait_.pi_owner.tid != 0; }
  [[nodiscard]] bool kernel_names(const Thread& t) const { return kernel_named_any() && wait_.pi_owner == t.id; }

  [[nodiscard]] ProcessMemory::Mapping mapping_of(pid_t pid) {
    if (pid == waiter_.pid) return ProcessMemory::Mapping::mapped;
    return wait_.shared ? memory_.maps(pid, *wait_.shared) : ProcessMemory::Mapping::unknown;
  }

  [[nodiscard]] std::vector<Releaser> processes_of_waiter() const {
    std::vector<Releaser> out;
    for (const pid_t pid : threads_.processes_sharing_memory_with(waiter_)) {
      out.push_back(any_thread_of(threads_of(sample_.threads, pid)));
    }
    return out;
  }

  [[nodiscard]] std::pair<std::vector<Releaser>, bool> processes_that_map() {
    std::vector<Releaser> out;
    bool known = sample_.sees_all_pids;
    for (std::size_t i = 0; i < sample_.threads.size(); ++i) {
      const pid_t pid = sample_.threads[i].pid;
      if (i > 0 && sample_.threads[i - 1].pid == pid) continue;
      const auto mapping = mapping_of(pid);
      if (mapping == ProcessMemory::Mapping::mapped) out.push_back(any_thread_of(threads_of(sample_.threads, pid)));
      if (mapping == ProcessMemory::Mapping::unknown) known = false;
    }
    return {std::move(out), known};
  }

  const FutexVerdict& verdict_;
  const RawWait& wait_;
  const RawSample& sample_;
  const Thread& waiter_;
  const ThreadNumbers& threads_;
  ProcessMemory& memory_;
};

}  // namespace

OwnerResolution resolve_owner(const FutexVerdict& verdict, const RawWait& wait, const RawSample& sample,
                              const ThreadNumbers& threads, ProcessMemory& memory) {
  return Resolver(verdict, wait, sample, threads, memory).resolve();
}

LockId lock_id_of(const FutexVerdict& verdict, const OwnerResolution& resolution, const RawWait& wait,
                  const Thread& waiter) {
  const bool one_thread = resolution.obstacles.size() == 1 && resolution.obstacles.front().any_of.size() == 1;
  if (verdict.kind == LockKind::join && one_thread) {
    return {ThreadEnd{resolution.obstacles.front().any_of.front().thread}};
  }
  if (verdict.process_shared && wait.shared) {
    return {SharedPlace{wait.shared->file, wait.shared->offset - (wait.args[0] - verdict.base)}};
  }
  return {PrivateWord{waiter.address_space, verdict.base}};
}

}  // namespace lockscope
