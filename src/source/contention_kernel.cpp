// SPDX-License-Identifier: Apache-2.0
#include "source/contention_kernel.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <ctime>
#include <optional>
#include <string_view>

#include "contention_creates.skel.h"
#include "contention_file_locks.skel.h"
#include "contention_threads.skel.h"
#include "contention_waits.skel.h"
#include "contention_writes.skel.h"
#include "source/bpf_iterator.h"
#include "source/bpf_warnings.h"
#include "source/clocks.h"
#include "source/contention_tables.h"
#include "source/unique_fd.h"

namespace lockscope {
namespace {

using Hook = BpfContentionSource::Hook;

// Run, not attached for good.
constexpr std::string_view kClock = "contention_clock";
constexpr std::string_view kOldThreads = "contention_old_threads";

const char* given_by(std::string_view program) {
  if (program == "contention_switch") return "waits for futexes and System V semaphores: how many, how long";
  if (program == "contention_waking") return "who ended a wait, and whether by letting go";
  if (program == "contention_flock") return "flock: granted, refused, waited for, released";
  if (program == "contention_posix") return "POSIX and OFD locks: granted, refused, waited for, released";
  if (program == "contention_new_thread") return "storage of new threads, which this kernel may not allocate later";
  if (program == "contention_write") return "writes to files that others have locked";
  if (program == "contention_create") return "open(O_CREAT | O_EXCL) that found the name taken";
  return "";
}

bool is_attached(std::string_view program) { return program != kClock && program != kOldThreads; }

template <auto Destroy>
struct Deleter {
  template <class T>
  void operator()(T* object) const {
    Destroy(object);
  }
};
template <class Skeleton, auto Destroy>
using Owned = std::unique_ptr<Skeleton, Deleter<Destroy>>;
using Link = std::unique_ptr<bpf_link, Deleter<bpf_link__destroy>>;
using Ring = std::unique_ptr<ring_buffer, Deleter<ring_buffer__free>>;

bool has_member(const btf& types, const char* structure, std::string_view member) {
  const __s32 id = btf__find_by_name_kind(&types, structure, BTF_KIND_STRUCT);
  if (id < 0) return false;
  const btf_type* type = btf__type_by_id(&types, static_cast<__u32>(id));
  const std::span members(btf_members(type), btf_vlen(type));
  return std::ranges::any_of(members,
                             [&](const btf_member& m) { return btf__name_by_offset(&types, m.name_off) == member; });
}

// Whether task storage can be made within the scheduler. Before 6.4 it came from kmalloc(); then from the allocator of
// BPF, which the map owns; then from kmalloc_nolock(), with elements that remember how they are to be freed (7.2).
bool storage_can_be_made_late() {
  const std::unique_ptr<btf, Deleter<btf__free>> types(btf__load_vmlinux_btf());
  return types && (has_member(*types, "bpf_local_storage_map", "selem_ma") ||
                   has_member(*types, "bpf_local_storage_map", "use_kmalloc_nolock") ||
                   has_member(*types, "bpf_local_storage_elem", "state"));
}

struct Unmap {
  void operator()(ls_control* control) const { ::munmap(control, sizeof(ls_control)); }
};

}  // namespace

struct ContentionKernel::Parts {
  // In the order of their making: what was attached goes first.
  Owned<contention_waits, contention_waits__destroy> waits;
  Owned<contention_threads, contention_threads__destroy> threads;
  Owned<contention_file_locks, contention_file_locks__destroy> file_locks;
  Owned<contention_writes, contention_writes__destroy> writes;
  Owned<contention_creates, contention_creates__destroy> creates;
  std::vector<bpf_object*> loaded;
  std::optional<ContentionTables> wait_tables, use_tables, write_tables, create_tables;
  std::unique_ptr<ls_control, Unmap> control;
  Ring events, first_waits;
  UniqueFd accounting;
  struct Attached {
    std::string name;
    int program = -1;
    Link link;
    std::uint64_t missed = 0;
  };
  std::vector<Attached> attached;
  std::vector<Hook> hooks;

