// SPDX-License-Identifier: Apache-2.0
#include "app/sources.h"

#include "source/bpf_source.h"
#include "source/proc_source.h"

namespace lockscope {

Result<ChosenSource> choose_source(bool no_bpf) {
  ChosenSource chosen;
  if (!no_bpf) {
    auto bpf = BpfSource::create();
    if (bpf) {
      chosen.memory = &(*bpf)->memory();
      if (const auto& error = (*bpf)->file_locks_error()) {
        chosen.notes.push_back("holders of file locks are unknown: " + error->line());
      }
      chosen.source = std::move(*bpf);
      return chosen;
    }
    chosen.notes.push_back("reading /proc instead of BPF: " + bpf.error().line());
  }
  auto proc = ProcSource::open();
  if (!proc) return std::unexpected(proc.error());
  chosen.memory = &(*proc)->memory();
  chosen.source = std::move(*proc);
  return chosen;
}

}  // namespace lockscope
