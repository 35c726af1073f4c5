// SPDX-License-Identifier: Apache-2.0
#include "exporters/text/text_exporter.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "exporters/text/chain_view.h"
#include "exporters/text/contention_view.h"
#include "exporters/text/duration.h"
#include "exporters/text/escape.h"
#include "exporters/text/finding_view.h"
#include "exporters/text/phrases.h"
#include "exporters/text/profile_view.h"
#include "exporters/text/wait_forest.h"

namespace lockscope {

namespace {

constexpr std::size_t kDrawn = 10;  // findings in full
constexpr std::size_t kNamed = 40;  // besides, findings in two lines
constexpr std::size_t kCauses = 8;
constexpr std::size_t kArguments = 16;  // of a command
constexpr std::size_t kArgumentColumns = 72;

// What the sentence of innocence speaks of.
constexpr std::array<std::string_view, 3> kHangs{"deadlock", "self_deadlock", "abandoned_lock"};

// Beside these, the same sentence of a traced program would be true, but no comfort.
constexpr std::array<std::string_view, 8> kMisuses{
    "lock_order_inversion",   "double_unlock",      "unlock_not_locked",   "unlock_not_owner", "relock",
    "destroyed_while_locked", "exit_while_holding", "ignored_lock_failure"};

void show_findings(const Report& report, Painter& painter) {
  std::vector<const FindingDescription*> findings;
  for (const FindingDescription& finding : report.findings) findings.push_back(&finding);
  std::ranges::stable_sort(findings, std::greater{}, &FindingDescription::severity);
  for (std::size_t index = 0; index < findings.size() && index < kDrawn + kNamed; ++index) {
    index < kDrawn ? show_finding(*findings[index], painter) : show_finding_briefly(*findings[index], painter);
  }
  if (findings.size() > kDrawn + kNamed) {
    painter.line(fmt::format("… {} (--json has all)", count_of(findings.size() - kDrawn - kNamed, "more finding")));
  }
  if (findings.size() > kDrawn) painter.line();
}

// What was lost is not cleared: show_coverage counts it.
void show_innocence_of_traced(const Report& report, Painter& painter) {
  const auto is_misuse = [](const FindingDescription& finding) {
    return std::ranges::count(kMisuses, finding.kind) > 0;
  };
  if (std::ranges::any_of(report.findings, is_misuse)) return;
  const bool lost =
      std::ranges::any_of(report.coverage.lost_events, [](const auto& cause) { return cause.second > 0; });
  if (report.profile && report.profile->acquired == 0 && report.findings.empty()) {
    painter.wrapped("", "", "No lock was seen to be taken: this report says nothing about locks.");
  } else if (report.findings_suppressed > 0) {
    painter.wrapped("", "", "Nothing but what is suppressed was found.");
  } else if (lost) {
    painter.wrapped("", "", "No deadlock and no misuse of a lock was seen; but not all was seen.");
  } else {
    painter.wrapped("", "", "No deadlock and no misuse of a lock was seen.");
  }
  painter.line();
}

void show_innocence(const Report& report, Painter& painter) {
  const auto is_hang = [](const FindingDescription& finding) { return std::ranges::count(kHangs, finding.kind) > 0; };
  if (std::ranges::any_of(report.findings, is_hang)) return;
  if (report.level == "full") {
    show_innocence_of_traced(report, painter);
    return;
  }
  const Coverage& seen = report.coverage;
  if (seen.threads_seen == 0) {
    painter.line("No thread was seen: this report says nothing about the host.");
    painter.line();
    return;
  }
  std::string sentence = fmt::format("No deadlock, no self-deadlock, no abandoned lock among {} ({} waiting)",
                                     count_of(seen.threads_seen, "thread"), seen.threads_waiting);
  // Only what was seen is cleared.
  const std::uint64_t unseen = seen.unreadable + seen.not_understood;
  if (unseen > 0) sentence += fmt::format("; {} of them could not be judged", unseen);
  painter.wrapped("", "", sentence + ".");
  painter.line();
}

// "3 condition variable, 1 futex": most first.
std::string counts_by_kind(const std::map<LockKind, std::size_t>& counts) {
  std::vector<std::pair<LockKind, std::size_t>> sorted(counts.begin(), counts.end());
  std::ranges::stable_sort(sorted, std::greater{}, &std::pair<LockKind, std::size_t>::second);
  std::string text;
  for (const auto& [kind, count] : sorted)
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, name_of(kind));
  return text;
}

void show_unknown(const Report& report, const WaitForest& forest, const ExportOptions& options, Painter& painter) {
  if (options.all) {
    list_unknown(forest, painter);
    return;
  }
  std::map<LockKind, std::size_t> counts = report.hidden_by_kind;
  for (const WaitDescription* wait : forest.unknown()) ++counts[wait->lock.kind];
  const std::size_t total = forest.unknown().size() + report.waits_hidden;
  if (total == 0) return;
  const std::string kinds = counts_by_kind(counts);
  painter.wrapped("", "  ",
                  fmt::format("{} {} idle or for a holder that is not known{}{} (--all lists them)",
                              count_of(total, "wait"), total == 1 ? "is" : "are", kinds.empty() ? "" : ": ", kinds));
}

void show_coverage(const Report& report, Painter& painter) {
  const Coverage& seen = report.coverage;
  std::vector<std::string> remarks;
  if (seen.unreadable > 0) {
    remarks.push_back(fmt::format("{} could not be read (other users' threads, without privilege; or gone in between)",
                                  count_of(seen.unreadable, "thread")));
  }
  if (seen.not_understood > 0) {
    remarks.push_back(fmt::format("{} in 32-bit programs: not understood", count_of(seen.not_understood, "thread")));
  }
  std::size_t causes = 0;
  for (const auto& [cause, count] : seen.lost_events) {
    if (count == 0 || causes++ >= kCauses) continue;
    remarks.push_back(fmt::format("{} lost: {}", count, escape(cause)));
  }
  for (const std::string& note : report.notes) remarks.push_back(escape(note));
  if (remarks.empty()) return;
  painter.line(painter.paint(Ink::notice, "Not seen"));
  for (const std::string& remark : remarks) painter.wrapped("  ", "    ", remark);
}

void show_command(const CommandDescription& command, Painter& painter) {
  std::string words = "Ran";
  const std::size_t room = std::min<std::size_t>(painter.width() - 4, kArgumentColumns);
  for (std::size_t i = 0; i < command.arguments.size() && i < kArguments; ++i) {
    const std::string& argument = command.arguments[i];
    words += ' ' + (argument.empty() ? "''" : escape_path_to(argument, room));
  }
  if (command.arguments.size() > kArguments) words += fmt::format(" … {} more", command.arguments.size() - kArguments);
  std::string end = ": not ended";
  if (command.exit_status) end = fmt::format(": status {}", *command.exit_status);
  if (command.signal) {
    const char* name = ::sigabbrev_np(*command.signal);
    end = fmt::format(": ended by signal {}{}", *command.signal, name == nullptr ? "" : fmt::format(" (SIG{})", name));
  }
  painter.wrapped("", "  ", words + end);
}

void show_foot(const Report& report, Painter& painter) {
  std::string foot;
  if (!report.host.name.empty()) foot += escape(report.host.name) + ", ";
  if (!report.host.kernel.empty()) foot += "Linux " + escape(report.host.kernel) + ", ";
  foot += fmt::format("{} UTC, took {}", date_and_time(report.taken),
                      human_duration(static_cast<std::uint64_t>(std::max<std::int64_t>(0, report.duration.count()))));
  if (!report.source.empty()) foot += ", source " + escape(report.source);
  painter.line(painter.paint(Ink::faint, foot));
}

}  // namespace

void TextExporter::write(const Report& report, const ExportOptions& options, std::ostream& out) const {
  Painter painter(out, options.color, options.width);
  show_findings(report, painter);
  if (options.quiet) return;
  show_innocence(report, painter);
  if (report.contention) show_contention(*report.contention, painter);
  if (report.profile) show_profile(*report.profile, painter);
  const WaitForest forest(report);
  if (show_chains(forest, painter)) painter.line();
  show_unknown(report, forest, options, painter);
  show_coverage(report, painter);
  if (report.command) show_command(*report.command, painter);
  show_foot(report, painter);
}

}  // namespace lockscope
