// SPDX-License-Identifier: Apache-2.0
// `lockscope audit`: one look at all locks in use, judged by who could take them.
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <iostream>
#include <set>
#include <string>
#include <utility>

#include "app/describe.h"
#include "app/report_output.h"
#include "app/sources.h"
#include "app/subcommands.h"
#include "app/watch_window.h"
#include "attribution/facts_gatherer.h"
#include "detect/catalog.h"

namespace lockscope {
namespace {

// By its place alone: whether a wait stands does not matter, so that one look is enough.
Judgement judge_places(Sample look, const Thresholds& thresholds, FactsProvider& facts) {
  Judgement result;
  result.now = std::move(look);
  result.standing.assign(result.now.waits.size(), false);
  result.facts = facts.gather(result.now, {});
  const WaitForGraph graph(result.now, result.standing, std::vector<bool>(result.now.raw.threads.size(), false));
  const SampleView view{.sample = result.now,
                        .graph = graph,
                        .proof = graph.solve(Strictness::proof),
                        .timeouts = graph.solve(Strictness::timeouts),
                        .suspicion = graph.solve(Strictness::suspicion),
                        .thresholds = thresholds,
                        .facts = result.facts};
  for (const CatalogEntry& entry : detector_catalog()) {
    if (entry.on_request) entry.make()->on_sample(view, result.findings);
  }
  return result;
}

// Lock files that could not be made because somebody has the name.
Result<void> watch_names(const AuditOptions& options, Report& report) {
  const WatchOptions watch{.duration = options.duration, .creates = true};
  auto watched = watch_window(watch, options.common, {}, "", {});
  if (!watched) return std::unexpected(watched.error());
  for (FindingDescription& finding : watched->report.findings) {
    if (finding.kind == kTakenLockName.name) report.findings.push_back(std::move(finding));
  }
  std::ranges::stable_sort(report.findings, std::greater{}, &FindingDescription::severity);
  for (const auto& [cause, count] : watched->report.coverage.lost_events) report.coverage.lost_events[cause] += count;
  report.duration += watched->report.duration;
  report.level = watched->report.level;
  return {};
}

std::string summary(const Judgement& judgement, const Report& report) {
  std::set<FileId> files;
  for (const FileLock& lock : judgement.now.raw.file_locks) files.insert(lock.file);
  const std::size_t objects = judgement.facts.shared_memory.size();
  const std::size_t exposed = report.findings.size();
  const auto count = [](std::size_t number, const char* one, const char* many) {
    return std::to_string(number) + " " + (number == 1 ? one : many);
  };
  return "Looked at " + count(files.size(), "locked file", "locked files") + " and at " +
         count(objects, "object", "objects") + " of shared memory: " +
         (exposed == 0 ? "none that a more trusted process relies on is open to others."
                       : count(exposed, "is", "are") + " open to others.");
}

}  // namespace

Result<int> run_audit(const AuditOptions& options) {
  auto chosen = choose_source(options.no_bpf);
  if (!chosen) return std::unexpected(chosen.error());
  chosen->source->want_file_locks(true);
  auto raw = chosen->source->sample();
  if (!raw) return std::unexpected(raw.error());
  Sample look = classify(std::move(*raw), chosen->source->memory(), {});

  Attribution attribution;
  FactsGatherer facts(attribution);
  facts.want_shared_memory(true);
  const Judgement judgement = judge_places(std::move(look), options.common.thresholds, facts);

  if (judgement.facts.host_user_namespace == 0) {
    chosen->notes.push_back(
        "user namespaces cannot be read: nobody is known to be of this host, and nothing is judged");
  }
  if (!judgement.now.raw.file_locks_complete) {
    chosen->notes.push_back("file locks could not all be read: there may be more than are judged here");
  }
  if (judgement.now.raw.coverage.unreadable > 0 && ::geteuid() != 0) {
    chosen->notes.push_back("other users' processes could not be read: run it as root to see the whole host");
  }
  Report report = describe(judgement, {}, &attribution);
  report.waits.clear();  // who waits is what `snapshot` is for
  report.waits_hidden = 0;
  report.hidden_by_kind.clear();
  report.host = host_description();
  report.notes = chosen->notes;
  if (options.duration) {
    if (auto watched = watch_names(options, report); !watched) return std::unexpected(watched.error());
  }
  for (const std::string& note : report.notes) say("note: ", note);

  // The rest of a text report is about waits.
  CommonOptions how = options.common;
  how.quiet = how.quiet || !how.json;
  const int status = write_report(report, how, false);
  if (status != 3 && !options.common.json && !options.common.quiet) {
    std::cout << summary(judgement, report) << '\n';
    std::cout.flush();
    if (!std::cout) return 3;
  }
  return status;
}

}  // namespace lockscope
