// SPDX-License-Identifier: Apache-2.0
#include "source/traced_library.h"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

namespace lockscope {
namespace {

constexpr KeptArguments kTwo = KeptArguments::two;

// Of glibc, of GLib and of libgomp.
constexpr std::array kFunctions{
    ProbedFunction{"pthread_mutex_lock", LS_MUTEX_LOCK},
    ProbedFunction{"pthread_mutex_trylock", LS_MUTEX_TRYLOCK},
    ProbedFunction{"pthread_mutex_timedlock", LS_MUTEX_TIMEDLOCK},
    ProbedFunction{"pthread_mutex_clocklock", LS_MUTEX_TIMEDLOCK},
    ProbedFunction{"pthread_mutex_unlock", LS_MUTEX_UNLOCK},
    ProbedFunction{"pthread_mutex_init", LS_MUTEX_INIT},
    ProbedFunction{"pthread_mutex_destroy", LS_MUTEX_DESTROY},
    ProbedFunction{"pthread_mutex_consistent", LS_MUTEX_CONSISTENT},
    ProbedFunction{"pthread_rwlock_rdlock", LS_RWLOCK_RDLOCK},
    ProbedFunction{"pthread_rwlock_tryrdlock", LS_RWLOCK_TRYRDLOCK},
    ProbedFunction{"pthread_rwlock_timedrdlock", LS_RWLOCK_TIMEDRDLOCK},
    ProbedFunction{"pthread_rwlock_clockrdlock", LS_RWLOCK_TIMEDRDLOCK},
    ProbedFunction{"pthread_rwlock_wrlock", LS_RWLOCK_WRLOCK},
    ProbedFunction{"pthread_rwlock_trywrlock", LS_RWLOCK_TRYWRLOCK},
    ProbedFunction{"pthread_rwlock_timedwrlock", LS_RWLOCK_TIMEDWRLOCK},
    ProbedFunction{"pthread_rwlock_clockwrlock", LS_RWLOCK_TIMEDWRLOCK},
    ProbedFunction{"pthread_rwlock_unlock", LS_RWLOCK_UNLOCK},
    ProbedFunction{"pthread_rwlock_init", LS_RWLOCK_INIT},
    ProbedFunction{"pthread_rwlock_destroy", LS_RWLOCK_DESTROY},
    ProbedFunction{"pthread_spin_lock", LS_SPIN_LOCK},
    ProbedFunction{"pthread_spin_trylock", LS_SPIN_TRYLOCK},
    ProbedFunction{"pthread_spin_unlock", LS_SPIN_UNLOCK},
    ProbedFunction{"pthread_spin_destroy", LS_SPIN_DESTROY},
    ProbedFunction{"sem_wait", LS_SEM_WAIT},
    ProbedFunction{"sem_trywait", LS_SEM_TRYWAIT},
    ProbedFunction{"sem_timedwait", LS_SEM_TIMEDWAIT},
    ProbedFunction{"sem_clockwait", LS_SEM_TIMEDWAIT},
    ProbedFunction{"pthread_barrier_wait", LS_BARRIER_WAIT},
    ProbedFunction{"pthread_cond_wait", LS_COND_WAIT, false, kTwo},
    ProbedFunction{"pthread_cond_timedwait", LS_COND_WAIT, false, kTwo},
    ProbedFunction{"pthread_cond_clockwait", LS_COND_WAIT, false, kTwo},
    ProbedFunction{"pthread_join", LS_THREAD_JOIN},
    ProbedFunction{"thrd_join", LS_THREAD_JOIN},
    ProbedFunction{"g_mutex_lock", LS_WORD_LOCK},
    ProbedFunction{"g_mutex_trylock", LS_WORD_TRYLOCK},
    ProbedFunction{"g_mutex_unlock", LS_WORD_UNLOCK},
    ProbedFunction{"g_mutex_init", LS_WORD_INIT},
    ProbedFunction{"g_mutex_clear", LS_WORD_CLEAR},
    ProbedFunction{"omp_set_lock", LS_WORD_LOCK},
    ProbedFunction{"omp_test_lock", LS_WORD_TRYLOCK},
    ProbedFunction{"omp_unset_lock", LS_WORD_UNLOCK},
    ProbedFunction{"omp_init_lock", LS_WORD_INIT},
    ProbedFunction{"omp_destroy_lock", LS_WORD_CLEAR},
};

// pthread_spin_init stores a free lock in one instruction or two and may be one with pthread_spin_unlock: it is not told
// apart, and not needed. Functions of musl go on in others by jumps, so some are seen twice (full_take.bpf.c); a wait on
// a condition always comes through the timed one, and mtx_lock() takes a free lock by itself.
constexpr std::array kMuslOnly{ProbedFunction{"mtx_lock", LS_MUTEX_LOCK}, ProbedFunction{"mtx_trylock", LS_MUTEX_TRYLOCK}};

// Functions through which a program calls probed ones: its own place is one frame up.
constexpr std::array<std::string_view, 8> kWrappers{"mtx_lock", "mtx_trylock",  "mtx_timedlock", "mtx_unlock",
                                                   "mtx_init", "mtx_destroy", "cnd_wait",      "cnd_timedwait"};
// Functions that are probed and call others that are.
constexpr std::array<std::string_view, 16> kOuterOfMusl{
    "pthread_mutex_lock",         "pthread_mutex_timedlock",   "pthread_mutex_trylock",  "pthread_cond_timedwait",
    "pthread_rwlock_rdlock",      "pthread_rwlock_timedrdlock", "pthread_rwlock_wrlock",  "pthread_rwlock_timedwrlock",
    "pthread_rwlock_tryrdlock",   "pthread_rwlock_trywrlock",  "sem_wait",               "sem_timedwait",
    "sem_trywait",                "mtx_lock",                  "mtx_trylock",            "pthread_barrier_wait"};

bool is_take(std::uint32_t call) {
  switch (call) {
    case LS_MUTEX_LOCK:
    case LS_MUTEX_TRYLOCK:
    case LS_MUTEX_TIMEDLOCK:
    case LS_RWLOCK_RDLOCK:
    case LS_RWLOCK_TRYRDLOCK:
    case LS_RWLOCK_TIMEDRDLOCK:
    case LS_RWLOCK_WRLOCK:
    case LS_RWLOCK_TRYWRLOCK:
    case LS_RWLOCK_TIMEDWRLOCK:
    case LS_SPIN_LOCK:
    case LS_SPIN_TRYLOCK:
    case LS_SEM_WAIT:
    case LS_SEM_TRYWAIT:
    case LS_SEM_TIMEDWAIT:
    case LS_BARRIER_WAIT:
    case LS_WORD_LOCK:
    case LS_WORD_TRYLOCK: return true;
    default: return false;
  }
}

bool is_release(std::uint32_t call) {
  return call == LS_MUTEX_UNLOCK || call == LS_RWLOCK_UNLOCK || call == LS_SPIN_UNLOCK || call == LS_WORD_UNLOCK ||
         call == LS_COND_WAIT;
}

// glibc and musl alike have these inside, in the symbols of a program linked statically.
std::optional<ls_full_layout> layout_of(int fd, bool program) {
  const SymbolTable table = program ? SymbolTable::full : SymbolTable::dynamic;
  if (program) {
    const auto found = read_functions(fd, table, {"__lll_lock_wait", "__timedwait", "__timedwait_cp"});
    if (found.empty()) return std::nullopt;
    return found.front().name == 0 ? LS_LAYOUT_GLIBC : LS_LAYOUT_MUSL;
  }
  // Of the libraries that are looked into only musl's libc has no such function and begins programs.
  const auto found = read_functions(fd, table, {"__libc_start_main", "gnu_get_libc_version"});
  const bool begins = std::ranges::any_of(found, [](const NamedFunction& f) { return f.name == 0; });
  const bool glibc = std::ranges::any_of(found, [](const NamedFunction& f) { return f.name == 1; });
  return begins && !glibc ? LS_LAYOUT_MUSL : LS_LAYOUT_GLIBC;
}

template <class Names>
void add_bodies(int fd, SymbolTable table, const ElfFile& elf, const Names& names, bool inner, ls_full_file& places) {
  for (const NamedFunction& function :
       read_functions(fd, table, std::vector<std::string_view>(names.begin(), names.end()))) {
    constexpr std::uint64_t kLargest = 8192;
    const auto entry = elf.file_offset_of(function.symbol.address);
    const std::uint64_t size = std::min(function.symbol.size, kLargest);
    if (!entry || size == 0 || places.bodies >= LS_FULL_BODIES) continue;
    if (std::ranges::any_of(std::span(places.body).first(places.bodies),
                            [&](const ls_full_body& known) { return known.start == *entry; })) {
      continue;
    }
    const auto frame = inner ? LS_BODY_INNER : frame_at_first_call(read_function(fd, *entry, size));
    if (frame) places.body[places.bodies++] = {*entry, *entry + size, *frame};
  }
}

}  // namespace

bool may_be_traced_library(std::string_view path) {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  for (const std::string_view prefix : {"libc.so", "libc-2.", "libpthread.so", "libpthread-2.", "ld-musl-",
                                        "libc.musl-", "libglib-2.0.so", "libgomp.so"}) {
    if (name.starts_with(prefix)) return true;
  }
  return false;
}

std::optional<TracedLibrary> read_traced_library(int fd, bool program) {
  const auto elf = read_elf(fd);
  const auto layout = elf ? layout_of(fd, program) : std::nullopt;
  if (!layout) return std::nullopt;
  const SymbolTable table = program ? SymbolTable::full : SymbolTable::dynamic;
  std::vector<ProbedFunction> functions(kFunctions.begin(), kFunctions.end());
  if (*layout == LS_LAYOUT_MUSL) {
    functions.insert(functions.end(), kMuslOnly.begin(), kMuslOnly.end());
    std::erase_if(functions, [](const ProbedFunction& f) { return f.name == "pthread_cond_wait"; });
  }
  const auto found = find_probe_sites(fd, table, functions, false);
  if (!found) return std::nullopt;
  TracedLibrary library;
  library.layout = *layout;
  for (const ProbeSite& site : found->sites) {
    (is_take(site.call) ? library.takes : is_release(site.call) ? library.releases : library.lives).push_back(site);
  }
  // Where code of this file lies in it: a call from there is the library's own.
  for (const ElfSegment& segment : elf->loaded) {
    const bool holds = std::ranges::any_of(found->sites, [&](const ProbeSite& site) {
      return site.entry >= segment.offset && site.entry - segment.offset < segment.file_size;
    });
    if (holds) library.places.text_start = segment.offset, library.places.text_end = segment.offset + segment.file_size;
  }
  if (*layout == LS_LAYOUT_MUSL) add_bodies(fd, table, *elf, kOuterOfMusl, true, library.places);
  add_bodies(fd, table, *elf, kWrappers, false, library.places);
  return library;
}

std::optional<TracedLibrary> read_traced_file(int fd) {
  auto library = read_traced_library(fd, false);
  return library ? std::move(library) : read_traced_library(fd, true);
}

std::string_view family_of_call(std::uint32_t call) {
  static constexpr std::array<std::string_view, 8> kFamilies{"mutex",   "rwlock",         "spinlock", "semaphore",
                                                             "barrier", "condition wait", "one word", "thread"};
  return kFamilies[std::min<std::size_t>(call >> 4, kFamilies.size() - 1)];  // as family_of() of full_held.h
}

std::vector<std::string_view> names_of_call(std::uint32_t call) {
  std::vector<std::string_view> names;
  for (const ProbedFunction& function : kFunctions) {
    if (function.call == call) names.push_back(function.name);
  }
  return names;
}

}  // namespace lockscope
