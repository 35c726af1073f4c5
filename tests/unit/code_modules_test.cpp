// SPDX-License-Identifier: Apache-2.0
// Which code made the call: on objects made here byte by byte, and on this process.
#include "source/code_modules.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "source/unique_fd.h"

namespace lockscope {
namespace {

struct MadeSymbol {
  std::string name;
  std::uint64_t address = 0;
  std::uint64_t size = 0;
  std::uint16_t version = 2;
};

// An object whose one segment is loaded at 0x1000 above its offset in the file.
struct MadeObject {
  std::uint16_t type = ET_DYN;
  bool interpreter = false;
  bool pie = false;
  std::string soname = {};
  std::vector<MadeSymbol> symbols = {};

  static constexpr std::uint64_t kBias = 0x1000;

  [[nodiscard]] UniqueFd write() const {
    std::string strings(1, '\0');
    const auto text_at = [&strings](const std::string& text) {
      const auto at = strings.size();
      strings += text + '\0';
      return at;
    };
    std::vector<Elf64_Sym> table(1);
    std::vector<std::uint16_t> versions(1);
    for (const MadeSymbol& symbol : symbols) {
      Elf64_Sym entry{};
      entry.st_name = static_cast<Elf64_Word>(text_at(symbol.name));
      entry.st_shndx = 1;
      entry.st_value = symbol.address;
      entry.st_size = symbol.size;
      table.push_back(entry);
      versions.push_back(symbol.version);
    }
    const std::uint64_t soname_at = soname.empty() ? 0 : text_at(soname);
    constexpr std::uint64_t kStrings = 0x400, kTable = 0x2000, kVersions = 0x3000, kDynamic = 0x3800,
                            kSections = 0x3c00;
    std::vector<Elf64_Dyn> dynamic;
    if (soname_at != 0) dynamic.push_back({DT_SONAME, {soname_at}});
    dynamic.push_back({DT_STRTAB, {kStrings + kBias}});
    if (pie) dynamic.push_back({DT_FLAGS_1, {DF_1_PIE}});
    dynamic.push_back({DT_NULL, {0}});

    Elf64_Ehdr header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_machine = EM_X86_64;
    header.e_type = type;
    header.e_phoff = sizeof header;
    header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_phnum = interpreter ? 3 : 2;
    header.e_shoff = kSections;
    header.e_shentsize = sizeof(Elf64_Shdr);
    header.e_shnum = 4;
    std::string image(0x10000, '\0');
    const auto put = [&image](std::uint64_t at, const auto& values) {
      using Value = std::decay_t<decltype(*values.data())>;
      std::memcpy(image.data() + at, values.data(), values.size() * sizeof(Value));
    };
    Elf64_Phdr load{}, dynamic_segment{}, interp{};
    load.p_type = PT_LOAD;
    load.p_vaddr = kBias;
    load.p_filesz = load.p_memsz = image.size();
    dynamic_segment.p_type = PT_DYNAMIC;
    dynamic_segment.p_offset = kDynamic;
    dynamic_segment.p_filesz = dynamic.size() * sizeof(Elf64_Dyn);
    interp.p_type = PT_INTERP;
    Elf64_Shdr none{}, symbol_section{}, string_section{}, version_section{};
    symbol_section.sh_type = SHT_DYNSYM;
    symbol_section.sh_link = 2;
    symbol_section.sh_offset = kTable;
    symbol_section.sh_size = table.size() * sizeof(Elf64_Sym);
    string_section.sh_type = SHT_STRTAB;
    string_section.sh_offset = kStrings;
    string_section.sh_size = strings.size();
    version_section.sh_type = SHT_GNU_versym;
    version_section.sh_offset = kVersions;
    version_section.sh_size = versions.size() * sizeof(std::uint16_t);
    put(0, std::vector{header});
    put(sizeof header, std::vector{load, dynamic_segment, interp});
    put(kStrings, strings);
    put(kTable, table);
    put(kVersions, versions);
    put(kDynamic, dynamic);
    put(kSections, std::vector{none, symbol_section, string_section, version_section});
    UniqueFd fd(::memfd_create("made", MFD_CLOEXEC));
    EXPECT_EQ(::write(fd.get(), image.data(), image.size()), static_cast<ssize_t>(image.size()));
    return fd;
  }

