// SPDX-License-Identifier: Apache-2.0
#include "source/shared_lock_programs.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include <cerrno>
#include <cstdarg>
#include <cstring>

#include "shared_lock_probes.skel.h"

namespace lockscope {
namespace {

using Kind = UprobeLink::Kind;
using At = UprobeLink::At;

int silent(libbpf_print_level, const char*, va_list) { return 0; }

}  // namespace

struct SharedLockPrograms::Skeleton {
  ~Skeleton() { shared_lock_probes__destroy(bpf); }

  // False: errno says why.
  bool load(Kind kind) {
    shared_lock_probes__destroy(std::exchange(bpf, shared_lock_probes__open()));
    if (bpf == nullptr) return false;
    const bool session = kind == Kind::session;
    auto& programs = bpf->progs;
    bpf_program__set_autoload(programs.session, session);
    bpf_program__set_autoload(programs.on_entry, !session);
    bpf_program__set_autoload(programs.on_return, !session);
    for (bpf_program* program : {programs.session, programs.on_entry, programs.on_return}) {
      bpf_program__set_expected_attach_type(program, static_cast<bpf_attach_type>(kind));
    }
    if (shared_lock_probes__load(bpf) != 0) return false;
    if (UprobeLink::supported(bpf_program__fd(session ? programs.session : programs.on_entry), kind)) return true;
    errno = EOPNOTSUPP;
    return false;
  }

  shared_lock_probes* bpf = nullptr;
};

SharedLockPrograms::SharedLockPrograms(std::unique_ptr<Skeleton> skeleton) : skeleton_(std::move(skeleton)) {}
SharedLockPrograms::~SharedLockPrograms() = default;

Result<std::unique_ptr<SharedLockPrograms>> SharedLockPrograms::create(bool sessions) {
  std::unique_ptr<SharedLockPrograms> programs(new SharedLockPrograms(std::make_unique<Skeleton>()));
  libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
  const auto previous = libbpf_set_print(silent);  // that a kernel lacks this is nothing to warn of
  bool loaded = false;
  for (const Kind kind : {Kind::session, Kind::multi}) {
    if (kind == Kind::session && !sessions) continue;
    programs->kind_ = kind;
    loaded = programs->skeleton_->load(kind);
    if (loaded) break;
  }
  const int error = errno;
  libbpf_set_print(previous);
  if (loaded) return programs;
  const bool forbidden = error == EPERM || error == EACCES;
  return fail(ErrorKind::unsupported, "cannot probe locks in shared memory", std::strerror(error),
              forbidden ? "needs CAP_BPF and CAP_PERFMON, or root" : "needs uprobe_multi links, Linux 6.6 or later");
}

bool SharedLockPrograms::tell(std::size_t number, const std::vector<SharedRange>& ranges,
                              const std::vector<FileSpan>& bodies) {
  ls_shared_target told{};
  for (const SharedRange& range : ranges) {
    if (told.ranges < LS_SHARED_RANGES) told.range[told.ranges++] = {range.start, range.end};
  }
  for (const FileSpan& body : bodies) {
    if (told.bodies < LS_SHARED_BODIES) told.body[told.bodies++] = {body.start, body.end};
  }
  const auto key = static_cast<std::uint32_t>(number);
  bpf_map_update_elem(bpf_map__fd(skeleton_->bpf->maps.targets), &key, &told, BPF_ANY);
  return ranges.size() <= LS_SHARED_RANGES;
}

Result<std::vector<UprobeLink>> SharedLockPrograms::attach(std::size_t number, const std::vector<ProbeFile>& files,
                                                           pid_t pid, bool waits) {
  auto& programs = skeleton_->bpf->progs;
  std::vector<std::pair<int, At>> hooks{{bpf_program__fd(programs.session), At::entry}};
  if (kind_ == Kind::multi) {
    hooks = {{bpf_program__fd(programs.on_return), At::returning}, {bpf_program__fd(programs.on_entry), At::entry}};
  }
  std::vector<UprobeLink> links;
  for (const ProbeFile& file : files) {
    std::vector<std::uint64_t> offsets;
    std::vector<std::uint64_t> cookies;
    for (const ProbeSite& site : file.sites) {
      if (!waits && (site.call == LS_CALL_SEM_WAIT || site.call == LS_CALL_SEM_TIMED)) continue;
      // Each hit hooks the return once more, up to a limit of the kernel's; a session can tell.
      offsets.push_back(kind_ == Kind::multi && site.again ? site.entry : site.offset);
      cookies.push_back(number | static_cast<std::uint64_t>(site.call) << LS_SHARED_COOKIE_CALL);
    }
    if (offsets.empty()) continue;
    const UprobeLink::Place place{fmt::format("/proc/self/fd/{}", file.fd.get()), offsets, cookies, pid};
    for (const auto& [program, at] : hooks) {
      auto link = UprobeLink::attach(program, kind_, at, place);
      if (!link) return std::unexpected(link.error());
      links.push_back(std::move(*link));
    }
  }
  return links;
}

Result<SharedLockPrograms::Counted> SharedLockPrograms::counts() const {
  constexpr std::uint32_t kMost = LS_SHARED_TARGETS * LS_SHARED_USES;
  constexpr std::uint32_t kPiece = 1024;  // more than any bucket holds
  std::vector<ls_shared_key> keys(kPiece);
  std::vector<ls_shared_use> uses(kPiece);
  Counted counted;
  const int map = bpf_map__fd(skeleton_->bpf->maps.uses);
  std::uint32_t position = 0;
  for (bool first = true; counted.size() < 2 * kMost; first = false) {
    std::uint32_t count = kPiece;
    const int failed =
        bpf_map_lookup_batch(map, first ? nullptr : &position, &position, keys.data(), uses.data(), &count, nullptr);
    if (failed != 0 && errno != ENOENT) {
      return fail(ErrorKind::failed, "cannot read the counts of shared-memory locks", std::strerror(errno));
    }
    for (std::uint32_t i = 0; i < count; ++i) counted.emplace_back(keys[i], uses[i]);
    if (failed != 0) break;  // that was all
  }
  return counted;
}

std::uint64_t SharedLockPrograms::private_calls(std::size_t number) const {
  const auto key = static_cast<std::uint32_t>(number);
  ls_shared_load load{};
  bpf_map_lookup_elem(bpf_map__fd(skeleton_->bpf->maps.loads), &key, &load);
  return load.private_calls;
}

void SharedLockPrograms::forget(const Counted& counted, std::size_t number) {
  for (const auto& [key, use] : counted) {
    if (key.target == number) bpf_map_delete_elem(bpf_map__fd(skeleton_->bpf->maps.uses), &key);
  }
  const auto key = static_cast<std::uint32_t>(number);
  const ls_shared_load none{};
  bpf_map_update_elem(bpf_map__fd(skeleton_->bpf->maps.loads), &key, &none, BPF_ANY);
}

void SharedLockPrograms::begin_window() { ++skeleton_->bpf->bss->window; }

SharedLockPrograms::Lost SharedLockPrograms::lost() const {
  return {skeleton_->bpf->bss->lost_uses, skeleton_->bpf->bss->lost_calls};
}

}  // namespace lockscope
