// SPDX-License-Identifier: Apache-2.0
// Keeps what a live source showed, so that it can be saved and replayed: `snapshot --save`. Stands between the source,
// the self-test and the pipeline. Cost: a copy of each look, and a log of what was read of processes' memory.
#pragma once

#include <string>
#include <vector>

#include "app/pipeline.h"
#include "source/live_memory.h"
#include "source/trace_text.h"

namespace lockscope {

class TraceRecorder final : public Source, public LookFilter {
 public:
  // All must outlive it; `memory` is the source's.
  TraceRecorder(Source& source, LiveMemory& memory, LookFilter& self_test)
      : source_(source), memory_(memory), self_test_(self_test) {
    memory.keep_log();
  }

  [[nodiscard]] Result<RawSample> sample() override;
  [[nodiscard]] ProcessMemory& memory() override { return memory_; }
  TrustedKinds examine(RawSample& raw, ProcessMemory& memory) override;

  // Writes all looks to `path`, readable by its owner only: lock memory may hold anything. Replaces the file whole or
  // not at all.
  [[nodiscard]] Result<void> save(const std::string& path);

 private:
  void finish_look();  // what was asked of memory belongs to the look before

  Source& source_;
  LiveMemory& memory_;
  LookFilter& self_test_;
  std::vector<RecordedLook> looks_;
};

}  // namespace lockscope
