// SPDX-License-Identifier: Apache-2.0
#include "symbols/trace_names.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pthread.h>

#include <fstream>
#include <list>
#include <memory>
#include <sstream>

#include "elf_image.h"
#include "source/proc_maps.h"

namespace lockscope {
namespace {

using By = LockClass::By;

constexpr std::uint64_t kBase = 0x7f1200000000;

// A program of one ElfImage, loaded at kBase, and a heap.
class Loaded {
 public:
  explicit Loaded(const ElfImage& image, std::string path = "/usr/lib/libfoo.so.1", std::uint64_t base = kBase) {
    add_image(1);
    load(image, path, base);
  }

  void add_image(ImageId id, std::optional<ImageId> parent = std::nullopt, std::uint64_t began_ns = 0) {
    TracedImage image;
    image.id = id;
    image.forked_from = parent;
    image.began_ns = began_ns;
    trace.images.push_back(image);
    if (parent) trace.modules[id] = trace.modules[*parent];
  }
  void load(const ElfImage& image, const std::string& path, std::uint64_t base) {
    files_.push_back(image.file());
    const int fd = files_.back().get();
    auto& modules = trace.modules[kImage];
    modules.push_back({base + 0x1000, base + 0x2000, 0x1000, path, {1, files_.size()}, true, fd});
    modules.push_back({base + 0x3000, base + 0x4000, 0x2000, path, {1, files_.size()}, false, fd});
  }
  void init(std::uint64_t lock, std::uint64_t site, std::uint64_t time_ns, ImageId image = 1, bool begins = true) {
    trace.lives.push_back({{image, lock}, time_ns, begins, site});
  }
  void acquired(std::uint64_t lock, std::uint64_t site, std::uint64_t count, Mode mode = Mode::exclusive) {
    SiteUse use;
    use.lock = {kImage, lock};
    use.site = site;
    use.mode = mode;
    use.acquired = count;
    trace.uses.push_back(use);
  }
  [[nodiscard]] LockClass lock_class(std::uint64_t lock, ImageId image = 1) const {
    return ElfTraceNames(trace).lock_class({image, lock});
  }
  [[nodiscard]] CodePoint code(std::uint64_t site) const { return ElfTraceNames(trace).code(kImage, site); }

  LockTrace trace;

