// SPDX-License-Identifier: Apache-2.0
#include "source/traced_library.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <gnu/libc-version.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <initializer_list>
#include <random>
#include <set>
#include <string>

#include "source/unique_fd.h"
#include "tests/unit/elf_image.h"

namespace lockscope {
namespace {

std::optional<std::uint64_t> frame_of(std::initializer_list<int> bytes) {
  const std::vector<std::uint8_t> code(bytes.begin(), bytes.end());
  return frame_at_first_call(code);
}

// Beginnings as compilers write them; what objdump says stands behind.
TEST(FrameAtFirstCall, IsWhatWasPushedAndSubtracted) {
  EXPECT_EQ(frame_of({0xe8, 0, 0, 0, 0}), 0u);                                            // call
  EXPECT_EQ(frame_of({0xf3, 0x0f, 0x1e, 0xfa, 0xe8, 0, 0, 0, 0}), 0u);                    // endbr64; call
  EXPECT_EQ(frame_of({0x48, 0x83, 0xec, 0x08, 0xe8, 0, 0, 0, 0}), 8u);                    // sub rsp,8; call
  EXPECT_EQ(frame_of({0x53, 0x48, 0x83, 0xec, 0x20, 0xe8, 0, 0, 0, 0}), 0x28u);           // push rbx; sub rsp,32
  EXPECT_EQ(frame_of({0x41, 0x54, 0x55, 0x53, 0xe8, 0, 0, 0, 0}), 24u);                   // push r12; rbp; rbx
  EXPECT_EQ(frame_of({0x55, 0x48, 0x89, 0xe5, 0xe8, 0, 0, 0, 0}), 8u);                    // push rbp; mov rbp,rsp
  EXPECT_EQ(frame_of({0x48, 0x81, 0xec, 0x88, 0x01, 0, 0, 0xe8, 0, 0, 0, 0}), 0x188u);    // sub rsp,0x188
  EXPECT_EQ(frame_of({0x48, 0x83, 0xec, 8, 0x85, 0xf6, 0x74, 4, 0xe8, 0, 0, 0, 0}), 8u);  // test esi,esi; je
}

TEST(FrameAtFirstCall, IsNotKnownWithoutACall) {
  EXPECT_EQ(frame_of({}), std::nullopt);
  EXPECT_EQ(frame_of({0x53}), std::nullopt);                                // push
  EXPECT_EQ(frame_of({0xc3}), std::nullopt);                                // ret
  EXPECT_EQ(frame_of({0x31, 0xc0, 0xc3, 0xe8, 0, 0, 0, 0}), std::nullopt);  // xor eax,eax; ret; call
  EXPECT_EQ(frame_of({0xe9, 0, 0, 0, 0, 0xe8, 0, 0, 0, 0}), std::nullopt);  // jmp: the caller is this one's
  EXPECT_EQ(frame_of({0xeb, 0, 0xe8, 0, 0, 0, 0}), std::nullopt);           // jmp, short
  EXPECT_EQ(frame_of({0x48, 0x83, 0xec, 0x08, 0xe8, 0, 0}), std::nullopt);  // cut off
  EXPECT_EQ(frame_of({0x48, 0x83, 0xec}), std::nullopt);                    // cut off
  EXPECT_EQ(frame_of({0x0f, 0x05, 0xe8, 0, 0, 0, 0}), std::nullopt);        // syscall
}

TEST(FrameAtFirstCall, IsNotKnownWhereTheStackPointerIsMovedInAnotherWay) {
  EXPECT_EQ(frame_of({0x48, 0x83, 0xc4, 0x80, 0xe8, 0, 0, 0, 0}), std::nullopt);           // add rsp,-128
  EXPECT_EQ(frame_of({0x48, 0x83, 0xec, 0x80, 0xe8, 0, 0, 0, 0}), std::nullopt);           // sub rsp,-128
  EXPECT_EQ(frame_of({0x48, 0x81, 0xec, 0, 0, 0, 0x80, 0xe8, 0, 0, 0, 0}), std::nullopt);  // sub rsp,-2^31
  EXPECT_EQ(frame_of({0x48, 0x83, 0xe4, 0xf0, 0xe8, 0, 0, 0, 0}), std::nullopt);           // and rsp,-16
  EXPECT_EQ(frame_of({0x48, 0x8d, 0x64, 0x24, 0xf0, 0xe8, 0, 0, 0, 0}), std::nullopt);     // lea rsp,[rsp-16]
  EXPECT_EQ(frame_of({0x48, 0x89, 0xc4, 0xe8, 0, 0, 0, 0}), std::nullopt);                 // mov rsp,rax
}

TEST(FrameAtFirstCall, TakesAnyBytes) {
  std::mt19937 random(20240612);
  std::uniform_int_distribution<int> byte(0, 255);
  for (int round = 0; round < 200000; ++round) {
    std::vector<std::uint8_t> code(static_cast<std::size_t>(round % 40));
    for (std::uint8_t& b : code) b = static_cast<std::uint8_t>(byte(random));
    const auto frame = frame_at_first_call(code);
    ASSERT_TRUE(!frame || *frame <= std::uint64_t{0x7fffffff} * code.size());
  }
}

TEST(MayBeTracedLibrary, GoesByTheName) {
  for (const char* path : {"/lib/x86_64-linux-gnu/libc.so.6", "/lib/libc-2.31.so", "libpthread.so.0",
                           "/lib/libpthread-2.31.so", "/lib/ld-musl-x86_64.so.1", "/lib/libc.musl-x86_64.so.1",
                           "/usr/lib/libglib-2.0.so.0.7400.6", "libgomp.so.1", "/usr/lib/libc.so"}) {
    EXPECT_TRUE(may_be_traced_library(path)) << path;
  }
  for (const char* path : {"", "/", "/lib/libc.so.6/", "/libc.so.6/program", "/lib/mylibc.so.6", "/lib/libm.so.6",
                           "/lib/libcap.so.2", "/lib/libstdc++.so.6", "[vdso]", "/lib/ld-linux-x86-64.so.2"}) {
    EXPECT_FALSE(may_be_traced_library(path)) << path;
  }
}

class OwnLibc : public testing::Test {
 protected:
  void SetUp() override {
    Dl_info place{};
    ASSERT_NE(::dladdr(reinterpret_cast<void*>(&::gnu_get_libc_version), &place), 0);
    fd_ = UniqueFd(::open(place.dli_fname, O_RDONLY | O_CLOEXEC));
    const auto read = read_traced_library(fd_.get(), false);
    ASSERT_TRUE(read) << place.dli_fname;
    library_ = *read;
  }
  [[nodiscard]] std::vector<ProbeSite> sites() const {
    std::vector<ProbeSite> all = library_.takes;
    all.insert(all.end(), library_.releases.begin(), library_.releases.end());
    all.insert(all.end(), library_.lives.begin(), library_.lives.end());
    return all;
  }
  UniqueFd fd_;
  TracedLibrary library_;
};

TEST_F(OwnLibc, HasASiteForEveryFunctionOfTheCatalog) {
  EXPECT_EQ(library_.layout, LS_LAYOUT_GLIBC);
  const auto elf = read_elf(fd_.get());
  ASSERT_TRUE(elf);
  std::set<std::uint64_t> entries;
  for (const ProbeSite& site : sites()) EXPECT_TRUE(entries.insert(site.entry).second) << "each once";
  std::size_t functions = 0;
  for (std::uint32_t call = 1; call < 128; ++call) {
    const auto names = names_of_call(call);
    const auto found = read_dynamic_symbols(fd_.get(), names);
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (!found[i]) continue;  // GLib's, libgomp's, or of a later version
      ++functions;
      const auto entry = elf->file_offset_of(found[i]->address);
      ASSERT_TRUE(entry) << names[i];
      EXPECT_TRUE(entries.contains(*entry)) << names[i];
    }
  }
  EXPECT_GE(functions, 25u);
}

// The kernel refuses to probe an instruction with a lock prefix, and with it all others that were asked for at once.
TEST_F(OwnLibc, HasNoSiteAtALockPrefix) {
  for (const ProbeSite& site : sites()) {
    ASSERT_GE(site.offset, site.entry);
    std::uint8_t first = 0;
    ASSERT_EQ(::pread(fd_.get(), &first, 1, static_cast<off_t>(site.offset)), 1);
    EXPECT_NE(first, 0xf0) << names_of_call(site.call).front();
    // Before Linux 6.13 a function with a loop is probed at its entry (full_programs.cpp).
    ASSERT_EQ(::pread(fd_.get(), &first, 1, static_cast<off_t>(site.entry)), 1);
    const bool at_entry = site.again && site.call != LS_SPIN_LOCK;
    EXPECT_FALSE(at_entry && first == 0xf0) << names_of_call(site.call).front();
  }
}

TEST_F(OwnLibc, SortsTakesReleasesAndLives) {
  const auto has = [](const std::vector<ProbeSite>& sites, std::uint32_t call) {
    return std::ranges::find(sites, call, &ProbeSite::call) != sites.end();
  };
  for (const auto call :
       {LS_MUTEX_LOCK, LS_MUTEX_TRYLOCK, LS_RWLOCK_RDLOCK, LS_SPIN_LOCK, LS_SEM_WAIT, LS_BARRIER_WAIT}) {
    EXPECT_TRUE(has(library_.takes, call)) << call;
  }
  for (const auto call : {LS_MUTEX_UNLOCK, LS_RWLOCK_UNLOCK, LS_SPIN_UNLOCK, LS_COND_WAIT}) {
    EXPECT_TRUE(has(library_.releases, call)) << call;
  }
  for (const auto call : {LS_MUTEX_INIT, LS_MUTEX_DESTROY, LS_RWLOCK_DESTROY, LS_MUTEX_CONSISTENT}) {
    EXPECT_TRUE(has(library_.lives, call)) << call;
  }
  EXPECT_TRUE(has(library_.releases, LS_COND_WAIT));
  EXPECT_FALSE(has(library_.takes, LS_COND_WAIT));
}

// mtx_lock() and its kind call pthread functions: the program's place is one frame up, a small one.
TEST_F(OwnLibc, KnowsTheFramesOfItsWrappers) {
  const ls_full_file& places = library_.places;
  EXPECT_LT(places.text_start, places.text_end);
  const auto elf = read_elf(fd_.get());
  for (const char* name : {"mtx_lock", "mtx_trylock", "mtx_unlock", "cnd_wait"}) {
    const auto found = read_dynamic_symbols(fd_.get(), std::vector<std::string_view>{name});
    if (!found[0]) continue;  // glibc before 2.28
    const auto entry = elf->file_offset_of(found[0]->address);
    ASSERT_TRUE(entry);
    EXPECT_GE(*entry, places.text_start);
    EXPECT_LT(*entry, places.text_end);
    const std::span bodies(places.body, places.bodies);
    const auto body = std::ranges::find(bodies, *entry, [](const ls_full_body& b) { return std::uint64_t{b.start}; });
    if (body == bodies.end()) {  // no call in it: a jump, and the caller is the program
      const auto code = read_function(fd_.get(), *entry, found[0]->size);
      EXPECT_EQ(frame_at_first_call(code), std::nullopt) << name;
      continue;
    }
    EXPECT_EQ(body->end, *entry + found[0]->size) << name;
    EXPECT_EQ(body->frame % 8, 0u) << name;
    EXPECT_LE(body->frame, 64u) << name;
  }
}

TEST(TracedLibrary, IsNoOtherFile) {
  EXPECT_FALSE(read_traced_library(-1, false));
  EXPECT_FALSE(read_traced_library(ElfImage::file_of("").get(), false));
  EXPECT_FALSE(read_traced_library(ElfImage::file_of("#!/bin/sh\n").get(), true));
  const UniqueFd without = ElfImage().table(SHT_DYNSYM).function("other", ElfImage::kText, 16).file();
  EXPECT_FALSE(read_traced_library(without.get(), false));
  const UniqueFd nobodys = ElfImage().function("pthread_mutex_lock", ElfImage::kText, 16).file();
  EXPECT_FALSE(read_traced_library(nobodys.get(), true)) << "whose C library is it?";
}

TEST(TracedLibrary, IsAProgramWithItsSymbols) {
  const UniqueFd file = ElfImage()
                            .function("pthread_mutex_lock", ElfImage::kText, 16)
                            .function("pthread_mutex_unlock", ElfImage::kText + 32, 16)
                            .function("__lll_lock_wait", ElfImage::kText + 64, 16, STB_LOCAL)
                            .file();
  const auto library = read_traced_library(file.get(), true);
  ASSERT_TRUE(library);
  EXPECT_EQ(library->layout, LS_LAYOUT_GLIBC);
  ASSERT_EQ(library->takes.size(), 1u);
  ASSERT_EQ(library->releases.size(), 1u);
  EXPECT_EQ(library->takes[0].entry, ElfImage::kText);
  EXPECT_EQ(library->places.text_start, ElfImage::kText);
}

// Whatever is wrong with a file: nothing is read beyond it, and no site lies outside.
TEST(TracedLibrary, MayBeHostile) {
  const std::string whole = ElfImage()
                                .function("pthread_mutex_lock", ElfImage::kText, 16)
                                .function("pthread_mutex_unlock", ElfImage::kText + 32, ~std::uint64_t{0})
                                .function("mtx_lock", ElfImage::kText + 64, 0x7fffffffffff)
                                .function("__lll_lock_wait", ElfImage::kText + 96, 16)
                                .bytes();
  const auto check = [](const std::string& bytes) {
    const UniqueFd file = ElfImage::file_of(bytes);
    const auto library = read_traced_library(file.get(), true);
    if (!library) return;
    for (const auto* sites : {&library->takes, &library->releases, &library->lives}) {
      for (const ProbeSite& site : *sites) ASSERT_LE(site.offset, bytes.size());
    }
    ASSERT_LE(library->places.bodies, static_cast<std::uint32_t>(LS_FULL_BODIES));
  };
  check(whole);
  for (std::size_t length = 0; length < whole.size(); length += length < 512 ? 1 : 97) check(whole.substr(0, length));
  std::mt19937 random(20240613);
  std::uniform_int_distribution<std::size_t> at(0, whole.size() - 1);
  std::uniform_int_distribution<std::size_t> in_head(0, 400);
  std::uniform_int_distribution<int> byte(0, 255);
  for (int round = 0; round < 2000; ++round) {
    std::string broken = whole;
    for (int i = 0; i < 4; ++i) broken[in_head(random)] = static_cast<char>(byte(random));
    for (int i = 0; i < 8; ++i) broken[at(random)] = static_cast<char>(byte(random));
    check(broken);
  }
}

}  // namespace
}  // namespace lockscope