  [[nodiscard]] CodeModule describe(bool is_executable = false) const {
    return CodeModule::describe(write().get(), is_executable);
  }
};

// The code at an address of the object.
CodePlace at(const CodeModule& module, std::uint64_t address) { return module.place(address - MadeObject::kBias); }

MadeObject glibc() {
  return {.soname = "libc.so.6",
          .symbols = {{"syscall", 0x5000, 0x33},
                      {"gnu_get_libc_version", 0x5100, 8},
                      {"__lll_lock_wait_private", 0x6000, 0x49},
                      {"__lll_lock_wake_private", 0x60b0, 0x15}}};
}

TEST(CodeModule, GlibcsLockFunctionsAreToldApart) {
  const CodeModule module = glibc().describe();
  EXPECT_EQ(module.libc(), LibcKind::glibc);
  EXPECT_FALSE(module.is_loader());
  EXPECT_EQ(at(module, 0x4fff), CodePlace::libc);
  EXPECT_EQ(at(module, 0x5000), CodePlace::libc_syscall);
  EXPECT_EQ(at(module, 0x5032), CodePlace::libc_syscall);
  EXPECT_EQ(at(module, 0x5033), CodePlace::libc);
  EXPECT_EQ(at(module, 0x6000), CodePlace::libc_private_lock);
  EXPECT_EQ(at(module, 0x6048), CodePlace::libc_private_lock);
  EXPECT_EQ(at(module, 0x6049), CodePlace::libc_lock);
  EXPECT_EQ(at(module, 0x60af), CodePlace::libc_lock);
  EXPECT_EQ(at(module, 0x60b0), CodePlace::libc);
}

TEST(CodeModule, WithoutACredibleSizeLockFunctionsAreJustLibc) {
  for (const std::uint64_t size :
       {std::uint64_t{0}, std::uint64_t{0x200}, ~std::uint64_t{0}, ~std::uint64_t{0} - 0x6000}) {
    MadeObject object = glibc();
    object.symbols[2].size = size;
    EXPECT_EQ(at(object.describe(), 0x6010), CodePlace::libc) << size;
    EXPECT_EQ(at(object.describe(), 0x6060), CodePlace::libc) << size;
  }
  MadeObject far_away = glibc();
  far_away.symbols[3].address = 0xa000;
  EXPECT_EQ(at(far_away.describe(), 0x9000), CodePlace::libc);
}

TEST(CodeModule, SyscallIsFoundEvenWithoutASize) {
  MadeObject object = glibc();
  object.symbols[0].size = 0;
  EXPECT_EQ(at(object.describe(), 0x5020), CodePlace::libc_syscall);
  object.symbols[0].size = ~std::uint64_t{0};
  EXPECT_EQ(at(object.describe(), 0x5020), CodePlace::libc_syscall);
  EXPECT_EQ(at(object.describe(), 0x5800), CodePlace::libc);
}

TEST(CodeModule, TheDefaultVersionOfASymbolCounts) {
  MadeObject object = glibc();
  object.symbols.push_back({"syscall", 0x7000, 0x33, 0x8003});  // hidden
  EXPECT_EQ(at(object.describe(), 0x5000), CodePlace::libc_syscall);
  EXPECT_EQ(at(object.describe(), 0x7000), CodePlace::libc);
}

TEST(CodeModule, TheLoaderIsLibcToo) {
  MadeObject object;
  object.soname = "ld-linux-x86-64.so.2";
  const CodeModule module = object.describe(true);
  EXPECT_TRUE(module.is_loader());
  EXPECT_EQ(at(module, 0x5000), CodePlace::libc) << "even where it was started as a program";
}

TEST(CodeModule, MuslIsKnownByItsLoadersStages) {
  MadeObject musl;
  musl.symbols = {{"__libc_start_main", 0x5000, 9}, {"__dls3", 0x5100, 9}, {"syscall", 0x5200, 0x86}};
  EXPECT_EQ(musl.describe().libc(), LibcKind::musl);
  EXPECT_EQ(at(musl.describe(), 0x5000), CodePlace::musl);
  EXPECT_EQ(at(musl.describe(), 0x5210), CodePlace::libc_syscall);
  EXPECT_FALSE(musl.describe().is_loader());
  musl.soname = "libc.musl-x86_64.so.1";
  EXPECT_EQ(musl.describe().libc(), LibcKind::musl);
  musl.soname = "libfoo.so.1";
  EXPECT_EQ(at(musl.describe(), 0x5000), CodePlace::other);
}

TEST(CodeModule, OtherLibrariesAndProgramsAreOther) {
  MadeObject library;
  library.soname = "libz.so.1";
  library.symbols = {{"syscall", 0x5000, 0x33}};
  EXPECT_EQ(at(library.describe(), 0x5000), CodePlace::other);
  MadeObject program;
  program.interpreter = true;
  EXPECT_EQ(at(program.describe(true), 0x5000), CodePlace::other);
  program.type = ET_EXEC;
  EXPECT_EQ(at(program.describe(true), 0x5000), CodePlace::other);
  EXPECT_EQ(at(CodeModule::describe(UniqueFd(::memfd_create("jit", MFD_CLOEXEC)).get(), false), 0x5000),
            CodePlace::other)
      << "no ELF at all";
}

MadeObject static_program(std::uint16_t type, bool pie) {
  MadeObject object;
  object.type = type;
  object.pie = pie;
  return object;
}

TEST(CodeModule, AStaticProgramIsUnknown) {
  EXPECT_EQ(at(static_program(ET_EXEC, false).describe(), 0x5000), CodePlace::unknown);
  EXPECT_EQ(at(static_program(ET_DYN, true).describe(), 0x5000), CodePlace::unknown);
  EXPECT_EQ(at(MadeObject{}.describe(true), 0x5000), CodePlace::unknown);
  EXPECT_EQ(at(MadeObject{}.describe(false), 0x5000), CodePlace::other) << "a library without a name";
}

std::uint64_t address_of(const char* symbol) { return reinterpret_cast<std::uint64_t>(::dlsym(RTLD_DEFAULT, symbol)); }

class CodeModulesHere : public testing::Test {
 protected:
  CodeModulesHere() { reread(); }
  void reread() {
    modules_.begin_look();
    FileReader reader;
    maps_ = ProcessMaps::read(reader, proc_.get(), "self/maps");
    ASSERT_TRUE(maps_);
  }
  [[nodiscard]] CodePlace place(std::uint64_t ip) { return modules_.place(::getpid(), *maps_, ip); }

