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

void note_self_test(const SelfTest& test, std::vector<std::string>& notes) {
  for (const SelfTest::Item& item : test.items()) {
    if (item.outcome == SelfTest::Outcome::wrong) {
      notes.push_back(std::string("owners by ") + item.what +
                      " are not believed, because the self-test failed: " + item.detail);
    }
  }
}

Result<Judgement> look(const SnapshotOptions& options, const LookSettings& settings, ChosenSource& chosen,
                       SelfTest& self_test) {
  if (options.save.empty()) return look_and_judge(*chosen.source, settings, &self_test, false);
  TraceRecorder recorder(*chosen.source, *chosen.memory, self_test);
  auto judgement = look_and_judge(recorder, settings, &recorder, false);
  if (!judgement) return judgement;
  if (auto saved = recorder.save(options.save); !saved) return std::unexpected(saved.error());
  return judgement;
}

}  // namespace

Result<int> run_snapshot(const SnapshotOptions& options) {
  if (auto checked = check_pids(options.pids); !checked) return std::unexpected(checked.error());
  auto chosen = choose_source(options.no_bpf);
  if (!chosen) return std::unexpected(chosen.error());

  const auto self_test = SelfTest::start();
  const LookSettings settings{.confirm = options.confirm, .thresholds = options.common.thresholds};
  auto judgement = look(options, settings, *chosen, *self_test);
  if (!judgement) return std::unexpected(judgement.error());

  note_self_test(*self_test, chosen->notes);
  if (judgement->now.raw.coverage.unreadable > 0 && ::geteuid() != 0) {
    chosen->notes.push_back("other users' processes could not be read: run it as root to see the whole host");
  }
  Attribution attribution;
  Report report = describe(*judgement, {options.pids, options.all, options.common.min_wait}, &attribution);
  report.host = host_description();
  report.notes = chosen->notes;
  for (const std::string& note : report.notes) say("note: ", note);
  return write_report(report, options.common, options.all);
}

}  // namespace lockscope