  ContentionSettings settings;
  std::uint32_t reader_pid_ns = 0;
  bool prepare_threads = false;
  int clock_program = -1;
  std::array<std::uint64_t, LS_LOST_CAUSES> lost_before{};
  std::size_t next_known = 0;
  std::vector<ls_wait_event> pending_events;
  std::function<void(std::span<const std::uint8_t>)> show_first_wait;

  template <class Skeleton, class Owner, class Load>
  void load(Owner& owner, Skeleton* opened, Load load_it, BpfWarnings& warnings);
  template <class Skeleton>
  void configure(Skeleton& skeleton);
  Result<void> prepare();
  Result<void> open_rings();
  void attach(const BpfWarnings& warnings);
  void set_clock();
  [[nodiscard]] bpf_map* map(const char* name) const;
};

bpf_map* ContentionKernel::Parts::map(const char* name) const {
  for (const bpf_object* object : loaded) {
    if (bpf_map* found = bpf_object__find_map_by_name(object, name)) return found;
  }
  return nullptr;
}

template <class Skeleton>
void ContentionKernel::Parts::configure(Skeleton& skeleton) {
  skeleton.rodata->reader_pid_ns = reader_pid_ns;
  skeleton.rodata->min_wait_ns = static_cast<std::uint64_t>(settings.min_wait.count());
  skeleton.rodata->threads_prepared = prepare_threads;
}

// An object that does not load leaves its hooks with the reason; what was loaded before goes on.
template <class Skeleton, class Owner, class Load>
void ContentionKernel::Parts::load(Owner& owner, Skeleton* opened, Load load_it, BpfWarnings& warnings) {
  owner.reset(opened);
  bool ready = owner != nullptr;
  const char* what = "cannot open a BPF object";
  if (ready) {
    configure(*owner);
    bpf_map* own = nullptr;
    bpf_object__for_each_map(own, owner->obj) {
      const std::string_view name = bpf_map__name(own);
      if (name == "events" || name == "first_waits") {
        bpf_map__set_max_entries(own, static_cast<std::uint32_t>(settings.buffer_bytes));
      }
      // Constants are each object's own.
      bpf_map* shared = name.find('.') == std::string_view::npos ? map(bpf_map__name(own)) : nullptr;
      if (shared != nullptr && bpf_map__reuse_fd(own, bpf_map__fd(shared)) != 0) ready = false;
    }
    what = "cannot load BPF programs";
    ready = ready && load_it(owner.get()) == 0;
  }
  if (ready) {
    loaded.push_back(owner->obj);
    return;
  }
  const Error refusal = warnings.refusal(what);
  if (owner) {
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, owner->obj) {
      const std::string name = bpf_program__name(program);
      if (is_attached(name)) hooks.push_back({name, given_by(name), false, refusal.why + " (" + refusal.hint + ")"});
    }
  }
  owner.reset();
  warnings.forget();
}

Result<void> ContentionKernel::Parts::open_rings() {
  const auto keep_event = [](void* self, void* bytes, std::size_t size) {
    if (size < sizeof(ls_wait_event)) return 0;
    std::memcpy(&static_cast<Parts*>(self)->pending_events.emplace_back(), bytes, sizeof(ls_wait_event));
    return 0;
  };
  const auto keep_first = [](void* self, void* bytes, std::size_t size) {
    static_cast<Parts*>(self)->show_first_wait({static_cast<const std::uint8_t*>(bytes), size});
    return 0;
  };
  events.reset(ring_buffer__new(bpf_map__fd(map("events")), keep_event, this, nullptr));
  if (!events) return fail(ErrorKind::unsupported, "cannot open a BPF ring buffer", std::strerror(errno));
  if (bpf_map* first = map("first_waits")) {
    first_waits.reset(ring_buffer__new(bpf_map__fd(first), keep_first, this, nullptr));
    if (!first_waits) return fail(ErrorKind::unsupported, "cannot open a BPF ring buffer", std::strerror(errno));
  }
  return {};
}

