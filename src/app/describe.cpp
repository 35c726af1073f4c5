// SPDX-License-Identifier: Apache-2.0
#include "app/describe.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "classify/threads.h"
#include "lockscope/lock_table.h"

namespace lockscope {
namespace {

// Detectors know a file by its number, "inode 17"; people know it by its path.
void put_path(std::string& text, std::uint64_t inode, const std::string& path) {
  const std::string number = "inode " + std::to_string(inode);
  for (std::size_t at = 0; (at = text.find(number, at)) != std::string::npos;) {
    const std::size_t end = at + number.size();
    if (end < text.size() && text[end] >= '0' && text[end] <= '9') {
      at = end;
      continue;
    }
    text.replace(at, number.size(), path);
    at += path.size();
  }
}

class Describer {
 public:
  Describer(const Judgement& judgement, Attribution* attribution)
      : judgement_(judgement), sample_(judgement.now), attribution_(attribution) {
    for (std::size_t i = 0; i < sample_.waits.size(); ++i) waits_of_thread_.emplace(sample_.waits[i].thread, i);
    for (std::size_t i = 0; i < threads().size(); ++i) index_of_tid_.emplace(threads()[i].id.tid, i);
  }

  // `next`: the wait of the thread that stands behind this one in a cycle; it is the holder to name where several of
  // a process could be.
  [[nodiscard]] WaitDescription wait(std::size_t index, const Wait* next = nullptr) {
    const Wait& w = sample_.waits[index];
    WaitDescription out;
    out.thread = thread(w.thread);
    out.lock = lock(w);
    out.mode = w.mode;
    out.holders = holders(w, next);
    out.age_ns = age(index);
    out.timed = w.timed;
    return out;
  }

  [[nodiscard]] FindingDescription finding(const Finding& f) {
    FindingDescription out = describe_outline(f);
    for (std::size_t i = 0; i < f.cycle.size(); ++i) {
      out.cycle.push_back(wait(f.cycle[i], &sample_.waits[f.cycle[(i + 1) % f.cycle.size()]]));
    }
    for (std::size_t i : f.victims) out.victims.push_back(wait(i));
    for (std::size_t i : f.waiters) out.waiters.push_back(wait(i));
    if (!f.waiters.empty()) {
      out.lock = out.waiters.front().lock;
      out.holders = out.waiters.front().holders;
    } else if (out.cycle.size() == 1) {
      out.lock = out.cycle.front().lock;
      out.holders = out.cycle.front().holders;
    }
    if (f.lock) describe_lock(f, out);
    for (const FailingTries& tries : f.failing) out.failing.push_back(failing(tries));
    for (const auto* waits : {&out.cycle, &out.waiters}) {
      for (const WaitDescription& w : *waits) {
        if (!w.lock.file || !w.lock.path || w.lock.scope != LockDescription::Scope::file) continue;
        put_path(out.summary, w.lock.file->ino, *w.lock.path);
        put_path(out.hint, w.lock.file->ino, *w.lock.path);
      }
    }
    if (f.lock && out.lock->file && out.lock->path && out.lock->scope == LockDescription::Scope::file) {
      put_path(out.summary, out.lock->file->ino, *out.lock->path);
      put_path(out.hint, out.lock->file->ino, *out.lock->path);
    }
    return out;
  }

  [[nodiscard]] std::optional<std::uint64_t> age(std::size_t index) const {
    const Wait& w = sample_.waits[index];
    if (w.blocked_ns) return w.blocked_ns;
    if (judgement_.standing[index]) return static_cast<std::uint64_t>(judgement_.between.count());
    return std::nullopt;
  }

  // Which waits a person wants to see: for a lock whose holder is known, and for the end of a thread or process that
  // itself stands in such a wait. Every shell waits for a child; that alone is no news.
  [[nodiscard]] std::vector<bool> worth_showing() const {
    std::vector<bool> shown(sample_.waits.size());
    std::unordered_set<pid_t> tids, pids;
    const auto show = [&](std::size_t i) {
      shown[i] = true;
      const Thread& t = threads()[sample_.waits[i].thread];
      tids.insert(t.id.tid);
      pids.insert(t.pid);
    };
    std::vector<std::size_t> ends;
    for (std::size_t i = 0; i < sample_.waits.size(); ++i) {
      const Wait& w = sample_.waits[i];
      if (w.kind == LockKind::join || w.kind == LockKind::child) {
        if (!w.obstacles.empty() && !w.obstacles.front().any_of.empty()) ends.push_back(i);
      } else if (!w.obstacles.empty() || w.owner_gone != OwnerGone::no || w.reader_count) {
        show(i);
      }
    }
    for (bool changed = true; changed;) {
      changed = std::erase_if(ends, [&](std::size_t i) {
                  const Releaser& r = sample_.waits[i].obstacles.front().any_of.front();
                  const bool process = r.scope == Releaser::Scope::any_thread_of_process;
                  const bool wanted = process ? pids.contains(r.pid) : tids.contains(r.thread.tid);
                  if (wanted) show(i);
                  return wanted;
                }) != 0;
    }
    return shown;
  }

