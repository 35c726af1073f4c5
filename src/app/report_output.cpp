// SPDX-License-Identifier: Apache-2.0
#include "app/report_output.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "exporters/catalog.h"

namespace lockscope {
namespace {

std::size_t terminal_width() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40) return size.ws_col;
  return 100;
}

bool color_allowed(const CommonOptions& options) {
  const char* no_color = std::getenv("NO_COLOR");
  return !options.no_color && (no_color == nullptr || *no_color == '\0');
}

int exit_status_of(const Report& report, const CommonOptions& options) {
  const bool counts =
      std::ranges::any_of(report.findings, [&](const FindingDescription& f) { return f.severity >= options.fail_on; });
  return options.exit_code && counts ? 1 : 0;
}

}  // namespace

bool color_wanted(const CommonOptions& options) { return color_allowed(options) && ::isatty(STDOUT_FILENO) == 1; }

void say(const char* level, const std::string& text) { std::fprintf(stderr, "lockscope: %s%s\n", level, text.c_str()); }

int write_report(const Report& report, const CommonOptions& options, bool all) {
  const auto exporter = make_exporter(options.json ? "json" : "text");
  const ExportOptions how{
      .color = color_wanted(options), .width = terminal_width(), .quiet = options.quiet, .all = all};
  exporter->write(report, how, std::cout);
  return finish_lines(report, options);
}

Result<int> write_report_to(const Report& report, const CommonOptions& options, const std::string& file,
                            bool standard_output) {
  if (file.empty() && standard_output) return write_report(report, options, false);
  const auto exporter = make_exporter(options.json ? "json" : "text");
  if (file.empty()) {
    const bool color = ::isatty(STDERR_FILENO) == 1 && color_allowed(options);
    exporter->write(report, {.color = color, .width = terminal_width(), .quiet = options.quiet, .all = false}, std::cerr);
    return exit_status_of(report, options);
  }
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  if (out) exporter->write(report, {.color = false, .width = 120, .quiet = options.quiet, .all = false}, out);
  out.close();
  if (!out) return fail(ErrorKind::usage, "cannot write '" + file + "'", std::strerror(errno));
  return exit_status_of(report, options);
}

void write_finding_line(const FindingDescription& finding) {
  Report report;
  report.findings.push_back(finding);
  std::ostringstream text;
  make_exporter("json")->write(report, {}, text);
  std::cout << nlohmann::ordered_json::parse(text.str())["findings"][0].dump() << std::endl;
}

int finish_lines(const Report& report, const CommonOptions& options) {
  errno = 0;
  std::cout.flush();
  if (!std::cout) {
    say("cannot write to standard output: ", errno != 0 ? std::strerror(errno) : "it was refused");
    return 3;
  }
  return exit_status_of(report, options);
}

}  // namespace lockscope