  UniqueFd proc_{::open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  CodeModules modules_{proc_.get()};
  std::optional<ProcessMaps> maps_;
};

TEST_F(CodeModulesHere, PlacesTheCodeOfThisProcess) {
  EXPECT_EQ(place(address_of("pthread_mutex_trylock")), CodePlace::libc);
  EXPECT_EQ(place(address_of("syscall") + 8), CodePlace::libc_syscall);
  EXPECT_EQ(place(address_of("__cxa_guard_acquire")), CodePlace::other) << "libstdc++";
  EXPECT_EQ(place(reinterpret_cast<std::uint64_t>(&address_of)), CodePlace::other) << "this program";
  EXPECT_EQ(place(8), CodePlace::unknown) << "not mapped";
  EXPECT_EQ(modules_.libc_kind(::getpid(), *maps_), LibcKind::glibc);
  // The loader's public lock table lies in its data, which no other file has.
  EXPECT_TRUE(modules_.is_loader(::getpid(), *maps_, address_of("_rtld_global")));
  EXPECT_FALSE(modules_.is_loader(::getpid(), *maps_, address_of("stdout")));
}

TEST_F(CodeModulesHere, CodeWithoutAFileIsOther) {
  void* page = ::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(page, MAP_FAILED);
  reread();
  EXPECT_EQ(place(reinterpret_cast<std::uint64_t>(page)), CodePlace::other);
  ::munmap(page, 4096);
}

TEST_F(CodeModulesHere, AFileThatChangedIsReadAgain) {
  MadeObject object = glibc();
  const UniqueFd fd = object.write();
  void* code = ::mmap(nullptr, 0x10000, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd.get(), 0);
  ASSERT_NE(code, MAP_FAILED);
  const auto ip = reinterpret_cast<std::uint64_t>(code) + 0x5000 - MadeObject::kBias + 4;
  reread();
  // A memory file has no path: without the right to follow the mapping itself it cannot be read.
  const CodePlace first = place(ip);
  if (first == CodePlace::unknown) GTEST_SKIP() << "/proc/PID/map_files needs CAP_CHECKPOINT_RESTORE";
  EXPECT_EQ(first, CodePlace::libc_syscall);
  object.soname = "libz.so.1";
  const UniqueFd other = object.write();
  std::string image(0x10000, '\0');
  ASSERT_EQ(::pread(other.get(), image.data(), image.size(), 0), static_cast<ssize_t>(image.size()));
  ASSERT_EQ(::pwrite(fd.get(), image.data(), image.size(), 0), static_cast<ssize_t>(image.size()));
  // The clock of files is coarse: the size tells for sure.
  ASSERT_EQ(::ftruncate(fd.get(), 0x11000), 0);
  EXPECT_EQ(place(ip), CodePlace::libc_syscall) << "the same look";
  reread();
  EXPECT_EQ(place(ip), CodePlace::other) << "the next look";
  ::munmap(code, 0x10000);
}

}  // namespace
}  // namespace lockscope