  [[nodiscard]] bool involves(std::size_t index, const std::vector<pid_t>& pids) const {
    const auto wanted = [&](pid_t pid) { return std::ranges::find(pids, pid) != pids.end(); };
    const Wait& w = sample_.waits[index];
    if (wanted(threads()[w.thread].pid)) return true;
    return std::ranges::any_of(w.obstacles, [&](const Obstacle& o) {
      return std::ranges::any_of(o.any_of, [&](const Releaser& r) { return wanted(r.pid); });
    });
  }

 private:
  [[nodiscard]] const std::vector<Thread>& threads() const { return sample_.raw.threads; }

  [[nodiscard]] ThreadDescription thread(std::size_t index) {
    const Thread& t = threads()[index];
    const ProcessFacts* facts = facts_of(t.pid);
    if (facts == nullptr && attribution_ != nullptr) return attribution_->describe(t);
    ThreadDescription out;
    out.pid = t.pid;
    out.tid = t.id.tid;
    out.comm = t.comm;
    out.uid = t.uid;
    out.start_ns = t.id.start_ns;
    if (facts == nullptr) return out;
    // As recorded with the look: a replay says the same as was said then.
    put_facts(*facts, out);
    return out;
  }

  static void put_facts(const ProcessFacts& facts, ThreadDescription& out) {
    if (facts.uid == out.uid) out.user = facts.user;
    out.exe = facts.exe;
    out.cgroup = facts.cgroup;
    out.unit = facts.unit;
    out.container = facts.container;
  }

  // Of this process and no other that had its number.
  [[nodiscard]] const ProcessFacts* facts_of(pid_t pid) const {
    const auto facts = judgement_.facts.processes.find(pid);
    if (facts == judgement_.facts.processes.end()) return nullptr;
    const std::span<const Thread> process = threads_of(threads(), pid);
    const bool same = !process.empty() && process.front().id.start_ns == facts->second.start_ns;
    return same ? &facts->second : nullptr;
  }

  [[nodiscard]] std::optional<std::string> recorded_path(const FileId& file) const {
    const auto place = judgement_.facts.places.find(file);
    return place == judgement_.facts.places.end() ? std::nullopt : std::optional(place->second.path);
  }

  // A lock that is not that of the first waiter, or that nobody waits for, and who holds it.
  void describe_lock(const Finding& f, FindingDescription& out) {
    const auto waiter = std::ranges::find_if(
        f.waiters, [&](std::size_t i) { return contended_lock(sample_, sample_.waits[i]) == f.lock->lock; });
    // A wait knows more of its lock: the address, the range.
    out.lock = waiter != f.waiters.end() ? lock(sample_.waits[*waiter]) : lock(*f.lock);
    out.lock->kind = f.lock->kind;
    out.holders.clear();
    for (const pid_t pid : f.holders) {
      const std::span<const Thread> process = threads_of(threads(), pid);
      if (process.empty()) continue;
      const bool in_kernel = out.lock->scope == LockDescription::Scope::file;
      out.holders.push_back(
          holder(index_of_tid_.at(process.front().id.tid), in_kernel ? Evidence::kernel : Evidence::memory));
      out.holders.back().any_thread = process.size() > 1;
    }
  }

  [[nodiscard]] LockDescription lock(const LockReference& reference) {
    LockDescription out;
    out.kind = reference.kind;
    if (const auto* file = std::get_if<LockOfFile>(&reference.lock)) {
      out.scope = LockDescription::Scope::file;
      out.file = file->file;
    } else if (const auto* place = std::get_if<SharedPlace>(&reference.lock)) {
      out.scope = LockDescription::Scope::process_shared;
      out.file = place->file;
      out.offset = place->offset;
    } else if (const auto* word = std::get_if<WordOfProcess>(&reference.lock)) {
      out.address = word->address;
    } else {
      out.scope = LockDescription::Scope::process_shared;
    }
    if (out.file) out.path = recorded_path(*out.file);
    return out;
  }