Result<void> ContentionKernel::Parts::prepare() {
  const auto make = [&](const char* name, std::size_t key, std::size_t value, auto& out) -> Result<void> {
    bpf_map* outer = map(name);
    if (outer == nullptr) return {};
    auto tables = ContentionTables::make(outer, key, value, settings.table_entries);
    if (!tables) return std::unexpected(tables.error());
    out = std::move(*tables);
    return {};
  };
  if (auto made = make("wait_tables", sizeof(ls_wait_key), sizeof(ls_wait_counts), wait_tables); !made) return made;
  if (auto made = make("use_tables", sizeof(ls_use_key), sizeof(ls_use_counts), use_tables); !made) return made;
  if (auto made = make("write_tables", sizeof(ls_write_key), sizeof(ls_write_counts), write_tables); !made) return made;
  if (auto made = make("create_tables", sizeof(ls_create_key), sizeof(ls_create_counts), create_tables); !made) {
    return made;
  }
  void* at = ::mmap(nullptr, sizeof(ls_control), PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map("control")), 0);
  if (at == MAP_FAILED) return fail(ErrorKind::unsupported, "cannot map a BPF array", std::strerror(errno));
  control.reset(static_cast<ls_control*>(at));
  if (file_locks) clock_program = bpf_program__fd(file_locks->progs.contention_clock);
  set_clock();
  return open_rings();
}

// jiffies follow CLOCK_MONOTONIC in steps of a tick. The clock of the programs is never ahead of it.
void ContentionKernel::Parts::set_clock() {
  if (clock_program < 0) return;
  timespec tick{};
  ::clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
  LIBBPF_OPTS(bpf_test_run_opts, options);
  if (bpf_prog_test_run_opts(clock_program, &options) != 0) return;
  const auto tick_ns = static_cast<std::uint64_t>(tick.tv_nsec);
  const std::uint64_t origin = control->jiffies_ns - control->jiffies * tick_ns;  // up to a tick late
  const auto later = static_cast<std::int64_t>(origin - control->tick_origin);
  const bool drifted = later > 2 * static_cast<std::int64_t>(tick_ns);
  if (control->tick_ns == 0 || later < 0 || drifted) {
    control->tick_origin = origin;
    control->tick_ns = tick_ns;
  }
}

void ContentionKernel::Parts::attach(const BpfWarnings& warnings) {
  for (const bpf_object* object : loaded) {
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, object) {
      const std::string name = bpf_program__name(program);
      if (!is_attached(name)) continue;
      Link link(bpf_program__attach(program));
      Hook hook{name, given_by(name), link != nullptr, ""};
      if (!link) {
        const Error refusal = warnings.refusal("cannot attach");
        hook.why_not = refusal.why + " (" + refusal.hint + ")";
      }
      hooks.push_back(std::move(hook));
      if (link) attached.push_back({name, bpf_program__fd(program), std::move(link), 0});
    }
  }
}

