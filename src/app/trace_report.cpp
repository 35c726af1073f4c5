// SPDX-License-Identifier: Apache-2.0
#include "app/trace_report.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <string>
#include <utility>

#include "app/describe.h"
#include "detect/catalog.h"
#include "model/trace_description.h"

namespace lockscope {
namespace {

const char* verb_of(MisuseKind kind) {
  switch (kind) {
    case MisuseKind::unlock_not_locked:
    case MisuseKind::double_unlock:
    case MisuseKind::unlock_not_owner:
    case MisuseKind::ignored_lock_failure: return "released";
    case MisuseKind::relock: return "contended";
    case MisuseKind::destroyed_while_locked: return "destroyed";
    case MisuseKind::exit_while_holding: return "exited";
  }
  return "";
}

// What came before: where the lock had been taken, let go of, or failed to be taken.
const char* earlier_verb_of(MisuseKind kind) {
  switch (kind) {
    case MisuseKind::double_unlock: return "released";
    case MisuseKind::ignored_lock_failure: return "failed";
    case MisuseKind::unlock_not_locked:
    case MisuseKind::unlock_not_owner:
    case MisuseKind::relock:
    case MisuseKind::destroyed_while_locked:
    case MisuseKind::exit_while_holding: return "acquired";
  }
  return "";
}

class TraceDescriber {
 public:
  TraceDescriber(const LockTrace& trace, TraceNames& names, std::uint64_t realtime_offset_ns)
      : trace_(trace), names_(names), offset_ns_(realtime_offset_ns) {
    for (const TracedImage& image : trace.images) images_.emplace(image.id, &image);
  }

  [[nodiscard]] FindingDescription finding(const Finding& f) {
    FindingDescription out = describe_outline(f);
    std::uint64_t first_ns = trace_.ended_ns;
    for (const TraceOrder& order : f.orders) {
      out.orders.push_back(describe(order));
      first_ns = std::min(first_ns, trace_.chains[order.chain].first_ns);
    }
    if (f.misuse) {
      add(trace_.misuses[*f.misuse], out);
      first_ns = std::min(first_ns, trace_.misuses[*f.misuse].time_ns);
    }
    if (f.traced_hold) {
      add(trace_.long_holds[*f.traced_hold], out);
      first_ns = std::min(first_ns, trace_.long_holds[*f.traced_hold].since_ns);
    }
    out.first_seen = time(first_ns);
    return out;
  }

 private:
  [[nodiscard]] std::chrono::system_clock::time_point time(std::uint64_t boot_ns) const {
    using namespace std::chrono;
    return system_clock::time_point(duration_cast<system_clock::duration>(nanoseconds(offset_ns_ + boot_ns)));
  }

  [[nodiscard]] ThreadDescription thread(std::size_t index, ImageId image) const {
    ThreadDescription out = thread_of(trace_.threads[index]);
    const auto found = images_.find(image);
    if (found != images_.end() && !found->second->exe.empty()) out.exe = found->second->exe;
    return out;
  }

  [[nodiscard]] LockOrderDescription describe(const TraceOrder& order) {
    const LockChain& chain = trace_.chains[order.chain];
    const Acquisition& held = chain.held[order.held];
    LockOrderDescription out;
    out.thread = thread(chain.thread, chain.image);
    out.held = lock_of(held.lock, held.kind, names_.lock_class(held.lock));
    out.wanted = lock_of(chain.wanted.lock, chain.wanted.kind, names_.lock_class(chain.wanted.lock));
    out.held_site = frame_of(names_.code(chain.image, held.site));
    out.wanted_site = frame_of(names_.code(chain.image, chain.wanted.site));
    out.count = chain.count;
    return out;
  }

  void add(const LockMisuse& misuse, FindingDescription& out) {
    const ImageId image = misuse.lock.image;
    LockEventDescription event;
    event.thread = thread(misuse.thread, image);
    event.lock = lock_of(misuse.lock, misuse.lock_kind, names_.lock_class(misuse.lock));
    out.lock = event.lock;
    if (misuse.earlier_site || misuse.earlier_ns) {
      LockEventDescription earlier = event;
      earlier.verb = earlier_verb_of(misuse.kind);
      if (misuse.earlier_site) earlier.site = frame_of(names_.code(image, *misuse.earlier_site));
      if (misuse.earlier_ns) earlier.time = time(*misuse.earlier_ns);
      if (misuse.kind == MisuseKind::ignored_lock_failure && misuse.error) earlier.error = name_of_error(*misuse.error);
      out.events.push_back(std::move(earlier));
    }
    event.verb = verb_of(misuse.kind);
    if (misuse.kind == MisuseKind::relock && misuse.error) {
      event.verb = "failed";
      event.error = name_of_error(*misuse.error);
    }
    if (misuse.site != 0) event.site = frame_of(names_.code(image, misuse.site));
    event.time = time(misuse.time_ns);
    out.events.push_back(std::move(event));
  }

  void add(const LongHold& hold, FindingDescription& out) {
    LockEventDescription event;
    event.thread = thread(hold.thread, hold.lock.image);
    event.lock = lock_of(hold.lock, hold.kind, names_.lock_class(hold.lock));
    out.lock = event.lock;
    event.verb = "acquired";
    event.site = frame_of(names_.code(hold.lock.image, hold.taken_site));
    event.time = time(hold.since_ns);
    out.events.push_back(event);
    event.verb = "released";
    event.site.reset();
    event.time = time(hold.since_ns + hold.held_ns);
    out.events.push_back(std::move(event));
  }

  const LockTrace& trace_;
  TraceNames& names_;
  std::uint64_t offset_ns_;
  std::map<ImageId, const TracedImage*> images_;
};

}  // namespace

std::vector<FindingDescription> judge_trace(const LockTrace& trace, TraceNames& names, const Thresholds& thresholds,
                                            std::uint64_t realtime_offset_ns) {
  std::vector<Finding> findings;
  const TraceView view{trace, names, thresholds};
  for (const CatalogEntry& entry : detector_catalog()) {
    if (entry.level == Level::full) entry.make()->on_trace(view, findings);
  }
  std::ranges::stable_sort(findings, std::ranges::greater{}, &Finding::severity);
  TraceDescriber describer(trace, names, realtime_offset_ns);
  std::vector<FindingDescription> described;
  for (const Finding& finding : findings) described.push_back(describer.finding(finding));
  return described;
}

}  // namespace lockscope
