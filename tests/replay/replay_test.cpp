// SPDX-License-Identifier: Apache-2.0
// Each trace of traces/ through the real pipeline, its findings compared with those of its .expect file: a line a
// finding, "KIND CONFIDENCE TID...", the tids of the cycle in waiting order or, where there is none, of the waiters. An
// empty file: nothing may be found.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include "app/pipeline.h"
#include "source/replay_source.h"
#include "source/trace_text.h"

namespace lockscope {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> trace_names() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(TRACES)) {
    if (entry.path().extension() == ".trace") names.push_back(entry.path().stem().string());
  }
  std::ranges::sort(names);
  return names;
}

std::multiset<std::string> expected_of(const fs::path& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file) << path << " is missing";
  std::multiset<std::string> lines;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty() && line.front() != '#') lines.insert(line);
  }
  return lines;
}

std::string line_of(const Finding& f, const Sample& sample) {
  std::string line = fmt::format("{} {}", f.kind, name_of(f.confidence));
  for (std::size_t wait : f.cycle.empty() ? f.waiters : f.cycle) {
    line += fmt::format(" {}", sample.raw.threads[sample.waits[wait].thread].id.tid);
  }
  return line;
}

class Replay : public testing::TestWithParam<std::string> {};

TEST_P(Replay, GivesTheFindingsThatItWasSavedWith) {
  const fs::path path = fs::path(TRACES) / (GetParam() + ".trace");
  auto looks = read_trace_file(path.string());
  ASSERT_TRUE(looks) << looks.error().line();
  ReplaySource source(std::move(*looks));
  const auto judged = look_and_judge(source, {}, nullptr, nullptr, true);
  ASSERT_TRUE(judged) << judged.error().line();
  std::multiset<std::string> found;
  for (const Finding& f : judged->findings) found.insert(line_of(f, judged->now));
  EXPECT_EQ(found, expected_of(fs::path(TRACES) / (GetParam() + ".expect")));
}

INSTANTIATE_TEST_SUITE_P(Traces, Replay, testing::ValuesIn(trace_names()),
                         [](const auto& trace) { return trace.param; });

TEST(ReplayTraces, AreThere) { EXPECT_GE(trace_names().size(), 20u); }

// The same bytes give the same findings, word for word.
TEST(ReplayTraces, GiveTheSameTwice) {
  for (const std::string& name : trace_names()) {
    std::vector<std::string> rounds;
    for (int round = 0; round < 2; ++round) {
      auto looks = read_trace_file((fs::path(TRACES) / (name + ".trace")).string());
      ASSERT_TRUE(looks) << looks.error().line();
      ReplaySource source(std::move(*looks));
      const auto judged = look_and_judge(source, {}, nullptr, nullptr, true);
      ASSERT_TRUE(judged);
      std::string text;
      for (const Finding& f : judged->findings) text += f.fingerprint + " " + f.summary + "\n";
      rounds.push_back(text);
    }
    EXPECT_EQ(rounds[0], rounds[1]) << name;
  }
}

}  // namespace
}  // namespace lockscope
