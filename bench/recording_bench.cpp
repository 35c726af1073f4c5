// SPDX-License-Identifier: Apache-2.0
// What a recording costs: bytes a tick and time a tick, by the number of threads of the host, and lock events a second
// through to whoever reads. Run as root: it looks at this host, with a crowd on it.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <cstdio>
#include <random>
#include <string>
#include <vector>

#include "bench/crowd.h"
#include "classify/classify.h"
#include "recording/recording.h"
#include "source/bpf_source.h"

namespace {

using namespace lockscope;

constexpr int kTicks = 20;  // of one recording

class Scratch {
 public:
  Scratch() {
    const int fd = ::mkstemp(path_.data());
    if (fd < 0) std::abort();
    ::close(fd);
  }
  ~Scratch() { std::remove(path_.c_str()); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_ = "/tmp/lockscope-bench-XXXXXX";
};

// Ticks of this host as they come, half a second of nothing between them left out.
std::vector<RecordedTick> ticks_of_host(benchmark::State& state) {
  std::vector<RecordedTick> ticks;
  auto source = BpfSource::create();
  if (!source) {
    state.SkipWithError(source.error().line().c_str());
    return ticks;
  }
  (*source)->memory().keep_log();
  for (int i = 0; i < kTicks; ++i) {
    auto raw = (*source)->sample();
    if (!raw) {
      state.SkipWithError(raw.error().line().c_str());
      return {};
    }
    RecordedTick& tick = ticks.emplace_back();
    tick.look = std::move(*raw);
    benchmark::DoNotOptimize(classify(tick.look, (*source)->memory()));
    tick.memory = (*source)->memory().log();
  }
  return ticks;
}

void write_looks(benchmark::State& state, const char* shape) {
  const Crowd crowd(shape, state.range(0));
  const std::vector<RecordedTick> ticks = ticks_of_host(state);
  const Scratch scratch;
  std::uint64_t first = 0, later = 0;
  for (auto _ : state) {
    auto writer = RecordingWriter::create(scratch.path(), {});
    if (!writer) return state.SkipWithError(writer.error().line().c_str());
    for (const RecordedTick& tick : ticks) {
      if (auto written = writer->write_tick(tick); !written) return state.SkipWithError(written.error().line().c_str());
      if (writer->ticks_written() == 1) first = writer->bytes_written();
    }
    later = (writer->bytes_written() - first) / (kTicks - 1);
  }
  state.counters["threads"] = static_cast<double>(ticks.empty() ? 0 : ticks.back().look.threads.size());
  state.counters["first_tick_bytes"] = static_cast<double>(first);
  state.counters["later_tick_bytes"] = static_cast<double>(later);
  state.counters["a_tick"] = benchmark::Counter(static_cast<double>(state.iterations()) * kTicks,
                                                benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void read_looks(benchmark::State& state, const char* shape) {
  const Crowd crowd(shape, state.range(0));
  const Scratch scratch;
  {
    auto writer = RecordingWriter::create(scratch.path(), {});
    if (!writer) return state.SkipWithError(writer.error().line().c_str());
    for (const RecordedTick& tick : ticks_of_host(state)) (void)writer->write_tick(tick);
  }
  for (auto _ : state) {
    auto reader = RecordingReader::open(scratch.path());
    if (!reader) return state.SkipWithError(reader.error().line().c_str());
    std::size_t ticks = 0;
    for (auto tick = reader->next(); tick && *tick; tick = reader->next()) ++ticks;
    if (ticks != kTicks) return state.SkipWithError("not all ticks came back");
  }
  state.counters["a_tick"] = benchmark::Counter(static_cast<double>(state.iterations()) * kTicks,
                                                benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

// A busy host: waits that end in no order of threads or locks, of very different lengths.
ContentionWindow busy_window(std::size_t events, std::mt19937_64& random, std::uint64_t begin) {
  ContentionWindow window;
  window.begin_ns = begin;
  window.end_ns = begin + 500'000'000;
  for (std::size_t i = 0; i < events; ++i) {
    LockEvent& event = window.events.emplace_back();
    event.verb = random() % 50 == 0 ? LockEvent::Verb::abandoned : LockEvent::Verb::acquired;
    event.time_ns = begin + 500'000'000 * i / events + random() % 100;
    event.wait_ns = std::uint64_t{1000} << random() % 20 | random() % 1000;
    event.run_queue_ns = random() % 50'000;
    event.pid = 1000 + static_cast<pid_t>(random() % 50);
    event.tid = event.pid + static_cast<pid_t>(random() % 20);
    event.waker_pid = event.pid;
    event.waker_tid = event.pid + static_cast<pid_t>(random() % 20);
    if (random() % 4 == 0) {
      event.lock = LockOfFile{{2049, 100'000 + random() % 100}, true};
    } else {
      event.lock = WordOfProcess{event.pid, 0x7f00'0000'0000 + 64 * (random() % 200)};
    }
  }
  return window;
}

void read_events(benchmark::State& state) {
  const auto each = static_cast<std::size_t>(state.range(0));
  const Scratch scratch;
  std::uint64_t bytes = 0;
  {
    auto writer = RecordingWriter::create(scratch.path(), {});
    if (!writer) return state.SkipWithError(writer.error().line().c_str());
    std::mt19937_64 random(1);
    for (int i = 0; i < kTicks; ++i) {
      RecordedTick tick;
      tick.window = busy_window(each, random, 1'000'000'000 + 500'000'000 * static_cast<std::uint64_t>(i));
      if (auto written = writer->write_tick(std::move(tick)); !written) {
        return state.SkipWithError(written.error().line().c_str());
      }
    }
    bytes = writer->bytes_written();
  }
  std::uint64_t events = 0, waited = 0;
  for (auto _ : state) {
    auto reader = RecordingReader::open(scratch.path());
    if (!reader) return state.SkipWithError(reader.error().line().c_str());
    for (auto tick = reader->next(); tick && *tick; tick = reader->next()) {
      for (const LockEvent& event : (*tick)->window.events) waited += event.wait_ns;
      events += (*tick)->window.events.size();
    }
  }
  benchmark::DoNotOptimize(waited);
  state.counters["events"] = benchmark::Counter(static_cast<double>(events), benchmark::Counter::kIsRate);
  state.counters["bytes_an_event"] = static_cast<double>(bytes) / (static_cast<double>(each) * kTicks);
}

void write_events(benchmark::State& state) {
  const auto each = static_cast<std::size_t>(state.range(0));
  const Scratch scratch;
  std::mt19937_64 random(1);
  RecordedTick tick;
  tick.window = busy_window(each, random, 1'000'000'000);
  auto writer = RecordingWriter::create(scratch.path(), {});
  if (!writer) return state.SkipWithError(writer.error().line().c_str());
  for (auto _ : state) {
    if (auto written = writer->write_tick(tick); !written) return state.SkipWithError(written.error().line().c_str());
  }
  state.counters["events"] = benchmark::Counter(static_cast<double>(state.iterations()) * static_cast<double>(each),
                                                benchmark::Counter::kIsRate);
}

BENCHMARK_CAPTURE(write_looks, one, "one")->Unit(benchmark::kMillisecond)->Arg(100)->Arg(10000);
BENCHMARK_CAPTURE(write_looks, chain, "chain")->Unit(benchmark::kMillisecond)->Arg(10000);
BENCHMARK_CAPTURE(read_looks, one, "one")->Unit(benchmark::kMillisecond)->Arg(100)->Arg(10000);
BENCHMARK(read_events)->Unit(benchmark::kMillisecond)->Arg(1000)->Arg(100000);
BENCHMARK(write_events)->Unit(benchmark::kMillisecond)->Arg(100000);

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  const PidLimit limit;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
