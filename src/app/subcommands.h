// SPDX-License-Identifier: Apache-2.0
// One function a subcommand, one file each. They return the exit status; errors come back for main to print.
#pragma once

#include "app/options.h"

namespace lockscope {

[[nodiscard]] Result<int> run_snapshot(const SnapshotOptions& options);
[[nodiscard]] Result<int> run_record(const RecordOptions& options);
[[nodiscard]] Result<int> run_audit(const AuditOptions& options);
[[nodiscard]] Result<int> run_doctor(const DoctorOptions& options);
[[nodiscard]] Result<int> run_replay(const ReplayOptions& options);
[[nodiscard]] Result<int> run_run(const RunOptions& options);
[[nodiscard]] Result<int> run_trace(const TracePidsOptions& options);

}  // namespace lockscope
