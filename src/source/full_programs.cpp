// SPDX-License-Identifier: Apache-2.0
#include "source/full_programs.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>

#include "full.skel.h"
#include "source/bpf_iterator.h"
#include "source/bpf_warnings.h"

namespace lockscope {
namespace {

using Kind = UprobeLink::Kind;
using At = UprobeLink::At;

// struct ls_full_state of bpf/full.h: what both sides know of it.
struct LevelState {
  std::uint64_t long_hold_ns, steals;
  std::uint32_t last_image, reader_level;
  std::uint64_t lost_records, lost_uses, lost_acquired, lost_chains, lost_calls, lost_threads, unreadable, deep_holds;
};

constexpr std::uint32_t kZero = 0;

// How many PID namespaces this process is inside of.
std::uint32_t own_level() {
  std::array<char, 4096> text{};
  const UniqueFd fd(::open("/proc/self/status", O_RDONLY | O_CLOEXEC));
  const ssize_t got = fd ? ::read(fd.get(), text.data(), text.size() - 1) : 0;
  const char* line = got > 0 ? std::strstr(text.data(), "\nNSpid:") : nullptr;
  if (line == nullptr) return 0;
  // As many numbers as there are namespaces from that of this /proc down to its own; the last is its own.
  std::uint32_t numbers = 0;
  for (const char* c = line + 7; *c != '\0' && *c != '\n'; ++c) numbers += *c == '\t' ? 1 : 0;
  return numbers > 0 ? numbers - 1 : 0;
}

bool kernel_has_function(const char* name) {
  const std::unique_ptr<btf, decltype(&btf__free)> types(btf__load_vmlinux_btf(), &btf__free);
  return types && btf__find_by_name_kind(types.get(), name, BTF_KIND_FUNC) > 0;
}

template <class Key, class Value>
Result<std::vector<std::pair<Key, Value>>> read_table(int map, std::size_t most) {
  constexpr std::uint32_t kPiece = 4096;
  std::vector<Key> keys(kPiece);
  std::vector<Value> values(kPiece);
  std::vector<std::pair<Key, Value>> entries;
  std::uint32_t position = 0;
  for (bool first = true; entries.size() <= 2 * most; first = false) {
    std::uint32_t count = kPiece;
    const int failed =
        bpf_map_lookup_batch(map, first ? nullptr : &position, &position, keys.data(), values.data(), &count, nullptr);
    if (failed != 0 && errno != ENOENT) {
      return fail(ErrorKind::failed, "cannot read what was counted", std::strerror(errno));
    }
    for (std::uint32_t i = 0; i < count; ++i) entries.emplace_back(keys[i], values[i]);
    if (failed != 0) break;  // that was all
  }
  return entries;
}

}  // namespace

struct FullPrograms::Parts {
  ~Parts() {
    ring_buffer__free(ring);
    full__destroy(bpf);
  }

  // False: errno says why.
  bool load(Kind wanted) {
    full__destroy(std::exchange(bpf, full__open()));
    if (bpf == nullptr) return false;
    kind = wanted;
    const bool session = kind == Kind::session;
    auto& programs = bpf->progs;
    bpf_program__set_autoload(programs.take, session);
    bpf_program__set_autoload(programs.take_entry, !session);
    bpf_program__set_autoload(programs.take_return, !session);
    bpf_program__set_autoload(programs.stop_child, can_stop);
    bpf_program__set_expected_attach_type(programs.take, static_cast<bpf_attach_type>(Kind::session));
    for (bpf_program* program : {programs.take_entry, programs.take_return, programs.release, programs.life}) {
      bpf_program__set_expected_attach_type(program, static_cast<bpf_attach_type>(Kind::multi));
    }
    if (full__load(bpf) != 0) return false;
    if (UprobeLink::supported(bpf_program__fd(session ? programs.take : programs.take_entry), kind)) return true;
    errno = EOPNOTSUPP;
    return false;
  }

  [[nodiscard]] int state() const { return bpf_map__fd(bpf->maps.full_state); }
  [[nodiscard]] LevelState read_state() const {
    LevelState now{};
    bpf_map_lookup_elem(state(), &kZero, &now);
    return now;
  }

