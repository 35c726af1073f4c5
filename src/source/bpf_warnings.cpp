// SPDX-License-Identifier: Apache-2.0
#include "source/bpf_warnings.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

namespace lockscope {
namespace {

std::string last_warning;

int keep_last_line(libbpf_print_level level, const char* format, va_list args) __attribute__((format(printf, 2, 0)));

int keep_last_line(libbpf_print_level level, const char* format, va_list args) {
  if (level != LIBBPF_WARN) return 0;
  std::array<char, 512> line{};
  std::vsnprintf(line.data(), line.size(), format, args);
  std::string text(line.data());
  if (text.find("BEGIN PROG LOAD LOG") != std::string::npos) return 0;
  last_warning = text.substr(0, text.find('\n'));
  return 0;
}

}  // namespace

BpfWarnings::BpfWarnings() : previous_(libbpf_set_print(keep_last_line)) { last_warning.clear(); }
BpfWarnings::~BpfWarnings() { libbpf_set_print(previous_); }
void BpfWarnings::forget() { last_warning.clear(); }

Error BpfWarnings::refusal(const char* what) const {
  const int error = errno;
  std::string hint = "'lockscope doctor' shows what is missing";
  if (error == EPERM || error == EACCES) hint = "needs CAP_BPF and CAP_PERFMON, or root";
  if (::access("/sys/kernel/btf/vmlinux", R_OK) != 0) hint = "this kernel has no BTF (CONFIG_DEBUG_INFO_BTF)";
  std::string why = std::strerror(error);
  if (error != EPERM && error != EACCES && !last_warning.empty()) why += ": " + last_warning;
  return {ErrorKind::unsupported, what, why, hint};
}

}  // namespace lockscope
