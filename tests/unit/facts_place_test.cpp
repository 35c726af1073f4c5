// SPDX-License-Identifier: Apache-2.0
// Mount tables from text; walks and places over real folders of the test's own, by the real /proc of the test itself.
#include "attribution/place_facts.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "attribution/mounts.h"
#include "attribution/place_walk.h"

namespace lockscope {
namespace {

namespace fs = std::filesystem;

constexpr const char* kMountinfo =
    "21 28 0:20 / /proc rw,nosuid shared:12 - proc proc rw\n"
    "28 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"
    "30 28 0:44 / /srv/files rw shared:2 - nfs4 server:/files rw\n"
    "31 28 254:0 /var/lib/a\\040b /mnt/odd\\040name rw - ext4 /dev/vda rw\n"
    "nonsense\n"
    "32 28 0:50 / /boot rw - autofs systemd-1 rw\n"
    "33 32 8:1 / /boot rw master:1 propagate_from:2 - vfat /dev/sda1 rw\n";

TEST(Mounts, AreReadFromText) {
  const MountTable table = MountTable::parse(kMountinfo);
  ASSERT_EQ(table.mounts().size(), 6U);
  const Mount* odd = table.with_id(31);
  ASSERT_NE(odd, nullptr);
  EXPECT_EQ(odd->root, "/var/lib/a b");
  EXPECT_EQ(odd->point, "/mnt/odd name");
  EXPECT_EQ(odd->dev, std::uint64_t{254} << 20);
  EXPECT_TRUE(table.at_point("/")->local);
  EXPECT_FALSE(table.at_point("/srv/files")->local);
  EXPECT_EQ(table.at_point("/boot")->id, 33) << "the last one on a point is seen";
  EXPECT_TRUE(table.at_point("/boot")->local);
  EXPECT_EQ(table.at_point("/srv"), nullptr);
  EXPECT_EQ(table.with_id(99), nullptr);
  EXPECT_EQ(table.holding("/mnt/odd name/x", std::uint64_t{254} << 20)->id, 31);
  EXPECT_EQ(table.holding("/mnt/odd names", std::uint64_t{254} << 20)->id, 28);
  EXPECT_EQ(table.holding("/x", 7), nullptr);
}

TEST(Mounts, TellWhatLiesBelow) {
  const std::string path = "/a/b";
  EXPECT_STREQ(below(path, "/"), "/a/b");
  EXPECT_STREQ(below(path, "/a"), "/b");
  EXPECT_STREQ(below(path, "/a/b"), "");
  EXPECT_EQ(below(path, "/a/bc"), nullptr);
  EXPECT_EQ(below("/abc", "/a"), nullptr);
}

class Places : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "lockscope-place-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = fs::canonical(pattern);
    fs::create_directory(folder_ / "inner");
    ::chmod((folder_ / "inner").c_str(), 01751);
    file_ = folder_ / "inner" / "lock";
    std::ofstream(file_) << "x";
    ::chmod(file_.c_str(), 0640);
    root_ = UniqueFd(::open("/", O_PATH | O_DIRECTORY));
    std::ifstream mountinfo("/proc/self/mountinfo");
    mounts_ = MountTable::parse(std::string((std::istreambuf_iterator<char>(mountinfo)), {}));
  }
  void TearDown() override { fs::remove_all(folder_); }

  [[nodiscard]] static FileId id_of(const fs::path& path) {
    struct stat status {};
    EXPECT_EQ(::lstat(path.c_str(), &status), 0);
    return {std::uint64_t{major(status.st_dev)} << 20 | minor(status.st_dev), status.st_ino};
  }
  [[nodiscard]] std::optional<WalkedPlace> walk(const fs::path& path, Links links = Links::refuse) const {
    return walk_place(root_.get(), path.string(), mounts_, links);
  }
  [[nodiscard]] static ProcDirectory self() { return ProcDirectory("/proc/self/task/" + std::to_string(::gettid())); }

  fs::path folder_;
  fs::path file_;
  UniqueFd root_;
  MountTable mounts_;
};

TEST_F(Places, AreWalkedToFromTheRoot) {
  const auto walked = walk(file_);
  ASSERT_TRUE(walked);
  EXPECT_EQ(walked->facts.path, file_);
  EXPECT_EQ(walked->facts.file.mode, S_IFREG | 0640U);
  EXPECT_EQ(walked->facts.file.uid, ::geteuid());
  EXPECT_FALSE(walked->facts.file.acl);
  ASSERT_GE(walked->facts.directories.size(), 3U);
  EXPECT_EQ(walked->facts.directories.front().path, "/");
  EXPECT_EQ(walked->facts.directories.back().path, folder_ / "inner");
  EXPECT_EQ(walked->facts.directories.back().permissions.mode, S_IFDIR | 01751U);
  EXPECT_TRUE(is_file(walked->last.get(), id_of(file_), mounts_));
  EXPECT_FALSE(is_file(walked->last.get(), id_of(folder_), mounts_));
  FileId other_device = id_of(file_);
  other_device.dev ^= 1;
  EXPECT_FALSE(is_file(walked->last.get(), other_device, mounts_));
}

