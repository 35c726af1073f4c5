// SPDX-License-Identifier: Apache-2.0
// The whole command, from exec to exit: wall time and peak memory, by the number of blocked threads. A program of its
// own, because the peak that the kernel reports of a child begins with that of its parent. Run as root.
#include <benchmark/benchmark.h>
#include <sys/resource.h>

#include <algorithm>

#include "bench/crowd.h"

namespace {

using namespace lockscope;

void command(benchmark::State& state, const char* shape) {
  const Crowd crowd(shape, state.range(0));
  long peak_kib = 0;
  for (auto _ : state) {
    const pid_t child = ::fork();
    if (child == 0) {
      if (std::freopen("/dev/null", "w", stdout) == nullptr) ::_exit(126);
      ::execl(LOCKSCOPE, LOCKSCOPE, "snapshot", "--json", "--confirm", "2ms", nullptr);
      ::_exit(127);
    }
    int status = 0;
    rusage usage{};
    ::wait4(child, &status, 0, &usage);
    if (status != 0) return state.SkipWithError("lockscope snapshot failed");
    peak_kib = std::max(peak_kib, usage.ru_maxrss);
  }
  state.counters["peak_MiB"] = static_cast<double>(peak_kib) / 1024;
}

#define SIZES Unit(benchmark::kMillisecond)->Arg(100)->Arg(1000)->Arg(10000)->Arg(30000)
BENCHMARK_CAPTURE(command, one, "one")->SIZES->UseRealTime();
BENCHMARK_CAPTURE(command, chain, "chain")->Unit(benchmark::kMillisecond)->Arg(10000)->UseRealTime();

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  const PidLimit limit;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