  [[nodiscard]] FailingDescription failing(const FailingTries& tries) {
    FailingDescription out;
    const auto index = index_of_tid_.find(tries.actor.pid);
    if (index != index_of_tid_.end() && threads()[index->second].id.start_ns == tries.actor.start_ns) {
      out.process = thread(index->second);
    } else {  // it has ended
      out.process.pid = out.process.tid = tries.actor.pid;
      out.process.comm = tries.actor.comm;
      out.process.uid = tries.actor.uid;
      out.process.start_ns = tries.actor.start_ns;
      const auto facts = judgement_.facts.processes.find(tries.actor.pid);
      if (facts != judgement_.facts.processes.end() && facts->second.start_ns == tries.actor.start_ns) {
        put_facts(facts->second, out.process);
      }
    }
    out.tries = tries.tries;
    out.first = time_of(tries.first_ns);
    out.last = time_of(tries.last_ns);
    return out;
  }

  [[nodiscard]] std::optional<std::chrono::system_clock::time_point> time_of(std::uint64_t boot_ns) const {
    if (boot_ns == 0 || sample_.raw.realtime_offset_ns == 0) return std::nullopt;
    using namespace std::chrono;
    return system_clock::time_point(
        duration_cast<system_clock::duration>(nanoseconds(sample_.raw.realtime_offset_ns + boot_ns)));
  }

  [[nodiscard]] LockDescription lock(const Wait& w) {
    LockDescription out;
    out.kind = w.kind;
    out.scope = w.file_lock        ? LockDescription::Scope::file
                : w.process_shared ? LockDescription::Scope::process_shared
                                   : LockDescription::Scope::process_private;
    out.address = w.address;
    out.reader_count = w.reader_count;
    out.mutex_address = w.needs_mutex;
    const Thread& t = threads()[w.thread];
    if (const auto* shared = std::get_if<SharedPlace>(&w.lock.place)) {
      out.file = shared->file;
      out.offset = shared->offset;
      out.path = recorded_path(shared->file);
      if (!out.path && attribution_ != nullptr && w.address) out.path = attribution_->path_of_mapping(t, *w.address);
    } else if (const auto* range = std::get_if<FileRange>(&w.lock.place)) {
      out.file = range->file;
      out.path = recorded_path(range->file);
      if (!out.path && attribution_ != nullptr && w.fd >= 0) {
        out.path = attribution_->path_of_lock(t, w.fd, range->file);
      }
    }
    if (w.file_lock && *w.file_lock != FileLockKind::flock) {
      out.range = LockDescription::Range{w.range_start, {}};
      if (w.range_end != ~std::uint64_t{0}) out.range->end = w.range_end;
    }
    return out;
  }

  [[nodiscard]] HolderDescription holder(std::size_t index, Evidence evidence) {
    HolderDescription out;
    out.thread = thread(index);
    out.evidence = evidence;
    const Thread& t = threads()[index];
    if (t.state == ThreadState::running) {
      out.state = HolderDescription::State::running;
    } else if (waits_for_known_holder(index)) {
      out.state = HolderDescription::State::blocked;
    } else {
      out.state = HolderDescription::State::sleeping;
    }
    return out;
  }

  [[nodiscard]] bool waits_for_known_holder(std::size_t thread_index) const {
    const auto it = waits_of_thread_.find(thread_index);
    if (it == waits_of_thread_.end()) return false;
    const Wait& w = sample_.waits[it->second];
    return !w.obstacles.empty() || w.owner_gone != OwnerGone::no;
  }

  [[nodiscard]] std::vector<HolderDescription> holders(const Wait& w, const Wait* next) {
    std::vector<HolderDescription> out;
    if (w.owner_gone != OwnerGone::no) {
      HolderDescription gone;
      gone.gone_tid = w.gone_owner;
      gone.evidence = Evidence::memory;
      gone.state = HolderDescription::State::gone;
      out.push_back(std::move(gone));
      return out;
    }
    if (w.self) {
      out.push_back(holder(w.thread, Evidence::memory));
      return out;
    }
    for (const Obstacle& obstacle : w.obstacles) {
      if (obstacle.candidates) {
        // Nobody's name is written there. In a cycle the next of it is shown, as what it is: not known to hold.
        if (next != nullptr) out.push_back(holder(next->thread, Evidence::unknown));
        continue;
      }
      for (const Releaser& r : obstacle.any_of) add_holder(out, r, obstacle.evidence, next);
    }
    return out;
  }

