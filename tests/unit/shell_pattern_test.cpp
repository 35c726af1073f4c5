// SPDX-License-Identifier: Apache-2.0
#include "app/shell_pattern.h"

#include <fnmatch.h>
#include <gtest/gtest.h>

#include <random>

namespace lockscope {
namespace {

TEST(ShellPattern, Matches) {
  for (const auto& [pattern, text] : std::vector<std::pair<std::string, std::string>>{
           {"", ""}, {"*", ""}, {"*", "a/b"}, {"a*", "a"}, {"*b*d", "abcd"}, {"a?c", "abc"}, {"[a-c]x", "bx"}, {"[!a-c]x", "dx"},
           {"[]]", "]"}, {"[]-a]", "^"}, {"[a-]", "-"}, {"\\*", "*"}, {"\\[a]", "[a]"}, {"a\\", "a\\"}, {"[a", "[a"},
           {"operator[](int)", "operator[](int)"}, {"*a*a*", "baab"}, {"[\\]]", "]"}, {"?", "\xff"}}) {
    EXPECT_TRUE(matches_shell_pattern(pattern, text)) << pattern << " " << text;
  }
}

TEST(ShellPattern, DoesNotMatch) {
  for (const auto& [pattern, text] : std::vector<std::pair<std::string, std::string>>{
           {"", "a"}, {"a", ""}, {"?", ""}, {"a", "A"}, {"a*", "ba"}, {"*b", "ba"}, {"[a-c]", "d"}, {"[!a]", "a"}, {"\\*", "a"},
           {"a?c", "ac"}, {"[a]", "[a]"}, {"*a*a*", "bab"}}) {
    EXPECT_FALSE(matches_shell_pattern(pattern, text)) << pattern << " " << text;
  }
}

// The C library's own answer; sets apart, where POSIX leaves much open.
TEST(ShellPattern, AgreesWithTheCLibrary) {
  std::mt19937 random(1);
  for (int round = 0; round < 50'000; ++round) {
    std::string pattern, text;
    for (std::size_t size = random() % 8; size > 0; --size) pattern += "ab*?\\"[random() % 5];
    if (pattern.ends_with('\\')) pattern += 'a';
    for (std::size_t size = random() % 8; size > 0; --size) text += "ab*?\\"[random() % 5];
    ASSERT_EQ(matches_shell_pattern(pattern, text), ::fnmatch(pattern.c_str(), text.c_str(), 0) == 0)
        << pattern << " " << text;
  }
}

// fnmatch(3) would try each of the stars at each place: the test would not end.
TEST(ShellPattern, ManyStarsAreNoTrap) {
  std::string pattern;
  for (int i = 0; i < 500; ++i) pattern += "*a";
  EXPECT_FALSE(matches_shell_pattern(pattern + "b", std::string(4000, 'a')));
  EXPECT_TRUE(matches_shell_pattern(pattern, std::string(4000, 'a')));
}

}  // namespace
}  // namespace lockscope
