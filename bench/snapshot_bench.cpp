// SPDX-License-Identifier: Apache-2.0
// What a look costs, by the number of blocked threads on the host, and where the time goes. Run as root.
// Sizes and shapes are interleaved (--benchmark_enable_random_interleaving=true): read the per-thread figures against
// each other, not the times against another machine's.
#include <benchmark/benchmark.h>

#include "app/pipeline.h"
#include "bench/crowd.h"
#include "source/bpf_source.h"
#include "source/proc_source.h"

namespace {

using namespace lockscope;

void per_thread(benchmark::State& state, const char* name, std::uint64_t total_ns, std::uint64_t threads) {
  const double looks = static_cast<double>(state.iterations());
  state.counters[name] = threads == 0 ? 0 : static_cast<double>(total_ns) / looks / static_cast<double>(threads);
}

template <class AnySource>
void look(benchmark::State& state, AnySource& source) {
  std::uint64_t pass_ns = 0, look_ns = 0, threads = 0;
  for (auto _ : state) {
    auto raw = source.sample();
    if (!raw) {
      state.SkipWithError(raw.error().line().c_str());
      return;
    }
    look_ns += raw->duration_ns;
    if constexpr (requires { source.last_cost(); }) pass_ns += source.last_cost().threads_pass_ns;
    threads = raw->threads.size();
    const Sample sample = classify(std::move(*raw), source.memory());
    benchmark::DoNotOptimize(sample.waits.data());
  }
  state.counters["threads"] = static_cast<double>(threads);
  per_thread(state, "kernel_ns_per_thread", pass_ns, threads);
  per_thread(state, "read_ns_per_thread", look_ns, threads);
}

void bpf_look(benchmark::State& state, const char* shape) {
  const Crowd crowd(shape, state.range(0));
  auto source = BpfSource::create();
  if (!source) return state.SkipWithError(source.error().line().c_str());
  look(state, **source);
}

void proc_look(benchmark::State& state) {
  const Crowd crowd("one", state.range(0));
  auto source = ProcSource::open();
  if (!source) return state.SkipWithError(source.error().line().c_str());
  look(state, **source);
}

// Two looks, compared, solved and judged by every detector; no time between them.
void judgement(benchmark::State& state, const char* shape) {
  const Crowd crowd(shape, state.range(0));
  auto source = BpfSource::create();
  if (!source) return state.SkipWithError(source.error().line().c_str());
  std::size_t findings = 0;
  for (auto _ : state) {
    auto judged = look_and_judge(**source, {.confirm = {}, .thresholds = {}}, nullptr, nullptr, false);
    if (!judged) return state.SkipWithError(judged.error().line().c_str());
    findings = judged->findings.size();
  }
  state.counters["findings"] = static_cast<double>(findings);
}

#define SIZES Unit(benchmark::kMillisecond)->Arg(100)->Arg(1000)->Arg(10000)->Arg(30000)
BENCHMARK_CAPTURE(bpf_look, one, "one")->SIZES;
BENCHMARK_CAPTURE(bpf_look, chain, "chain")->Unit(benchmark::kMillisecond)->Arg(10000);
BENCHMARK(proc_look)->Unit(benchmark::kMillisecond)->Arg(100)->Arg(1000)->Arg(10000);
BENCHMARK_CAPTURE(judgement, one, "one")->SIZES;
BENCHMARK_CAPTURE(judgement, chain, "chain")->Unit(benchmark::kMillisecond)->Arg(10000);

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  const PidLimit limit;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
