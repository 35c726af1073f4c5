// SPDX-License-Identifier: Apache-2.0
// The words for our enumerations, as in JSON and metrics. One place, so that a word is the same everywhere.
#include <cstdlib>

#include "lockscope/finding.h"
#include "lockscope/sample.h"

namespace lockscope {

const char* name_of(LockKind kind) {
  switch (kind) {
    case LockKind::mutex: return "mutex";
    case LockKind::recursive_mutex: return "recursive_mutex";
    case LockKind::errorcheck_mutex: return "errorcheck_mutex";
    case LockKind::adaptive_mutex: return "adaptive_mutex";
    case LockKind::robust_mutex: return "robust_mutex";
    case LockKind::pi_mutex: return "pi_mutex";
    case LockKind::priority_protect_mutex: return "priority_protect_mutex";
    case LockKind::rwlock: return "rwlock";
    case LockKind::spin: return "spin";
    case LockKind::cond: return "cond";
    case LockKind::sem: return "sem";
    case LockKind::barrier: return "barrier";
    case LockKind::once: return "once";
    case LockKind::join: return "join";
    case LockKind::stdio: return "stdio";
    case LockKind::loader: return "loader";
    case LockKind::libc_internal: return "libc_internal";
    case LockKind::flock: return "flock";
    case LockKind::posix: return "posix";
    case LockKind::ofd: return "ofd";
    case LockKind::sysv_sem: return "sysv_sem";
    case LockKind::child: return "child";
    case LockKind::futex: return "futex";
  }
  std::abort();
}

const char* name_of(Evidence evidence) {
  switch (evidence) {
    case Evidence::kernel: return "kernel";
    case Evidence::memory: return "memory";
    case Evidence::traced: return "traced";
    case Evidence::unknown: return "unknown";
  }
  std::abort();
}

const char* name_of(Severity severity) {
  switch (severity) {
    case Severity::notice: return "notice";
    case Severity::warning: return "warning";
    case Severity::critical: return "critical";
  }
  std::abort();
}

const char* name_of(Confidence confidence) {
  switch (confidence) {
    case Confidence::likely: return "likely";
    case Confidence::confirmed: return "confirmed";
  }
  std::abort();
}

}  // namespace lockscope
