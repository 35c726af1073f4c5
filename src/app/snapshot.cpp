// SPDX-License-Identifier: Apache-2.0
// `lockscope snapshot`: two looks at the host, judged and described.
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "app/describe.h"
#include "app/report_output.h"
#include "app/self_test.h"
#include "app/sources.h"
#include "app/subcommands.h"
#include "app/trace_recorder.h"
#include "app/watch_window.h"
#include "attribution/facts_gatherer.h"

namespace lockscope {
namespace {

Result<void> check_pids(const std::vector<pid_t>& pids) {
  for (pid_t pid : pids) {
    if (::kill(pid, 0) != 0 && errno == ESRCH) {
      return fail(ErrorKind::usage, "no process has the number " + std::to_string(pid));
    }
  }
  return {};
}

Result<Judgement> look(const SnapshotOptions& options, const LookSettings& settings, ChosenSource& chosen,
                       SelfTest& self_test, FactsProvider& facts) {
  if (options.save.empty()) return look_and_judge(*chosen.source, settings, &self_test, &facts, false);
  TraceRecorder recorder(*chosen.source, *chosen.memory, self_test);
  auto judgement = look_and_judge(recorder, settings, &recorder, &facts, false);
  if (!judgement) return judgement;
  if (auto saved = recorder.save(options.save); !saved) return std::unexpected(saved.error());
  return judgement;
}

// `snapshot --for`
Result<int> run_window(const SnapshotOptions& options) {
  const auto line = [](const FindingDescription& finding) { write_finding_line(finding); };
  auto watched = watch_window(options.watch, options.common, {options.pids, options.all, options.common.min_wait}, "",
                              options.watch.json_lines ? line : std::function<void(const FindingDescription&)>{});
  if (!watched) return std::unexpected(watched.error());
  for (const std::string& note : watched->report.notes) say("note: ", note);
  if (options.watch.json_lines) return finish_lines(watched->report, options.common);
  return write_report(watched->report, options.common, options.all);
}

}  // namespace

Result<int> run_snapshot(const SnapshotOptions& options) {
  if (auto checked = check_pids(options.pids); !checked) return std::unexpected(checked.error());
  if (options.watch.duration) return run_window(options);
  auto chosen = choose_source(options.no_bpf);
  if (!chosen) return std::unexpected(chosen.error());

  const auto self_test = SelfTest::start();
  const LookSettings settings{.confirm = options.confirm, .thresholds = options.common.thresholds};
  Attribution attribution;
  FactsGatherer facts(attribution);
  auto judgement = look(options, settings, *chosen, *self_test, facts);
  if (!judgement) return std::unexpected(judgement.error());

  for (std::string& note : self_test->distrusted()) chosen->notes.push_back(std::move(note));
  if (judgement->now.raw.coverage.unreadable > 0 && ::geteuid() != 0) {
    chosen->notes.push_back("other users' processes could not be read: run it as root to see the whole host");
  }
  Report report = describe(*judgement, {options.pids, options.all, options.common.min_wait}, &attribution);
  report.host = host_description();
  report.notes = chosen->notes;
  for (const std::string& note : report.notes) say("note: ", note);
  return write_report(report, options.common, options.all);
}

}  // namespace lockscope
