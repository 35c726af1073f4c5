// SPDX-License-Identifier: Apache-2.0
#include "exporters/json/report_writer.h"

#include <cstdint>
#include <string>
#include <variant>

#include "exporters/json/rfc3339.h"

namespace lockscope {

void ReportWriter::write_report() {
  json_.begin_object();
  json_.key("schema").value("lockscope.report/1");
  json_.key("tool").begin_object();
  json_.key("name").value("lockscope");
  json_.key("version").value(LOCKSCOPE_VERSION);
  json_.end_object();
  json_.key("host").begin_object();
  member("name", report_.host.name);
  member("kernel", report_.host.kernel);
  member("boot_id", report_.host.boot_id);
  json_.end_object();
  json_.key("taken").begin_object();
  json_.key("start").value(rfc3339(report_.taken));
  json_.key("duration_ns").value(report_.duration.count());
  member("level", report_.level);
  member("source", report_.source);
  json_.end_object();
  object("coverage", report_.coverage);
  if (!report_.notes.empty()) {
    json_.key("notes").begin_array();
    for (const std::string& note : report_.notes) json_.value(note);
    json_.end_array();
  }
  object("command", report_.command);
  array("findings", report_.findings);
  if (report_.findings_suppressed > 0) json_.key("findings_suppressed").value(report_.findings_suppressed);
  object("contention", report_.contention);
  object("profile", report_.profile);
  array("waits", report_.waits);
  json_.key("waits_hidden").value(report_.waits_hidden);
  json_.end_object();
  json_.finish();
}

void ReportWriter::write(const Coverage& coverage) {
  json_.begin_object();
  json_.key("threads_seen").value(coverage.threads_seen);
  json_.key("threads_waiting").value(coverage.threads_waiting);
  json_.key("unreadable").value(coverage.unreadable);
  json_.key("not_understood").value(coverage.not_understood);
  json_.key("lost_events").begin_object();
  for (const auto& [cause, count] : coverage.lost_events) json_.key(cause).value(count);
  json_.end_object();
  json_.end_object();
}

void ReportWriter::write(const CommandDescription& command) {
  json_.begin_object();
  json_.key("arguments").begin_array();
  for (const std::string& argument : command.arguments) json_.value(argument);
  json_.end_array();
  member("exit_status", command.exit_status);
  member("signal", command.signal);
  json_.end_object();
}

// Beside a cycle an empty list of victims is knowledge, and so is one of waiters beside a lock without a cycle; an
// empty list of holders is not. Who waited when a call went wrong nobody asked.
void ReportWriter::write(const FindingDescription& finding) {
  json_.begin_object();
  json_.key("kind").value(finding.kind);
  if (finding.cwe > 0) json_.key("cwe").value(finding.cwe);
  json_.key("severity").value(lockscope::name_of(finding.severity));
  json_.key("confidence").value(lockscope::name_of(finding.confidence));
  member("fingerprint", finding.fingerprint);
  time("first_seen", finding.first_seen);
  member("age_ns", finding.age_ns);
  member("summary", finding.summary);
  member("hint", finding.hint);
  if (!finding.cycle.empty()) array("cycle", finding.cycle);
  if (!finding.cycle.empty() || !finding.victims.empty()) array("victims", finding.victims);
  object("lock", finding.lock);
  if (!finding.holders.empty()) array("holders", finding.holders);
  const bool saw_waiters = finding.lock && finding.cycle.empty() && finding.events.empty();
  if (saw_waiters || !finding.waiters.empty()) array("waiters", finding.waiters);
  if (!finding.failing.empty()) array("failing", finding.failing);
  if (finding.standing) json_.key("standing").value(*finding.standing);
  if (!finding.orders.empty()) array("orders", finding.orders);
  if (!finding.events.empty()) array("events", finding.events);
  json_.key("evidence").begin_object();
  for (const auto& [name, fact] : finding.evidence) {
    json_.key(name);
    std::visit([this](const auto& known) { json_.value(known); }, fact);
  }
  json_.end_object();
  json_.end_object();
}

}  // namespace lockscope
