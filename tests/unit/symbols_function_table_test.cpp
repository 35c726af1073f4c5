// SPDX-License-Identifier: Apache-2.0
#include "symbols/function_table.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cstddef>
#include <random>

#include "elf_image.h"

namespace lockscope {
namespace {

FunctionTable table_of(const ElfImage& image) {
  const UniqueFd fd = image.file();
  auto table = FunctionTable::read(fd.get());
  EXPECT_TRUE(table);
  return table.value_or(FunctionTable{});
}

std::string function(const FunctionTable& table, std::uint64_t address) {
  const auto symbol = table.function_at(address);
  return symbol ? std::string(symbol->name) : "";
}

std::string object(const FunctionTable& table, std::uint64_t address) {
  const auto symbol = table.object_at(address);
  return symbol ? std::string(symbol->name) : "";
}

TEST(FunctionTable, AnAddressBelongsToASymbolOnlyInsideOfIt) {
  const auto table = table_of(ElfImage().function("first", 0x1100, 0x20).function("second", 0x1140, 0x10));
  EXPECT_EQ(function(table, 0x10ff), "");
  EXPECT_EQ(function(table, 0x1100), "first");
  EXPECT_EQ(function(table, 0x111f), "first");
  EXPECT_EQ(function(table, 0x1120), "") << "between both";
  EXPECT_EQ(function(table, 0x1140), "second");
  EXPECT_EQ(function(table, 0x1150), "");
  EXPECT_EQ(function(table, ~std::uint64_t{0}), "");
  EXPECT_EQ(function(table, 0), "");
  EXPECT_EQ(table.function_at(0x111f)->size, 0x20U);
  EXPECT_FALSE(table.function_at(0x111f)->end_guessed);
}

TEST(FunctionTable, FunctionsAndObjectsAreApart) {
  const auto table = table_of(ElfImage().function("code", 0x1100, 0x20).object("lock", 0x3200, 40));
  EXPECT_EQ(object(table, 0x3200), "lock");
  EXPECT_EQ(object(table, 0x3227), "lock");
  EXPECT_EQ(object(table, 0x3228), "");
  EXPECT_EQ(object(table, 0x1100), "");
  EXPECT_EQ(function(table, 0x3200), "");
}

TEST(FunctionTable, ASymbolWithoutSizeReachesToTheNextAndSaysSo) {
  const auto table =
      table_of(ElfImage().function("bare", 0x1100, 0).function("next", 0x1180, 0).object("o", 0x3200, 0));
  EXPECT_EQ(function(table, 0x117f), "bare");
  EXPECT_TRUE(table.function_at(0x117f)->end_guessed);
  EXPECT_EQ(table.function_at(0x1100)->size, 0x80U);
  EXPECT_EQ(function(table, 0x1fff), "next");
  EXPECT_EQ(function(table, 0x2000), "") << "behind the section";
  EXPECT_EQ(object(table, 0x3200), "") << "an object without size covers nothing";
  const auto aliases = table_of(ElfImage().function("bare", 0x1100, 0).function("sized", 0x1100, 0x10));
  EXPECT_EQ(function(aliases, 0x1105), "sized");
  EXPECT_EQ(function(aliases, 0x1110), "") << "what has a size is believed";
}

TEST(FunctionTable, TheInnermostOfSeveralNames) {
  const auto table = table_of(ElfImage()
                                  .function("outer", 0x1100, 0x100)
                                  .function("inner", 0x1120, 0x10)
                                  .function("other", 0x1140, 0x10)
                                  .function("overlapping", 0x11f0, 0x40));
  EXPECT_EQ(function(table, 0x1110), "outer");
  EXPECT_EQ(function(table, 0x1125), "inner");
  EXPECT_EQ(function(table, 0x1130), "outer");
  EXPECT_EQ(function(table, 0x1150), "outer") << "behind both";
  EXPECT_EQ(function(table, 0x11f0), "overlapping");
  EXPECT_EQ(function(table, 0x1200), "overlapping");
}

TEST(FunctionTable, PrefersGlobalThenShortNamesAtOneAddress) {
  const auto table = table_of(ElfImage()
                                  .function("a", 0x1100, 0x20, STB_LOCAL)
                                  .function("b", 0x1100, 0x20, STB_WEAK)
                                  .function("longer_global", 0x1100, 0x20)
                                  .function("global", 0x1100, 0x20));
  EXPECT_EQ(function(table, 0x1110), "global");
  EXPECT_EQ(table.functions(), 1U);
  const auto reaching =
      table_of(ElfImage().function("local", 0x1100, 0x80, STB_LOCAL).function("global", 0x1100, 0x20));
  EXPECT_EQ(function(reaching, 0x1110), "global");
  EXPECT_EQ(function(reaching, 0x1130), "local") << "the other one reaches further";
}

TEST(FunctionTable, LeavesOutWhatNamesNothing) {
  const auto table = table_of(ElfImage()
                                  .function("open@@GLIBC_2.2.5", 0x1100, 0x20)
                                  .function("@VERSION", 0x1130, 0x10)
                                  .function(".L42", 0x1140, 0x20)
                                  .function("$x", 0x1180, 0x20)
                                  .function("", 0x11a0, 0x20)
                                  .symbol("undefined", 0x11c0, 0x20, ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), SHN_UNDEF)
                                  .symbol("absolute", 0x11e0, 0x20, ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), SHN_ABS)
                                  .symbol("per_thread", 0x3200, 0x20, ELF64_ST_INFO(STB_GLOBAL, STT_TLS), 2)
                                  .function("nowhere", 0, 0x20)
                                  .function("wraps", 0x1200, ~std::uint64_t{0}));
  EXPECT_EQ(function(table, 0x1100), "open") << "without its version";
  EXPECT_EQ(table.functions(), 1U);
  EXPECT_EQ(table.objects(), 0U);
}

