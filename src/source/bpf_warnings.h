// SPDX-License-Identifier: Apache-2.0
// libbpf explains failures by printing. While one of these lives, its last warning is kept instead: the reason worth
// showing. For the sources; one at a time, from one thread.
#pragma once

#include <bpf/libbpf.h>

#include "lockscope/result.h"

namespace lockscope {

class BpfWarnings {
 public:
  BpfWarnings();
  ~BpfWarnings();
  BpfWarnings(const BpfWarnings&) = delete;
  BpfWarnings& operator=(const BpfWarnings&) = delete;

  void forget();
  // For the call that has just failed: errno, and what libbpf said of it.
  [[nodiscard]] Error refusal(const char* what) const;

 private:
  libbpf_print_fn_t previous_;
};

}  // namespace lockscope
