// SPDX-License-Identifier: Apache-2.0
#include "source/probe_sites.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <gnu/libc-version.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <initializer_list>
#include <random>
#include <set>
#include <string>

#include "lockscope/wire.h"
#include "source/probe_files.h"
#include "source/shared_memory_scan.h"
#include "source/unique_fd.h"

namespace lockscope {
namespace {

std::uint64_t site_of(std::initializer_list<int> bytes) {
  const std::vector<std::uint8_t> code(bytes.begin(), bytes.end());
  return choose_probe_site(code);
}

// Beginnings as compilers write them; what objdump says stands behind.
TEST(ProbeSites, AreTheFirstEmulatedInstruction) {
  EXPECT_EQ(site_of({0x53, 0x48, 0x89, 0xfb}), 0u);              // push rbx
  EXPECT_EQ(site_of({0xf3, 0x0f, 0x1e, 0xfa, 0x41, 0x56}), 4u);  // endbr64; push r14
  // mov rax,[rdi]; test eax,eax; je: a glibc sem_trywait
  EXPECT_EQ(site_of({0x48, 0x8b, 0x07, 0x85, 0xc0, 0x74, 0x11, 0x48, 0x8d, 0x50, 0xff}), 5u);
  // cmp qword [rsi+8],999999999; ja: a glibc sem_timedwait
  EXPECT_EQ(site_of({0x48, 0x81, 0x7e, 0x08, 0xff, 0xc9, 0x9a, 0x3b, 0x77, 0x4e}), 8u);
  // mov esi,[rdi+8]; mov rax,[rdi]; cmp eax,0x7fffffff; je: a glibc sem_post
  EXPECT_EQ(site_of({0x8b, 0x77, 0x08, 0x48, 0x8b, 0x07, 0x3d, 0xff, 0xff, 0xff, 0x7f, 0x74, 0x33}), 11u);
  // mov rdx,rsi; xor esi,esi; jmp: a glibc pthread_mutex_timedlock
  EXPECT_EQ(site_of({0x48, 0x89, 0xf2, 0x31, 0xf6, 0xe9, 0x26, 0xf6, 0xff, 0xff}), 5u);
  // mov eax,[rdi]; and eax,15; jne: a musl pthread_mutex_trylock
  EXPECT_EQ(site_of({0x8b, 0x07, 0x83, 0xe0, 0x0f, 0x75, 0x11}), 5u);
  // mov eax,fs:[0x2d0]; nop dword [rax]
  EXPECT_EQ(site_of({0x64, 0x8b, 0x04, 0x25, 0xd0, 0x02, 0x00, 0x00, 0x0f, 0x1f, 0x00}), 8u);
  // lea rdx,[rip+..]; mov ecx,[rax+rcx*4+0x100]; jae, long
  EXPECT_EQ(site_of({0x48, 0x8d, 0x15, 1, 0, 0, 0, 0x8b, 0x8c, 0x88, 0, 1, 0, 0, 0x0f, 0x83, 0, 0, 0, 0}), 14u);
  // mov r15,rsi and mov r12,rsi touch neither rdi nor rsp; movabs rax; call
  EXPECT_EQ(site_of({0x49, 0x89, 0xf7, 0x49, 0x89, 0xf4, 0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8, 0xe8, 0, 0, 0, 0}), 16u);
}

TEST(ProbeSites, AreTheEntryWhereTheArgumentOrTheStackWouldBeLost) {
  EXPECT_EQ(site_of({0x89, 0xf7, 0x53}), 0u);                 // mov edi,esi; push
  EXPECT_EQ(site_of({0x48, 0x8b, 0x3f, 0x74, 0}), 0u);        // mov rdi,[rdi]; je
  EXPECT_EQ(site_of({0x48, 0x8d, 0x7f, 0x10, 0x74, 0}), 0u);  // lea rdi,[rdi+16]; je
  EXPECT_EQ(site_of({0xbf, 1, 0, 0, 0, 0x74, 0}), 0u);        // mov edi,1; je
  EXPECT_EQ(site_of({0x48, 0x83, 0xec, 0x18, 0x74, 0}), 0u);  // sub rsp,24; je
  EXPECT_EQ(site_of({0x48, 0x83, 0xe4, 0xf0, 0x74, 0}), 0u);  // and rsp,-16; je
  EXPECT_EQ(site_of({0x0f, 0xb6, 0xff, 0x74, 0}), 0u);        // movzx edi,bh; je
  EXPECT_EQ(site_of({0x40, 0xb7, 1, 0x74, 0}), 0u);           // mov dil,1: not understood
  EXPECT_EQ(site_of({0x40, 0x88, 0xf7, 0x74, 0}), 0u);        // mov dil,sil; je
  EXPECT_EQ(site_of({0x48, 0x83, 0xef, 0x18, 0x74, 0}), 0u);  // sub rdi,24; je
}

TEST(ProbeSites, AreTheEntryWhereTheBytesAreNotUnderstood) {
  EXPECT_EQ(site_of({}), 0u);
  EXPECT_EQ(site_of({0xc3}), 0u);                          // ret
  EXPECT_EQ(site_of({0x31, 0xc0, 0xc3, 0x90}), 0u);        // xor eax,eax; ret; nop
  EXPECT_EQ(site_of({0x31, 0xc0, 0x0f, 0x05, 0x90}), 0u);  // syscall
  EXPECT_EQ(site_of({0xc5, 0xf8, 0x77, 0x90}), 0u);        // vzeroupper
  EXPECT_EQ(site_of({0x31, 0xc0, 0x66, 0xe9, 0, 0}), 0u);  // a jump with a 16-bit operand
  EXPECT_EQ(site_of({0x8b, 0x84}), 0u);                    // cut off
  EXPECT_EQ(site_of({0x31, 0xc0, 0x0f, 0x84, 0, 0}), 0u);  // cut off in the jump
  EXPECT_EQ(site_of({0x85, 0xc0, 0x7f}), 0u);
}

TEST(ProbeSites, AreToldToBeInALoop) {
  // A glibc sem_trywait: mov; test; je (the site); lea; lock cmpxchg; jne back to the test; xor; ret
  const std::vector<std::uint8_t> looping{0x48, 0x8b, 0x07, 0x85, 0xc0, 0x74, 0x11, 0x48, 0x8d, 0x50, 0xff,
                                          0xf0, 0x48, 0x0f, 0xb1, 0x17, 0x75, 0xf1, 0x31, 0xc0, 0xc3};
  EXPECT_TRUE(may_come_again(looping, 5));
  EXPECT_FALSE(may_come_again(looping, 2)) << "the jump leads behind it";
  EXPECT_FALSE(may_come_again(std::span(looping).first(16), 5)) << "without the jump";
  const std::vector<std::uint8_t> far{0x53, 0x90, 0x0f, 0x85, 0xf8, 0xff, 0xff, 0xff, 0xe9, 0xf3, 0xff, 0xff, 0xff};
  EXPECT_TRUE(may_come_again(far, 0));
  EXPECT_TRUE(may_come_again(std::span(far).first(8), 0)) << "jne to the first byte";
  EXPECT_FALSE(may_come_again(std::span(far).first(7), 0)) << "cut off";
  EXPECT_FALSE(may_come_again({}, 0));
}

TEST(ProbeSites, LieWithinAnyBytes) {
  std::mt19937 random(20240607);
  std::uniform_int_distribution<int> byte(0, 255);
  for (int round = 0; round < 200000; ++round) {
    std::vector<std::uint8_t> code(static_cast<std::size_t>(round % 70));
    for (std::uint8_t& b : code) b = static_cast<std::uint8_t>(byte(random));
    const std::uint64_t site = choose_probe_site(code);
    ASSERT_TRUE(site == 0 || site < code.size());
    static_cast<void>(may_come_again(code, site));
  }
}

// By a function that no sanitizer puts one of its own in front of.
std::string own_libc() {
  Dl_info place{};
  return ::dladdr(reinterpret_cast<void*>(&::gnu_get_libc_version), &place) != 0 ? place.dli_fname : "";
}

TEST(ProbeSites, OfThisLibcAreEachFunctionOnce) {
  const UniqueFd fd(::open(own_libc().c_str(), O_RDONLY | O_CLOEXEC));
  const auto found = find_probe_sites(fd.get(), SymbolTable::dynamic, shared_lock_functions());
  ASSERT_TRUE(found);
  std::multiset<std::uint32_t> calls;
  std::set<std::uint64_t> offsets;
  for (const ProbeSite& site : found->sites) {
    calls.insert(site.call);
    EXPECT_TRUE(offsets.insert(site.offset).second) << "two versions of one function are one place";
  }
  for (const std::uint32_t once : {LS_CALL_SEM_WAIT, LS_CALL_SEM_TRY, LS_CALL_SEM_POST, LS_CALL_MUTEX_TRY}) {
    EXPECT_EQ(calls.count(once), 1u) << once;
  }
  EXPECT_GE(calls.count(LS_CALL_SEM_TIMED), 1u);
  EXPECT_GE(calls.count(LS_CALL_MUTEX_TIMED), 1u);
  EXPECT_GE(found->bodies.size(), 3u);
}

TEST(ProbeSites, AreNoneInAFileWithoutTheFunctions) {
  const UniqueFd text(::memfd_create("text", MFD_CLOEXEC));
  ASSERT_EQ(::write(text.get(), "#!/bin/sh\n", 10), 10);
  EXPECT_FALSE(find_probe_sites(text.get(), SymbolTable::dynamic, shared_lock_functions()));
  EXPECT_FALSE(find_probe_sites(text.get(), SymbolTable::full, shared_lock_functions()));
  EXPECT_FALSE(imports_symbol(text.get(), "pthread_cancel")) << "no program";
}

TEST(ProbeSites, ImportsAreWhatAFileAsksOthersFor) {
  const UniqueFd libc(::open(own_libc().c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_FALSE(imports_symbol(libc.get(), "pthread_cancel")) << "it is defined there";
  EXPECT_TRUE(imports_symbol(libc.get(), "_rtld_global")) << "it is defined in the loader";
  const UniqueFd self(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  EXPECT_TRUE(imports_symbol(self.get(), "gnu_get_libc_version"));
  EXPECT_FALSE(imports_symbol(self.get(), "no_such_function"));
}

TEST(SharedRanges, AreTheWritableSharedMappingsOfFiles) {
  const MappedDevices devices{(std::uint64_t{0} << 20) | 6, (std::uint64_t{0} << 20) | 1};
  const auto ranges = shared_ranges(
      "1000-2000 rw-s 00000000 00:1b 7 /dev/shm/a\n"
      "2000-3000 rw-s 00001000 00:1b 7 /dev/shm/a\n"
      "3000-4000 rw-s 00005000 00:1b 7 /dev/shm/a\n"
      "4000-5000 r--s 00000000 00:1b 8 /dev/shm/read\n"
      "5000-6000 rw-p 00000000 00:1b 8 /dev/shm/private\n"
      "6000-7000 rwxs 00000000 00:1b 9 /dev/shm/code\n"
      "7000-8000 rw-s 00000000 00:06 10 /dev/dri/card0\n"
      "8000-9000 rw-s 00000000 00:0f 11 anon_inode:[io_uring]\n"
      "9000-a000 rw-s 00000000 00:01 12 /SYSV00000000 (deleted)\n"
      "a000-b000 rw-s 00000000 00:01 13 /memfd:x (deleted)\n"
      "b000-c000 rw-s 00000000 fe:00 14 /SYSV00000000 (deleted)\n"
      "c000-d000 rw-s 00000000 00:06 15 /dev/shm/on a device file system\n"
      "d000-e000 rw-s 00000000 00:00 0 \n"
      "e000-f000 rw-s nonsense\n"
      "f000",
      devices);
  const FileId a{0x1b, 7};
  const std::vector<SharedRange> expected{{0x1000, 0x3000, {a, 0}},
                                          {0x3000, 0x4000, {a, 0x5000}},
                                          {0xa000, 0xb000, {{1, 13}, 0}},
                                          {0xb000, 0xc000, {{std::uint64_t{0xfe} << 20, 14}, 0}},
                                          {0xc000, 0xd000, {{6, 15}, 0}}};
  EXPECT_EQ(ranges, expected);
  EXPECT_TRUE(shared_ranges("", devices).empty());
}

TEST(SharedRanges, AreBounded) {
  std::string maps;
  for (int i = 1; i < 1000; ++i) {
    maps += std::to_string(i) + "000-" + std::to_string(i) + "800 rw-s 00000000 00:1b 7 /x\n";
  }
  EXPECT_EQ(shared_ranges(maps, {}).size(), kMaxRanges);
}

}  // namespace
}  // namespace lockscope