ContentionKernel::ContentionKernel(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
ContentionKernel::~ContentionKernel() = default;

Result<std::unique_ptr<ContentionKernel>> ContentionKernel::load(const ContentionSettings& settings,
                                                                 std::uint32_t reader_pid_ns) {
  libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
  BpfWarnings warnings;
  auto parts = std::make_unique<Parts>();
  parts->settings = settings;
  parts->reader_pid_ns = reader_pid_ns;
  if (settings.account) parts->accounting = UniqueFd(bpf_enable_stats(BPF_STATS_RUN_TIME));
  parts->prepare_threads = settings.prepare_threads || !storage_can_be_made_late();
  parts->load(parts->waits, contention_waits__open(), contention_waits__load, warnings);
  if (parts->waits && parts->prepare_threads) {
    parts->load(parts->threads, contention_threads__open(), contention_threads__load, warnings);
  }
  auto* file_locks = contention_file_locks__open();
  if (file_locks != nullptr) file_locks->rodata->scheduler_seen = parts->waits != nullptr;
  parts->load(parts->file_locks, file_locks, contention_file_locks__load, warnings);
  if (settings.writes) parts->load(parts->writes, contention_writes__open(), contention_writes__load, warnings);
  if (settings.failed_creates) {
    parts->load(parts->creates, contention_creates__open(), contention_creates__load, warnings);
  }
  if (parts->loaded.empty()) {
    const std::string why = parts->hooks.empty() ? "" : parts->hooks.front().why_not;
    return fail(ErrorKind::unsupported, "cannot count contention by BPF", why);
  }
  if (auto prepared = parts->prepare(); !prepared) return std::unexpected(prepared.error());
  parts->attach(warnings);
  if (parts->threads) {
    auto old_threads = BpfIterator::attach(parts->threads->progs.contention_old_threads);
    std::vector<std::uint8_t> nothing;
    if (!old_threads || !old_threads->run(nothing)) {
      return fail(ErrorKind::unsupported, "cannot prepare the threads of the host");
    }
  }
  if (parts->attached.empty()) {
    return fail(ErrorKind::unsupported, "cannot attach the contention programs", parts->hooks.front().why_not);
  }
  return std::unique_ptr<ContentionKernel>(new ContentionKernel(std::move(parts)));
}

Result<RawContention> ContentionKernel::take(std::uint64_t& border_ns,
                                             const std::function<void(std::span<const std::uint8_t>)>& first_wait) {
  Parts& p = *parts_;
  RawContention raw;
  const std::atomic_ref active(p.control->active);
  const std::uint32_t filled = active.load() & 1;
  p.set_clock();
  border_ns = clock_ns(CLOCK_BOOTTIME);
  active.store(filled ^ 1);
  if (auto waited = p.wait_tables->wait_for_programs(); !waited) return std::unexpected(waited.error());
  if (auto taken = p.wait_tables->take(filled, raw.waits); !taken) return std::unexpected(taken.error());
  if (p.use_tables) {
    if (auto taken = p.use_tables->take(filled, raw.uses); !taken) return std::unexpected(taken.error());
  }
  if (p.write_tables) {
    if (auto taken = p.write_tables->take(filled, raw.writes); !taken) return std::unexpected(taken.error());
  }
  if (p.create_tables) {
    if (auto taken = p.create_tables->take(filled, raw.creates); !taken) return std::unexpected(taken.error());
  }
  p.show_first_wait = first_wait;
  if (p.first_waits) ring_buffer__consume(p.first_waits.get());
  p.show_first_wait = nullptr;
  ring_buffer__consume(p.events.get());
  raw.events = std::exchange(p.pending_events, {});
  // A word may come to be another lock's: each is told anew after 64 calls.
  constexpr std::size_t kTurn = LS_KNOWN_WORDS / 64;
  for (std::size_t i = 0; i < kTurn; ++i) {
    std::atomic_ref(p.control->known[(p.next_known + i) % LS_KNOWN_WORDS]).store(0, std::memory_order_relaxed);
  }
  p.next_known = (p.next_known + kTurn) % LS_KNOWN_WORDS;
  return raw;
}

std::map<std::string, std::uint64_t> ContentionKernel::take_losses() {
  Parts& p = *parts_;
  std::map<std::string, std::uint64_t> losses;
  for (std::size_t cause = 0; cause < LS_LOST_CAUSES; ++cause) {
    const char* name = name_of_loss(cause);
    const std::uint64_t now = std::atomic_ref(p.control->lost[cause]).load(std::memory_order_relaxed);
    if (name != nullptr && now != p.lost_before[cause]) losses[name] += now - p.lost_before[cause];
    p.lost_before[cause] = now;
  }
  for (Parts::Attached& a : p.attached) {
    bpf_prog_info program{};
    std::uint32_t size = sizeof program;
    if (bpf_obj_get_info_by_fd(a.program, &program, &size) != 0) continue;
    if (program.recursion_misses != a.missed) {
      losses["not run by the kernel: " + a.name] += program.recursion_misses - a.missed;
    }
    a.missed = program.recursion_misses;
  }
  return losses;
}

std::map<std::string, HookCost> ContentionKernel::costs() const {
  std::map<std::string, HookCost> costs;
  for (const Parts::Attached& a : parts_->attached) {
    bpf_prog_info program{};
    std::uint32_t size = sizeof program;
    if (bpf_obj_get_info_by_fd(a.program, &program, &size) != 0) continue;
    costs[a.name] = {program.run_cnt, program.run_time_ns};
  }
  return costs;
}

const std::vector<Hook>& ContentionKernel::hooks() const { return parts_->hooks; }

}  // namespace lockscope