  static int show(void* context, void* record, std::size_t size) {
    auto& parts = *static_cast<Parts*>(context);
    if (parts.consumer) parts.consumer({static_cast<const std::uint8_t*>(record), size});
    return 0;
  }

  full* bpf = nullptr;
  ring_buffer* ring = nullptr;
  Kind kind = Kind::session;
  bool can_stop = kernel_has_function("bpf_send_signal_task");
  std::vector<std::unique_ptr<bpf_link, decltype(&bpf_link__destroy)>> links;
  std::optional<BpfIterator> dumper;
  std::function<void(std::span<const std::uint8_t>)> consumer;
};

FullPrograms::FullPrograms(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
FullPrograms::~FullPrograms() { parts_->links.clear(); }

Result<std::unique_ptr<FullPrograms>> FullPrograms::load(bool sessions) {
  BpfWarnings warnings;
  libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
  auto parts = std::make_unique<Parts>();
  bool loaded = false;
  for (const Kind kind : {Kind::session, Kind::multi}) {
    if (kind == Kind::session && !sessions) continue;
    loaded = parts->load(kind);
    if (loaded) break;
  }
  if (!loaded) {
    const bool forbidden = errno == EPERM || errno == EACCES;
    Error error = warnings.refusal("cannot probe lock functions");
    error.kind = ErrorKind::unsupported;
    error.hint = forbidden ? "needs CAP_BPF and CAP_PERFMON, or root" : "needs uprobe_multi links, Linux 6.6 or later";
    return std::unexpected(std::move(error));
  }
  LevelState state{};
  state.reader_level = own_level();
  if (bpf_map_update_elem(parts->state(), &kZero, &state, BPF_ANY) != 0) {
    return fail(ErrorKind::failed, "cannot set up the programs of the full level", std::strerror(errno));
  }
  auto& programs = parts->bpf->progs;
  for (bpf_program* program :
       {programs.switched, programs.ended, programs.forked, programs.stop_child, programs.replaced}) {
    if (!bpf_program__autoload(program)) continue;
    bpf_link* link = bpf_program__attach(program);
    if (link == nullptr) return std::unexpected(warnings.refusal("cannot watch the threads of traced processes"));
    parts->links.emplace_back(link, &bpf_link__destroy);
  }
  auto dumper = BpfIterator::attach(programs.dump);
  if (!dumper) return std::unexpected(dumper.error());
  parts->dumper = std::move(*dumper);
  parts->ring = ring_buffer__new(bpf_map__fd(parts->bpf->maps.full_records), &Parts::show, parts.get(), nullptr);
  if (parts->ring == nullptr) return std::unexpected(warnings.refusal("cannot read the records of the full level"));
  return std::unique_ptr<FullPrograms>(new FullPrograms(std::move(parts)));
}

void FullPrograms::tell_library(std::size_t number, const TracedLibrary& library) {
  const auto key = static_cast<std::uint32_t>(number);
  bpf_map_update_elem(bpf_map__fd(parts_->bpf->maps.full_files), &key, &library.places, BPF_ANY);
}

Result<std::vector<UprobeLink>> FullPrograms::attach(std::size_t number, const TracedLibrary& library, int file,
                                                     pid_t pid, Set set) {
  auto& programs = parts_->bpf->progs;
  std::vector<UprobeLink> links;
  const std::string path = fmt::format("/proc/self/fd/{}", file);
  const auto put = [&](bpf_program* program, Kind kind, At at, const std::vector<ProbeSite>& sites) -> Result<void> {
    std::vector<std::uint64_t> offsets, cookies;
    for (const ProbeSite& site : sites) {
      const bool may_be_cancelled = site.call == LS_SEM_WAIT || site.call == LS_SEM_TIMEDWAIT;
      if (may_be_cancelled != (set == Set::semaphore_waits)) continue;
      // A spin lock's return tells nothing, and its first instruction, with a lock prefix, cannot be probed.
      const bool spins = site.call == LS_SPIN_LOCK;
      if (spins && at == At::returning) continue;
      // Where every return is hooked, each hit hooks it once more, up to a limit of the kernel's; a session can tell.
      const bool hooked_again = parts_->kind == Kind::multi && site.again && !spins;
      const std::uint64_t offset = hooked_again ? site.entry : site.offset;
      offsets.push_back(offset);
      cookies.push_back(site.call | number << LS_COOKIE_FILE |
                        static_cast<std::uint64_t>(library.layout) << LS_COOKIE_LAYOUT |
                        static_cast<std::uint64_t>(site.again && offset == site.offset) << LS_COOKIE_AGAIN |
                        offset << LS_COOKIE_OFFSET);
    }
    if (offsets.empty()) return {};
    auto link = UprobeLink::attach(bpf_program__fd(program), kind, at, {path, offsets, cookies, pid});
    if (!link) return std::unexpected(link.error());
    links.push_back(std::move(*link));
    return {};
  };
  // What lets go first: a lock that is taken between the two would seem to be held for ever.
  Result<void> done = put(programs.release, Kind::multi, At::entry, library.releases);
  if (done) done = put(programs.life, Kind::multi, At::entry, library.lives);
  if (done && parts_->kind == Kind::session) done = put(programs.take, Kind::session, At::entry, library.takes);
  if (done && parts_->kind == Kind::multi) {
    done = put(programs.take_return, Kind::multi, At::returning, library.takes);
    if (done) done = put(programs.take_entry, Kind::multi, At::entry, library.takes);
  }
  if (!done) return std::unexpected(done.error());
  return links;
}

Result<std::uint32_t> FullPrograms::begin_image(pid_t pid, bool from_start, bool stop_at_first_call) {
  // Numbers of images are also given out by the kernel, at forks and execs: taken from the top here.
  static_assert(sizeof(ls_image) == 24);
  const auto key = static_cast<std::uint32_t>(pid);
  ls_image image{};
  if (bpf_map_lookup_elem(bpf_map__fd(parts_->bpf->maps.full_images), &key, &image) == 0) return image.image;
  image.image = 0x80000000u + key;
  image.from_start = from_start ? 1 : 0;
  image.stop = stop_at_first_call ? 1 : 0;
  if (bpf_map_update_elem(bpf_map__fd(parts_->bpf->maps.full_images), &key, &image, BPF_NOEXIST) != 0) {
    return fail(ErrorKind::failed, fmt::format("cannot trace process {}", pid), std::strerror(errno));
  }
  return image.image;
}

void FullPrograms::end_process(pid_t pid) {
  const auto key = static_cast<std::uint32_t>(pid);
  bpf_map_delete_elem(bpf_map__fd(parts_->bpf->maps.full_images), &key);
}

void FullPrograms::set_long_hold(std::uint64_t ns) {
  LevelState state = parts_->read_state();
  state.long_hold_ns = ns;
  bpf_map_update_elem(parts_->state(), &kZero, &state, BPF_ANY);
}

int FullPrograms::wake_fd() const { return ring_buffer__epoll_fd(parts_->ring); }

void FullPrograms::drain(const std::function<void(std::span<const std::uint8_t>)>& record) {
  parts_->consumer = record;
  ring_buffer__consume(parts_->ring);
  parts_->consumer = nullptr;
}

Result<std::vector<std::uint8_t>> FullPrograms::dump() const {
  std::vector<std::uint8_t> bytes;
  if (auto run = parts_->dumper->run(bytes); !run) return std::unexpected(run.error());
  return bytes;
}

Result<std::vector<std::pair<ls_full_use_key, ls_full_use>>> FullPrograms::uses() const {
  return read_table<ls_full_use_key, ls_full_use>(bpf_map__fd(parts_->bpf->maps.full_uses), LS_FULL_USES);
}

Result<std::vector<std::pair<std::uint64_t, ls_chain_use>>> FullPrograms::chains() const {
  return read_table<std::uint64_t, ls_chain_use>(bpf_map__fd(parts_->bpf->maps.full_chains), LS_FULL_CHAINS);
}

FullPrograms::Lost FullPrograms::lost() const {
  const LevelState s = parts_->read_state();
  return {s.lost_records, s.lost_uses,    s.lost_acquired, s.lost_chains,
          s.lost_calls,   s.lost_threads, s.unreadable,    s.deep_holds};
}

}  // namespace lockscope
