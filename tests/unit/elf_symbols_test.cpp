// SPDX-License-Identifier: Apache-2.0
#include "source/elf_symbols.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <gnu/libc-version.h>
#include <gtest/gtest.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <random>
#include <string>

#include "source/code_modules.h"
#include "source/unique_fd.h"

namespace lockscope {
namespace {

struct LoadedLibc {
  std::string path;
  std::uint64_t base = 0;
};

LoadedLibc loaded_libc() {
  void* symbol = ::dlsym(RTLD_DEFAULT, "gnu_get_libc_version");
  Dl_info place{};
  if (::dladdr(symbol, &place) == 0) return {};
  return {place.dli_fname, reinterpret_cast<std::uint64_t>(place.dli_fbase)};
}

UniqueFd open_file(const std::string& path) { return UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC)); }

UniqueFd file_of(std::string_view bytes) {
  UniqueFd fd(::memfd_create("elf", MFD_CLOEXEC));
  EXPECT_EQ(::write(fd.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  return fd;
}

std::string contents(const std::string& path) {
  const UniqueFd fd = open_file(path);
  std::string bytes(static_cast<std::size_t>(::lseek(fd.get(), 0, SEEK_END)), '\0');
  EXPECT_EQ(::pread(fd.get(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  return bytes;
}

TEST(ElfSymbols, AgreesWithTheLoaderOnThisLibc) {
  const LoadedLibc libc = loaded_libc();
  const UniqueFd fd = open_file(libc.path);
  ASSERT_TRUE(fd) << libc.path;
  const auto elf = read_elf(fd.get());
  ASSERT_TRUE(elf);
  EXPECT_EQ(elf->soname, "libc.so.6");
  EXPECT_FALSE(elf->fixed_address);
  const auto symbols = read_dynamic_symbols(fd.get(), {"syscall", "pthread_cond_wait", "no_such_function"});
  ASSERT_TRUE(symbols[0]);
  EXPECT_EQ(libc.base + symbols[0]->address, reinterpret_cast<std::uint64_t>(::dlsym(RTLD_DEFAULT, "syscall")));
  // Two versions of this one: the default is the one that programs are linked to.
  ASSERT_TRUE(symbols[1]);
  EXPECT_EQ(libc.base + symbols[1]->address,
            reinterpret_cast<std::uint64_t>(::dlsym(RTLD_DEFAULT, "pthread_cond_wait")));
  EXPECT_FALSE(symbols[2]);
}

TEST(ElfSymbols, RefusesWhatIsNoElfFileOfThisMachine) {
  EXPECT_FALSE(read_elf(file_of("").get()));
  EXPECT_FALSE(read_elf(file_of("#!/bin/sh\nexit 0\n").get()));
  std::string header = contents("/proc/self/exe").substr(0, 4096);
  EXPECT_FALSE(read_elf(file_of(header.substr(0, 40)).get())) << "cut off in its header";
  header[4] = 1;  // 32 bits
  EXPECT_FALSE(read_elf(file_of(header).get()));
  const UniqueFd pipe_like = open_file("/dev/zero");
  EXPECT_FALSE(read_elf(pipe_like.get()));
}

// Every byte that the reader looks at is damaged many times over: it may answer anything but must not crash, hang or
// allocate without bound. Sanitizers see the rest.
TEST(ElfSymbols, SurvivesDamagedFiles) {
  std::string whole = contents(loaded_libc().path);
  std::mt19937 random(20240501);
  const auto anywhere = [&](std::size_t from, std::size_t size) {
    return from + std::uniform_int_distribution<std::size_t>(0, size - 1)(random);
  };
  ElfW(Ehdr) header{};
  std::memcpy(&header, whole.data(), sizeof header);
  // An own copy of the file in which the same bytes are damaged and put back.
  const UniqueFd fd = file_of(whole);
  for (int round = 0; round < 3000; ++round) {
    std::vector<std::pair<std::size_t, char>> damage;
    for (int i = 0; i < 4; ++i) {
      const std::size_t at = i % 2 == 0 ? anywhere(0, 64 + 56 * header.e_phnum)
                                        : anywhere(header.e_shoff, std::size_t{64} * header.e_shnum);
      constexpr char kTelling[] = {0, 1, '\x7f', '\x80', '\xff'};
      damage.emplace_back(
          at, round % 2 == 0 ? kTelling[anywhere(0, sizeof kTelling)] : static_cast<char>(anywhere(0, 256)));
    }
    for (const auto& [at, byte] : damage) ASSERT_EQ(::pwrite(fd.get(), &byte, 1, static_cast<off_t>(at)), 1);
    static_cast<void>(CodeModule::describe(fd.get(), false).place(0x90000));
    for (const auto& [at, byte] : damage) ASSERT_EQ(::pwrite(fd.get(), &whole[at], 1, static_cast<off_t>(at)), 1);
  }
  EXPECT_EQ(CodeModule::describe(fd.get(), false).libc(), LibcKind::glibc) << "all was put back";
}

TEST(ElfSymbols, SurvivesFilesCutOffAnywhere) {
  const std::string whole = contents(loaded_libc().path);
  const UniqueFd fd = file_of(whole);
  for (std::size_t size = whole.size(); size > 0; size = size * 9 / 10) {
    ASSERT_EQ(::ftruncate(fd.get(), static_cast<off_t>(size)), 0);
    static_cast<void>(CodeModule::describe(fd.get(), false).place(0x90000));
  }
}

}  // namespace
}  // namespace lockscope