  void add_holder(std::vector<HolderDescription>& out, const Releaser& r, Evidence evidence, const Wait* next) {
    std::size_t index = threads().size();
    const bool any_thread = r.scope == Releaser::Scope::any_thread_of_process;
    if (any_thread && next != nullptr && threads()[next->thread].pid == r.pid) {
      index = next->thread;
    } else if (const auto it = index_of_tid_.find(r.thread.tid); it != index_of_tid_.end()) {
      index = it->second;
    }
    if (index == threads().size()) return;
    out.push_back(holder(index, evidence));
    out.back().any_thread = any_thread && threads_of(threads(), r.pid).size() > 1;
  }

  const Judgement& judgement_;
  const Sample& sample_;
  Attribution* attribution_;
  std::unordered_map<std::size_t, std::size_t> waits_of_thread_;
  std::unordered_map<pid_t, std::size_t> index_of_tid_;
};

}  // namespace

namespace {

std::vector<FindingDescription> describe_findings(const Judgement& judgement, const ReportFilter& filter,
                                                  Describer& describer) {
  const auto in_scope = [&](const std::vector<std::size_t>& waits) {
    return std::ranges::any_of(waits, [&](std::size_t i) { return describer.involves(i, filter.pids); });
  };
  const auto concerns = [&](pid_t pid) { return std::ranges::find(filter.pids, pid) != filter.pids.end(); };
  std::vector<FindingDescription> findings;
  for (const Finding& f : judgement.findings) {
    const bool wanted = filter.pids.empty() || in_scope(f.cycle) || in_scope(f.victims) || in_scope(f.waiters) ||
                        std::ranges::any_of(f.holders, concerns) ||
                        std::ranges::any_of(f.failing, [&](const FailingTries& t) { return concerns(t.actor.pid); });
    if (wanted) findings.push_back(describer.finding(f));
  }
  std::ranges::stable_sort(findings, std::greater{}, &FindingDescription::severity);
  return findings;
}

}  // namespace

FindingDescription describe_outline(const Finding& f) {
  FindingDescription out;
  out.kind = f.kind;
  out.cwe = f.cwe;
  out.severity = f.severity;
  out.confidence = f.confidence;
  out.fingerprint = f.fingerprint;
  out.age_ns = f.age_ns;
  out.summary = f.summary;
  out.hint = f.hint;
  out.evidence = f.evidence;
  return out;
}

std::vector<FindingDescription> describe_findings(const Judgement& judgement, const ReportFilter& filter,
                                                  Attribution* attribution) {
  Describer describer(judgement, attribution);
  return describe_findings(judgement, filter, describer);
}

Report describe(const Judgement& judgement, const ReportFilter& filter, Attribution* attribution) {
  const Sample& sample = judgement.now;
  Describer describer(judgement, attribution);
  Report report;
  using namespace std::chrono;
  report.taken = system_clock::time_point(
      duration_cast<system_clock::duration>(nanoseconds(sample.raw.realtime_offset_ns + sample.raw.taken_ns)));
  report.duration = judgement.between + nanoseconds(sample.raw.duration_ns);
  report.realtime_offset_ns = sample.raw.realtime_offset_ns;
  report.source = sample.raw.source;
  report.coverage = sample.raw.coverage;

  report.findings = describe_findings(judgement, filter, describer);
  const std::vector<bool> shown = describer.worth_showing();
  for (std::size_t i = 0; i < sample.waits.size(); ++i) {
    if (!filter.pids.empty() && !describer.involves(i, filter.pids)) continue;
    const auto age = describer.age(i);
    if (filter.min_wait.count() > 0 && age && *age < static_cast<std::uint64_t>(filter.min_wait.count())) continue;
    if (!filter.all && !shown[i]) {
      ++report.waits_hidden;
      ++report.hidden_by_kind[sample.waits[i].kind];
      continue;
    }
    report.waits.push_back(describer.wait(i));
  }
  return report;
}

}  // namespace lockscope