TEST(FunctionTable, TakesTheDynamicTableWhereThereIsNoOther) {
  const auto dynamic = table_of(ElfImage().table(SHT_DYNSYM).function("exported", 0x1100, 0x20));
  EXPECT_EQ(function(dynamic, 0x1100), "exported");
  const auto none = table_of(ElfImage().table(SHT_PROGBITS).function("hidden", 0x1100, 0x20));
  EXPECT_EQ(none.functions(), 0U);
  EXPECT_EQ(none.segments().size(), 2U);
}

TEST(FunctionTable, TakesADebugFileOfTheSameBuildOnly) {
  char folder[] = "/tmp/lockscope-debug-XXXXXX";
  ASSERT_NE(::mkdtemp(folder), nullptr);
  const std::string directory(folder), below = directory + "/ab", path = below + "/cdef.debug";
  ASSERT_EQ(::mkdir(below.c_str(), 0700), 0);
  const auto put = [&](const std::string& bytes) {
    const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    EXPECT_EQ(::write(fd.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  };
  ElfImage stripped;
  stripped.table(SHT_DYNSYM).build_id("\xab\xcd\xef").function("exported", 0x1100, 0x20);
  const UniqueFd fd = stripped.file();

  put(ElfImage().build_id("\xab\xcd\xef").function("internal", 0x1200, 0x20).bytes());
  auto table = FunctionTable::read(fd.get(), directory).value();
  EXPECT_EQ(function(table, 0x1200), "internal");
  put(ElfImage().build_id("\xab\xcd\xee").function("internal", 0x1200, 0x20).bytes());
  table = FunctionTable::read(fd.get(), directory).value();
  EXPECT_EQ(function(table, 0x1200), "") << "of another build";
  EXPECT_EQ(function(table, 0x1100), "exported");
  put("no ELF file");
  EXPECT_EQ(function(FunctionTable::read(fd.get(), directory).value(), 0x1100), "exported");
  EXPECT_EQ(::unlink(path.c_str()), 0);
  EXPECT_EQ(function(FunctionTable::read(fd.get(), directory).value(), 0x1100), "exported");
  ::rmdir(below.c_str());
  ::rmdir(directory.c_str());
}

TEST(FunctionTable, KnowsWhereAMappingLies) {
  const auto table = table_of(ElfImage());
  EXPECT_EQ(table.load_bias(0x7f0000001000, 0x1000, true), 0x7f0000000000U);
  EXPECT_EQ(table.load_bias(0x7f0000003000, 0x2000, false), 0x7f0000000000U) << "whole pages are mapped";
  EXPECT_EQ(table.load_bias(0x7f0000002000, 0x2000, true), 0x7f0000000000U) << "the text segment's part of the page";
  EXPECT_FALSE(table.load_bias(0x7f0000009000, 0x9000, false)) << "no segment lies there";
  EXPECT_TRUE(table.is_writable(ElfImage::kData + ElfImage::kDataSize - 1));
  EXPECT_FALSE(table.is_writable(ElfImage::kData + ElfImage::kDataSize));
  EXPECT_FALSE(table.is_writable(ElfImage::kText));
}

TEST(FunctionTable, RefusesWhatIsNoElfFileOfThisMachine) {
  EXPECT_FALSE(FunctionTable::read(-1));
  EXPECT_FALSE(FunctionTable::read(ElfImage::file_of("").get()));
  EXPECT_FALSE(FunctionTable::read(ElfImage::file_of("#!/bin/sh\n").get()));
  std::string bytes = ElfImage().bytes();
  bytes[EI_CLASS] = ELFCLASS32;
  EXPECT_FALSE(FunctionTable::read(ElfImage::file_of(bytes).get()));
  const UniqueFd device(::open("/dev/zero", O_RDONLY | O_CLOEXEC));
  EXPECT_FALSE(FunctionTable::read(device.get()));
}

// The loader's own answer for this libc and this program. Functions of pthreads and allocation are not asked for: under
// a sanitizer those are its own.
TEST(FunctionTable, AgreesWithTheLoader) {
  for (const char* name : {"gnu_get_libc_version", "gnu_get_libc_release", "a64l", "getopt_long", "hcreate"}) {
    void* known = ::dlsym(RTLD_DEFAULT, name);
    Dl_info place{};
    ASSERT_NE(::dladdr(known, &place), 0) << name;
    const UniqueFd fd(::open(place.dli_fname, O_RDONLY | O_CLOEXEC));
    const auto table = FunctionTable::read(fd.get(), "");
    ASSERT_TRUE(table) << place.dli_fname;
    const auto base = reinterpret_cast<std::uint64_t>(place.dli_fbase);
    const auto address = reinterpret_cast<std::uint64_t>(place.dli_saddr) - base;
    const auto symbol = table->function_at(reinterpret_cast<std::uint64_t>(known) - base);
    ASSERT_TRUE(symbol) << name;
    EXPECT_EQ(symbol->address, address) << name;
    EXPECT_EQ(symbol->name, name);
    EXPECT_GT(symbol->size, 0U);
    EXPECT_EQ(table->function_at(address + symbol->size - 1)->name, name) << "its last byte";
  }
}

// Every function that dladdr knows in this program's C library, asked for at an address inside of it, begins where
// dladdr says, unless a better table knows a nearer one.
TEST(FunctionTable, IsNeverFurtherAwayThanTheLoader) {
  Dl_info libc{};
  ASSERT_NE(::dladdr(::dlsym(RTLD_DEFAULT, "gnu_get_libc_version"), &libc), 0);
  const auto base = reinterpret_cast<std::uint64_t>(libc.dli_fbase);
  const UniqueFd fd(::open(libc.dli_fname, O_RDONLY | O_CLOEXEC));
  const auto table = FunctionTable::read(fd.get(), "");
  ASSERT_TRUE(table);
  std::mt19937_64 random(7);
  int compared = 0;
  for (const FunctionTable::Segment& segment : table->segments()) {
    for (int i = 0; segment.executable && i < 2000; ++i) {
      const std::uint64_t address = segment.address + random() % segment.memory_size;
      const auto symbol = table->function_at(address);
      Dl_info known{};
      if (!symbol || ::dladdr(reinterpret_cast<void*>(base + address), &known) == 0 || known.dli_saddr == nullptr) {
        continue;
      }
      ++compared;
      EXPECT_GE(symbol->address, reinterpret_cast<std::uint64_t>(known.dli_saddr) - base) << symbol->name;
    }
  }
  EXPECT_GT(compared, 200);
}

TEST(FunctionTable, ReadsTwoHundredThousandSymbols) {
  ElfImage image;
  constexpr std::uint64_t kCount = 200'000;
  for (std::uint64_t i = 0; i < kCount; ++i) {
    // In an order that is none.
    const std::uint64_t n = i * 7919 % kCount;
    image.function("function_" + std::to_string(n), 0x100000 + n * 16, n % 3 == 0 ? 0 : 12);
  }
  const auto table = table_of(image);
  // Those without size lie in no section that is long enough.
  EXPECT_EQ(table.functions(), kCount - (kCount + 2) / 3);
  std::mt19937_64 random(11);
  for (int i = 0; i < 200'000; ++i) {
    const std::uint64_t n = random() % kCount, inside = random() % 16;
    const std::string expected = n % 3 == 0 || inside >= 12 ? "" : "function_" + std::to_string(n);
    ASSERT_EQ(function(table, 0x100000 + n * 16 + inside), expected);
  }
  EXPECT_LT(table.memory(), std::size_t{32} << 20);
}

// Functions nested in one another thousands deep: a look-up gives up, it does not walk through all of them.
TEST(FunctionTable, NestingHasAnEnd) {
  ElfImage image;
  for (std::uint64_t i = 0; i < 20'000; ++i) image.function("nested", 0x100000 + i, 1'000'000 - 2 * i);
  image.function("outside", 0x100000, 4'000'000, STB_LOCAL);
  const auto table = table_of(image);
  EXPECT_EQ(table.function_at(0x100000 + 19'999)->address, 0x100000U + 19'999);
  EXPECT_EQ(table.function_at(0x100000 + 2'000'000), std::nullopt) << "64 steps from it";
}

void use(int fd) {
  const auto table = FunctionTable::read(fd, "");
  if (!table) return;
  for (std::uint64_t address = 0x1000; address < 0x5200; address += 0x40) {
    for (const auto& symbol : {table->function_at(address), table->object_at(address)}) {
      if (!symbol) continue;
      ASSERT_LE(std::string(symbol->name).size(), FunctionTable::kMaxName);
    }
    static_cast<void>(table->load_bias(address, address, true));
  }
  ASSERT_LT(table->memory(), std::size_t{1} << 20);
}

ElfImage rich_image() {
  ElfImage image;
  image.build_id("\x12\x34\x56\x78").object("lock", 0x3200, 40).object("table", 0x3300, 0x400);
  for (std::uint64_t i = 0; i < 20; ++i) image.function("f" + std::to_string(i), 0x1000 + i * 0x40, i % 2 * 0x30);
  return image;
}

TEST(FunctionTable, SurvivesDamagedFiles) {
  const std::string whole = rich_image().bytes();
  const UniqueFd fd = ElfImage::file_of(whole);
  std::mt19937 random(20261);
  // The header and segments; and all that comes behind the contents: symbols, names, note, sections.
  const std::size_t front = sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr), back = 0x2200;
  for (int round = 0; round < 4000; ++round) {
    std::vector<std::pair<std::size_t, char>> damage;
    for (int i = 0; i < 4; ++i) {
      const std::size_t at = i == 0 ? random() % front : back + random() % (whole.size() - back);
      constexpr char kTelling[] = {0, 1, '\x7f', '\x80', '\xff'};
      damage.emplace_back(at,
                          round % 2 == 0 ? kTelling[random() % sizeof kTelling] : static_cast<char>(random() % 256));
    }
    for (const auto& [at, byte] : damage) ASSERT_EQ(::pwrite(fd.get(), &byte, 1, static_cast<off_t>(at)), 1);
    use(fd.get());
    if (HasFatalFailure()) FAIL() << "round " << round;
    for (const auto& [at, byte] : damage) ASSERT_EQ(::pwrite(fd.get(), &whole[at], 1, static_cast<off_t>(at)), 1);
  }
  EXPECT_EQ(FunctionTable::read(fd.get())->functions(), 20U) << "all was put back";
}

TEST(FunctionTable, SurvivesFilesCutOffAnywhere) {
  const std::string whole = rich_image().bytes();
  const UniqueFd fd = ElfImage::file_of(whole);
  for (std::size_t size = whole.size(); size > 0;) {
    // Where there is nothing but zeroes one cut is as good as another.
    size -= size > 0x2200 || size < 0x200 ? 1 : 0x80;
    ASSERT_EQ(::ftruncate(fd.get(), static_cast<off_t>(size)), 0);
    use(fd.get());
    if (HasFatalFailure()) FAIL() << "at " << size;
  }
}

template <class T>
std::string with(std::string bytes, std::size_t at, T value) {
  std::memcpy(bytes.data() + at, &value, sizeof value);
  return bytes;
}

TEST(FunctionTable, BelievesNoAbsurdCounts) {
  const std::string whole = rich_image().bytes();
  Elf64_Ehdr header{};
  std::memcpy(&header, whole.data(), sizeof header);
  const std::size_t table = header.e_shoff + 3 * sizeof(Elf64_Shdr), names = table + sizeof(Elf64_Shdr);
  const auto functions = [](const std::string& bytes, std::uint64_t size = 0) {
    const UniqueFd fd = ElfImage::file_of(bytes);
    if (size > 0 && ::ftruncate(fd.get(), static_cast<off_t>(size)) != 0) return -2;
    const auto read = FunctionTable::read(fd.get(), "");
    return read ? static_cast<int>(read->functions()) : -1;
  };
  ASSERT_EQ(functions(whole), 20);
  for (const std::uint64_t size : {std::uint64_t{1} << 20, std::uint64_t{1} << 40, ~std::uint64_t{0}}) {
    EXPECT_EQ(functions(with(whole, table + offsetof(Elf64_Shdr, sh_size), size)), 0) << "symbols beyond the file";
    EXPECT_EQ(functions(with(whole, names + offsetof(Elf64_Shdr, sh_size), size)), 0) << "names beyond the file";
    EXPECT_EQ(functions(with(whole, table + offsetof(Elf64_Shdr, sh_offset), size)), 0);
  }
  // A file with holes has room for anything.
  constexpr std::uint64_t kHuge = std::uint64_t{1} << 36;
  EXPECT_EQ(functions(with(whole, table + offsetof(Elf64_Shdr, sh_size), kHuge - 0x10000), kHuge), 0);
  EXPECT_EQ(functions(with(whole, names + offsetof(Elf64_Shdr, sh_size), kHuge - 0x10000), kHuge), 0);
  EXPECT_EQ(functions(with(whole, table + offsetof(Elf64_Shdr, sh_link), 0xffffU)), 0);
  EXPECT_EQ(functions(with(whole, offsetof(Elf64_Ehdr, e_shnum), std::uint16_t{0xffff})), 0);
  EXPECT_EQ(functions(with(whole, offsetof(Elf64_Ehdr, e_phnum), std::uint16_t{0xffff})), -1);
  EXPECT_EQ(functions(with(whole, sizeof header + offsetof(Elf64_Phdr, p_memsz), ~std::uint64_t{0})), -1);
}

TEST(FunctionTable, CutsNamesThatNeverEnd) {
  ElfImage image;
  image.function(std::string(100'000, 'x'), 0x1100, 0x20);
  EXPECT_EQ(function(table_of(image), 0x1100).size(), FunctionTable::kMaxName);
}

}  // namespace
}  // namespace lockscope