 private:
  static constexpr ImageId kImage = 1;
  std::list<UniqueFd> files_;
};

ElfImage image() {
  ElfImage elf;
  elf.function("cache_create", 0x1100, 0x80).function("_Z6workeri", 0x1200, 0x40).function("bare", 0x1300, 0);
  elf.object("g_cache_lock", 0x3110, 40).object("table", 0x3400, 0x200).object("_ZN4Pool5lock_E", 0x3800, 40);
  return elf;
}

constexpr std::uint64_t kHeap = 0x55550000;

TEST(TraceNames, APlaceInCodeIsThatOfItsCall) {
  const Loaded loaded(image());
  const CodePoint point = loaded.code(kBase + 0x1120);
  EXPECT_EQ(point.address, kBase + 0x1120);
  EXPECT_EQ(point.module, "/usr/lib/libfoo.so.1");
  EXPECT_EQ(point.function, "cache_create");
  EXPECT_EQ(point.offset, 0x20U);
  EXPECT_EQ(loaded.code(kBase + 0x1210).function, "worker(int)");
  // A call that never returns is the last instruction: its return address lies behind the function.
  EXPECT_EQ(loaded.code(kBase + 0x1180).function, "cache_create");
  EXPECT_EQ(loaded.code(kBase + 0x1180).offset, 0x80U);
  EXPECT_EQ(loaded.code(kBase + 0x1181).function, "");
  EXPECT_EQ(loaded.code(kBase + 0x1100).function, "") << "the call was before the function";
  EXPECT_EQ(loaded.code(kBase + 0x1340).function, "bare");
  EXPECT_EQ(loaded.code(kBase + 0x2000).function, "bare") << "the last byte of the mapping";
}

TEST(TraceNames, WithoutAFunctionAPlaceInTheFile) {
  const Loaded loaded(image());
  const CodePoint point = loaded.code(kBase + 0x1008);
  EXPECT_EQ(point.module, "/usr/lib/libfoo.so.1");
  EXPECT_EQ(point.function, "");
  EXPECT_EQ(point.offset, 0x1008U);
}

TEST(TraceNames, OutsideOfFilesOnlyTheAddress) {
  Loaded loaded(image());
  for (const std::uint64_t site : {std::uint64_t{0}, std::uint64_t{1}, kBase, kBase + 0x1000, kBase + 0x2001,
                                   kBase + 0x3100, kHeap, ~std::uint64_t{0}}) {
    const CodePoint point = loaded.code(site);
    EXPECT_EQ(point.address, site);
    EXPECT_EQ(point.module, "") << std::hex << site;
    EXPECT_EQ(point.function, "");
  }
  EXPECT_EQ(ElfTraceNames(loaded.trace).code(77, kBase + 0x1120).module, "") << "an image that is not known";
}

TEST(TraceNames, AFileThatCouldNotBeOpenedHasOffsetsOnly) {
  Loaded loaded(image());
  for (TracedModule& module : loaded.trace.modules[1]) module.fd = -1;
  EXPECT_EQ(loaded.code(kBase + 0x1120).module, "/usr/lib/libfoo.so.1");
  EXPECT_EQ(loaded.code(kBase + 0x1120).function, "");
  EXPECT_EQ(loaded.code(kBase + 0x1120).offset, 0x1120U);
  EXPECT_EQ(loaded.lock_class(kBase + 0x3110).name, "unknown");
  loaded.acquired(kBase + 0x3110, kBase + 0x1120, 1);
  EXPECT_EQ(loaded.lock_class(kBase + 0x3110).name, "libfoo.so.1+0x1120");
}

TEST(TraceNames, StaticLocksHaveTheNameOfTheirSymbol) {
  Loaded loaded(image());
  for (const auto& [address, name] : std::vector<std::pair<std::uint64_t, std::string>>{
           {0x3110, "libfoo.so.1:g_cache_lock"},
           {0x3400, "libfoo.so.1:table"},  // in the zeroed memory behind the file's, but in its last page
           {0x3440, "libfoo.so.1:table+0x40"},
           {0x3800, "libfoo.so.1:Pool::lock_"},
           {0x3700, "libfoo.so.1+0x3700"},  // no symbol
           {0x4060, "libfoo.so.1+0x4060"},  // behind the file's mappings
           {0x50ff, "libfoo.so.1+0x50ff"}}) {
    const LockClass found = loaded.lock_class(kBase + address);
    EXPECT_EQ(found.name, name);
    EXPECT_EQ(found.by, By::symbol);
  }
  EXPECT_EQ(loaded.lock_class(kBase + 0x5100).name, "unknown") << "behind the last byte of the segment";
  EXPECT_EQ(loaded.lock_class(kBase + 0x1110).name, "unknown") << "in code";
  EXPECT_EQ(loaded.lock_class(kBase).name, "unknown");
  loaded.init(kBase + 0x3110, kBase + 0x1120, 5);
  EXPECT_EQ(loaded.lock_class(kBase + 0x3110).name, "libfoo.so.1:g_cache_lock") << "though it was initialised";
}

TEST(TraceNames, NamesAreTheSameAfterARestart) {
  for (const std::uint64_t base : {kBase, kBase + 0x123000}) {
    Loaded loaded(image(), "/usr/lib/libfoo.so.1 (deleted)", base);
    EXPECT_EQ(loaded.lock_class(base + 0x3440).name, "libfoo.so.1:table+0x40");
    EXPECT_EQ(loaded.lock_class(base + 0x4060).name, "libfoo.so.1+0x4060");
    loaded.acquired(kHeap + base, base + 0x1120, 1);
    EXPECT_EQ(loaded.lock_class(kHeap + base).name, "libfoo.so.1:cache_create+0x20");
  }
}

TEST(TraceNames, OtherLocksAreThoseOfOneInitSite) {
  Loaded loaded(image());
  loaded.init(kHeap, kBase + 0x1110, 10);
  loaded.init(kHeap, kBase + 0x1180, 15, 1, false);
  loaded.init(kHeap + 64, kBase + 0x1120, 20);
  loaded.init(kHeap, kBase + 0x1120, 30);
  loaded.acquired(kHeap, kBase + 0x1210, 100);
  const LockClass found = loaded.lock_class(kHeap);
  EXPECT_EQ(found.by, By::init_site);
  EXPECT_EQ(found.name, "libfoo.so.1:cache_create+0x20") << "the latest life at this address";
  EXPECT_EQ(loaded.lock_class(kHeap + 64).name, found.name);
}

TEST(TraceNames, AForkKeepsTheLocksOfItsParent) {
  Loaded loaded(image());
  loaded.init(kHeap, kBase + 0x1110, 10);
  loaded.add_image(2, 1, 20);
  loaded.add_image(3, 2, 25);
  loaded.init(kHeap, kBase + 0x1210, 30);
  loaded.init(kHeap + 64, kBase + 0x1110, 30);
  EXPECT_EQ(loaded.lock_class(kHeap, 1).name, "libfoo.so.1:worker(int)+0x10");
  EXPECT_EQ(loaded.lock_class(kHeap, 2).name, "libfoo.so.1:cache_create+0x10") << "not what came after the fork";
  EXPECT_EQ(loaded.lock_class(kHeap, 3).name, "libfoo.so.1:cache_create+0x10") << "from a grandparent";
  EXPECT_EQ(loaded.lock_class(kHeap + 64, 2).name, "unknown") << "another program's lock by now";
  loaded.trace.images[0].forked_from = 3;  // nonsense has an end
  EXPECT_EQ(loaded.lock_class(kHeap + 999, 3).name, "unknown");
}

TEST(TraceNames, TheRestByWhereTheyWereTakenMost) {
  Loaded loaded(image());
  loaded.acquired(kHeap, kBase + 0x1110, 5);
  loaded.acquired(kHeap, kBase + 0x1210, 3);
  loaded.acquired(kHeap, kBase + 0x1210, 3, Mode::shared);
  const LockClass found = loaded.lock_class(kHeap);
  EXPECT_EQ(found.by, By::acquire_site);
  EXPECT_EQ(found.name, "libfoo.so.1:worker(int)+0x10") << "both modes together";
  loaded.acquired(kHeap + 8, kBase + 0x1210, 4);
  loaded.acquired(kHeap + 8, kBase + 0x1110, 4);
  EXPECT_EQ(loaded.lock_class(kHeap + 8).name, "libfoo.so.1:cache_create+0x10") << "of equals the lowest";
}

TEST(TraceNames, ChainsTellWhereNothingWasCounted) {
  Loaded loaded(image());
  LockChain chain;
  chain.image = 1;
  chain.held = {{{1, kHeap}, LockKind::mutex, Mode::exclusive, TakenBy::waiting, kBase + 0x1210, 50}};
  chain.wanted = {{1, kHeap + 8}, LockKind::mutex, Mode::exclusive, TakenBy::waiting, kBase + 0x1110, 60};
  loaded.trace.chains.push_back(chain);
  chain.held[0].site = kBase + 0x1110;
  chain.held[0].since_ns = 40;
  loaded.trace.chains.push_back(chain);
  EXPECT_EQ(loaded.lock_class(kHeap).name, "libfoo.so.1:cache_create+0x10") << "the earliest";
  EXPECT_EQ(loaded.lock_class(kHeap + 8).name, "libfoo.so.1:cache_create+0x10");
  loaded.acquired(kHeap, kBase + 0x1210, 1);
  EXPECT_EQ(loaded.lock_class(kHeap).name, "libfoo.so.1:worker(int)+0x10") << "what was counted counts more";
}

TEST(TraceNames, TriesInVainTellWhereNothingElseDoes) {
  Loaded loaded(image());
  loaded.acquired(kHeap, kBase + 0x1110, 0);
  EXPECT_EQ(loaded.lock_class(kHeap).name, "libfoo.so.1:cache_create+0x10");
  LockChain chain;
  chain.held = {{{1, kHeap}, LockKind::mutex, Mode::exclusive, TakenBy::waiting, kBase + 0x1210, 50}};
  chain.wanted = chain.held[0];
  loaded.trace.chains.push_back(chain);
  EXPECT_EQ(loaded.lock_class(kHeap).name, "libfoo.so.1:worker(int)+0x10");
}

TEST(TraceNames, AddressesOutsideOfFilesAreNeverNames) {
  Loaded loaded(image());
  loaded.init(kHeap, 0x123456, 10);  // made by a JIT compiler
  EXPECT_EQ(loaded.lock_class(kHeap).name, "unknown");
  loaded.acquired(kHeap, kBase + 0x1210, 1);
  EXPECT_EQ(loaded.lock_class(kHeap).name, "libfoo.so.1:worker(int)+0x10");
  EXPECT_EQ(loaded.lock_class(kHeap).by, By::acquire_site);
  loaded.acquired(kHeap + 8, 0x123456, 1);
  EXPECT_EQ(loaded.lock_class(kHeap + 8).name, "unknown");
}

TEST(TraceNames, FilesThatAreNoElfFilesAreMemory) {
  Loaded loaded(image());
  const UniqueFd plain = ElfImage::file_of(std::string(8192, 'x'));
  loaded.trace.modules[1].push_back({kBase + 0x9000, kBase + 0xb000, 0, "/dev/shm/pool", {2, 2}, false, plain.get()});
  EXPECT_EQ(loaded.lock_class(kBase + 0x9040).name, "unknown");
  loaded.init(kBase + 0x9040, kBase + 0x1120, 5);
  EXPECT_EQ(loaded.lock_class(kBase + 0x9040).by, By::init_site);
}

TEST(TraceNames, ReadsAFileOnce) {
  Loaded loaded(image());
  loaded.load(image(), "/usr/lib/libbar.so", kBase + 0x100000);
  ElfTraceNames names(loaded.trace);
  for (std::uint64_t i = 0; i < 1000; ++i) {
    static_cast<void>(names.code(1, kBase + 0x1100 + i));
    static_cast<void>(names.code(1, kBase + 0x101100 + i));
    static_cast<void>(names.lock_class({1, kBase + 0x3100 + i}));
  }
  EXPECT_EQ(names.files_read(), 2U);
  const CodePoint* first = &names.code(1, kBase + 0x1100);
  EXPECT_EQ(&names.code(1, kBase + 0x1100), first) << "what was given out stays";
}

// This program itself, as the kernel mapped it.
pthread_mutex_t zeroed_lock = PTHREAD_MUTEX_INITIALIZER;
struct {
  std::uint64_t number = 42;
  pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
} initialised;

extern "C" [[gnu::noinline]] const void* lockscope_test_where_am_i() {
  const void* address = __builtin_return_address(0);
  asm volatile("" : : "r"(&address) : "memory");  // so that the call is not the last thing done
  return address;
}
extern "C" [[gnu::noinline]] const void* lockscope_test_caller() {
  const void* volatile address = lockscope_test_where_am_i();
  return address;
}

TEST(TraceNames, KnowsThisProgram) {
  std::ifstream stream("/proc/self/maps");
  std::stringstream text;
  text << stream.rdbuf();
  const auto maps = ProcessMaps::parse(text.str());
  ASSERT_TRUE(maps);
  const UniqueFd self(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  const MappedRange* own = maps->at(reinterpret_cast<std::uint64_t>(&lockscope_test_caller));
  ASSERT_NE(own, nullptr);
  LockTrace trace;
  for (const MappedRange& mapping : maps->mappings()) {
    if (mapping.file.ino == 0) continue;
    trace.modules[1].push_back({mapping.start, mapping.end, mapping.offset, std::string(maps->path(mapping)),
                                mapping.file, mapping.executable, mapping.file == own->file ? self.get() : -1});
  }
  ElfTraceNames names(trace);
  const std::string program(short_name(maps->path(*own)));
  const CodePoint& point = names.code(1, reinterpret_cast<std::uint64_t>(lockscope_test_caller()));
  EXPECT_EQ(point.function, "lockscope_test_caller");
  EXPECT_EQ(short_name(point.module), program);
  EXPECT_EQ(names.lock_class({1, reinterpret_cast<std::uint64_t>(&zeroed_lock)}).name,
            program + ":lockscope::(anonymous namespace)::zeroed_lock");
  EXPECT_EQ(names.lock_class({1, reinterpret_cast<std::uint64_t>(&initialised.lock)}).name,
            program + ":lockscope::(anonymous namespace)::initialised+0x8");
  pthread_mutex_t on_the_stack;
  EXPECT_EQ(names.lock_class({1, reinterpret_cast<std::uint64_t>(&on_the_stack)}).name, "unknown");
  const auto on_the_heap = std::make_unique<pthread_mutex_t>();
  EXPECT_EQ(names.lock_class({1, reinterpret_cast<std::uint64_t>(on_the_heap.get())}).name, "unknown");
}

TEST(TraceNames, ShortNames) {
  EXPECT_EQ(short_name("/usr/lib/libfoo.so"), "libfoo.so");
  EXPECT_EQ(short_name("/usr/lib/libfoo.so (deleted)"), "libfoo.so");
  EXPECT_EQ(short_name("/memfd:jit (deleted)"), "memfd:jit");
  EXPECT_EQ(short_name("[vdso]"), "[vdso]");
  EXPECT_EQ(short_name(""), "");
  EXPECT_EQ(short_name("/"), "");
}

}  // namespace
}  // namespace lockscope