TEST_F(Places, AreNotThereWhereTheWalkCannotEnd) {
  EXPECT_FALSE(walk(folder_ / "none"));
  EXPECT_FALSE(walk(file_ / "below_a_file"));
  EXPECT_FALSE(walk("relative"));
  fs::path deep = "/";
  for (int i = 0; i < 100; ++i) deep /= "d";
  EXPECT_FALSE(walk(deep));
}

TEST_F(Places, LinksAreFollowedOnlyWhereAsked) {
  fs::create_directory_symlink("inner", folder_ / "link");
  fs::create_directory_symlink(folder_ / "link", folder_ / "absolute");
  fs::create_directory_symlink("loop", folder_ / "loop");
  EXPECT_FALSE(walk(folder_ / "link" / "lock"));
  const auto walked = walk(folder_ / "absolute" / ".." / "link" / "lock", Links::follow);
  ASSERT_TRUE(walked);
  EXPECT_EQ(walked->facts.path, file_);
  EXPECT_FALSE(walk(folder_ / "loop" / "lock", Links::follow));
  const auto last = walk(folder_ / "link", Links::follow);
  ASSERT_TRUE(last);
  EXPECT_TRUE(S_ISLNK(last->facts.file.mode)) << "O_EXCL does not follow the last one";
}

TEST_F(Places, NothingIsTouchedThatMayHang) {
  const std::string text =
      "1 0 0:1 / / rw - ext4 x rw\n2 1 0:2 / " + (folder_ / "inner").string() + " rw - fuse.sshfs host: rw\n";
  const MountTable remote = MountTable::parse(text);
  EXPECT_FALSE(walk_place(root_.get(), file_.string(), remote, Links::refuse));
  EXPECT_TRUE(walk_place(root_.get(), folder_.string(), remote, Links::refuse));
  EXPECT_FALSE(
      walk_place(root_.get(), folder_.string(), MountTable::parse("1 0 0:1 / / rw - nfs x rw\n"), Links::refuse));
  EXPECT_FALSE(walk_place(root_.get(), folder_.string(), MountTable(), Links::refuse)) << "mounts could not be read";
}

TEST_F(Places, AreFoundByDescriptor) {
  const UniqueFd fd(::open(file_.c_str(), O_RDONLY));
  PlaceFinder finder;
  const auto found = finder.of_descriptor(self(), fd.get(), id_of(file_));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->path, file_);
  EXPECT_FALSE(found->own_namespace);
  EXPECT_FALSE(found->unlinked);
  EXPECT_EQ(found->file.mode, S_IFREG | 0640U);
  EXPECT_FALSE(finder.of_descriptor(self(), fd.get(), id_of(folder_))) << "another file";
  EXPECT_FALSE(finder.of_descriptor(self(), -1, id_of(file_)));
}

TEST_F(Places, AFileThatTookTheNameIsNotIt) {
  const UniqueFd fd(::open(file_.c_str(), O_RDONLY));
  const FileId id = id_of(file_);
  fs::rename(file_, folder_ / "aside");
  std::ofstream(file_) << "y";
  PlaceFinder finder;
  const auto moved = finder.of_descriptor(self(), fd.get(), id);
  ASSERT_TRUE(moved);
  EXPECT_EQ(moved->path, folder_ / "aside") << "as the kernel calls it now";
  fs::remove(folder_ / "aside");
  const auto gone = finder.of_descriptor(self(), fd.get(), id);
  ASSERT_TRUE(gone);
  EXPECT_TRUE(gone->unlinked);
  EXPECT_EQ(gone->file.mode, S_IFREG | 0640U);
}

TEST_F(Places, AnonymousFilesHaveNoName) {
  const UniqueFd memory(::memfd_create("lock", MFD_CLOEXEC));
  struct stat status {};
  ASSERT_EQ(::fstat(memory.get(), &status), 0);
  PlaceFinder finder;
  const auto found = finder.of_descriptor(
      self(), memory.get(), {std::uint64_t{major(status.st_dev)} << 20 | minor(status.st_dev), status.st_ino});
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->unlinked);
}

TEST_F(Places, AreFoundByMapping) {
  PlaceFinder finder;
  const auto found = finder.of_mapping(self(), file_.string(), id_of(file_));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->directories.back().path, folder_ / "inner");
  EXPECT_FALSE(finder.of_mapping(self(), file_.string(), id_of(folder_)));
  const fs::path odd = folder_ / "a\nb";
  std::ofstream(odd.string()) << "x";
  EXPECT_TRUE(finder.of_mapping(self(), (folder_ / "a\\012b").string(), id_of(odd)));
}

TEST_F(Places, AreFoundByNameAsTheProcessMeansIt) {
  PlaceFinder finder;
  fs::create_directory_symlink("inner", folder_ / "link");
  const auto found = finder.of_name(self(), folder_ / "link" / "lock");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->path, file_);
  const fs::path before = fs::current_path();
  fs::current_path(folder_);
  const auto relative = finder.of_name(self(), "inner/lock");
  fs::current_path(before);
  ASSERT_TRUE(relative);
  EXPECT_EQ(relative->path, file_);
  EXPECT_FALSE(finder.of_name(self(), ""));
  EXPECT_FALSE(finder.of_name(self(), folder_ / "none"));
}

}  // namespace
}  // namespace lockscope
