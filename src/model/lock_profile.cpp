// SPDX-License-Identifier: Apache-2.0
#include "model/lock_profile.h"

#include <algorithm>
#include <bit>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "model/trace_description.h"

namespace lockscope {
namespace {

constexpr std::size_t kSitesShown = 3;

void add(Durations& sum, const Durations& more) {
  sum.count += more.count;
  sum.total_ns += more.total_ns;
  sum.longest_ns = std::max(sum.longest_ns, more.longest_ns);
  for (std::size_t i = 0; i < kTraceBuckets; ++i) sum.histogram[i] += more.histogram[i];
}

// The upper edge of the bucket in which so many percent have been counted; at most the longest.
std::uint64_t percentile(const Durations& times, std::uint64_t percent) {
  std::uint64_t all = 0;
  for (const std::uint64_t count : times.histogram) all += count;
  if (all == 0) return 0;
  const std::uint64_t rank = all / 100 * percent + (all % 100 * percent + 99) / 100;
  std::uint64_t counted = 0;
  for (std::size_t i = 0; i + 1 < kTraceBuckets; ++i) {
    counted += times.histogram[i];
    if (counted >= rank) return std::min(std::uint64_t{1} << (i + 1), times.longest_ns);
  }
  return times.longest_ns;
}

LockProfileEntry::Times times_of(const Durations& times) {
  LockProfileEntry::Times out;
  out.count = times.count;
  out.total_ns = times.total_ns;
  out.mean_ns = times.count == 0 ? 0 : times.total_ns / times.count;
  out.p50_ns = percentile(times, 50);
  out.p99_ns = percentile(times, 99);
  out.max_ns = times.longest_ns;
  return out;
}

struct SiteSum {
  FrameDescription frame;
  std::uint64_t acquired = 0;
  std::uint64_t contended = 0;
  Durations wait;
  Durations hold;
};

// A place is one wherever a process has mapped it.
using Place = std::tuple<std::string, std::string, std::uint64_t>;
Place place_of(const CodePoint& point) {
  const bool known = !point.module.empty() || !point.function.empty();
  return {point.module, point.function, known ? point.offset : point.address};
}

struct ClassSum {
  LockKind kind = LockKind::mutex;
  std::set<TracedLock> instances;
  std::uint64_t acquired = 0;
  std::uint64_t contended = 0;
  std::uint64_t failed = 0;
  Durations wait;
  Durations hold;
  std::map<Place, SiteSum> sites;
};

// Those that took the most of one kind of time; none that took nothing.
std::vector<LockProfileEntry::Site> top_sites(const ClassSum& sum, Durations SiteSum::*time) {
  std::vector<const SiteSum*> sites;
  for (const auto& [place, site] : sum.sites) {
    if ((site.*time).count > 0) sites.push_back(&site);
  }
  std::ranges::stable_sort(sites, std::greater{}, [&](const SiteSum* s) { return (s->*time).total_ns; });
  if (sites.size() > kSitesShown) sites.resize(kSitesShown);
  std::vector<LockProfileEntry::Site> out;
  for (const SiteSum* s : sites) {
    out.push_back({s->frame, s->acquired, s->contended, times_of(s->wait), times_of(s->hold)});
  }
  return out;
}

LockProfileEntry entry_of(const std::string& name, const ClassSum& sum) {
  LockProfileEntry entry;
  entry.class_name = name;
  entry.kind = sum.kind;
  entry.instances = sum.instances.size();
  entry.acquired = sum.acquired;
  entry.contended = sum.contended;
  entry.failed = sum.failed;
  entry.wait = times_of(sum.wait);
  entry.hold = times_of(sum.hold);
  entry.holders = top_sites(sum, &SiteSum::hold);
  entry.waiters = top_sites(sum, &SiteSum::wait);
  return entry;
}

std::vector<ProfileDescription::Waiter> top_waiters(const LockTrace& trace, std::size_t limit) {
  std::vector<const TracedThread*> threads;
  for (const TracedThread& thread : trace.threads) {
    if (thread.waits > 0) threads.push_back(&thread);
  }
  std::ranges::stable_sort(threads, std::greater{}, &TracedThread::waited_ns);
  if (threads.size() > limit) threads.resize(limit);
  std::vector<ProfileDescription::Waiter> out;
  for (const TracedThread* t : threads) out.push_back({thread_of(*t), t->waits, t->waited_ns});
  return out;
}

}  // namespace

ProfileDescription profile_locks(const LockTrace& trace, TraceNames& names, std::size_t limit) {
  ProfileDescription profile;
  if (trace.ended_ns > trace.began_ns) profile.duration = std::chrono::nanoseconds(trace.ended_ns - trace.began_ns);
  std::map<std::string, ClassSum> classes;
  for (const SiteUse& use : trace.uses) {
    ClassSum& sum = classes[names.lock_class(use.lock).name];
    if (sum.instances.empty()) sum.kind = use.kind;
    sum.instances.insert(use.lock);
    const CodePoint& point = names.code(use.lock.image, use.site);
    SiteSum& site = sum.sites[place_of(point)];
    if (site.acquired == 0) site.frame = frame_of(point);
    site.acquired += use.acquired;
    site.contended += use.contended;
    add(site.wait, use.wait);
    add(site.hold, use.hold);
    sum.acquired += use.acquired;
    sum.contended += use.contended;
    sum.failed += use.failed;
    add(sum.wait, use.wait);
    add(sum.hold, use.hold);
    profile.acquired += use.acquired;
    profile.contended += use.contended;
  }
  using Named = std::map<std::string, ClassSum>::const_pointer;
  std::vector<Named> sorted;
  for (const auto& named : classes) sorted.push_back(&named);
  std::ranges::stable_sort(sorted, std::greater{}, [](Named c) {
    return std::tuple(c->second.wait.total_ns, c->second.hold.total_ns, c->second.acquired);
  });
  if (sorted.size() > limit) {
    profile.locks_hidden = sorted.size() - limit;
    sorted.resize(limit);
  }
  for (const Named named : sorted) profile.locks.push_back(entry_of(named->first, named->second));
  profile.waiters = top_waiters(trace, limit);
  return profile;
}

}  // namespace lockscope
