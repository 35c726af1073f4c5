// SPDX-License-Identifier: Apache-2.0
#include "symbols/demangle.h"

#include <gtest/gtest.h>

#include <random>

namespace lockscope {
namespace {

TEST(Demangle, ReadsNamesAsPeopleWriteThem) {
  EXPECT_EQ(demangle("_ZN5Cache6createEi"), "Cache::create(int)");
  EXPECT_EQ(demangle("_ZZ4mainE1m"), "main::m");
  EXPECT_EQ(demangle("_ZNSt6vectorIiSaIiEE9push_backERKi"),
            "std::vector<int, std::allocator<int> >::push_back(int const&)");
  EXPECT_EQ(demangle("_Z3addIJiiEEvDpT_"), "void add<int, int>(int, int)");
}

TEST(Demangle, LeavesOtherNamesAlone) {
  for (const char* name : {"", "main", "i", "v", "transfer", "_Z", "_Znot", "_ZN5Cache", "_RNvC6_123foo3bar",
                           "operator+", "name with blanks", "\x1b[2J", "_Z\xff\xfe"}) {
    EXPECT_EQ(demangle(name), name);
  }
}

TEST(Demangle, LeavesOutTheHashOfRust) {
  EXPECT_EQ(demangle("_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE"), "core::fmt::Write::write_fmt");
  EXPECT_EQ(demangle("_ZN52_$LT$demo..Pool$u20$as$u20$core..ops..drop..Drop$GT$4drop17h0123456789abcdefE"),
            "<demo::Pool as core::ops::drop::Drop>::drop");
  EXPECT_EQ(demangle("_ZN4demo17h0123456789ABCDEFE"), "demo::h0123456789ABCDEF") << "rustc writes small letters";
  EXPECT_EQ(demangle("_ZN17h0123456789abcdefE"), "h0123456789abcdef") << "nothing else would be left";
}

TEST(Demangle, IsBounded) {
  const std::string longest = "_Z" + std::to_string(kMaxMangled) + std::string(kMaxMangled, 'x') + "v";
  EXPECT_EQ(demangle(longest).size(), kMaxDemangled) << "too long to be read";
  const std::string wide = "_Z2000" + std::string(2000, 'x') + "v";
  EXPECT_EQ(demangle(wide).size(), kMaxDemangled);
  EXPECT_TRUE(demangle(wide).ends_with("xxx..."));
  EXPECT_EQ(demangle(std::string(5000, 'x')).size(), kMaxDemangled);
  const std::string fits(kMaxDemangled, 'x');
  EXPECT_EQ(demangle(fits), fits);
}

// X<X<...>, X<...>>, each twice as long as the one before: 500 bytes that stand for 2^40 names. Read as they are, the
// test would not end.
TEST(Demangle, RefusesNamesThatExpandWithoutBound) {
  const auto number = [](int n) {
    constexpr std::string_view kDigits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    std::string text = "_";
    for (--n; n >= 0; n = n / 36 - (n < 36 ? 1 : 0))
      text.insert(text.begin(), kDigits[static_cast<std::size_t>(n % 36)]);
    return text;
  };
  for (const std::string zeros : {"", "0000"}) {  // nor does writing the numbers longer help
    std::string name = "_Z1f1A1XIS_S_E";
    for (int level = 2; level < 42; ++level) {
      const std::string last = "S" + zeros + number(level);
      name += "S0_I" + last + last + "E";
    }
    EXPECT_EQ(demangle(name), name);
  }
  // That is how templates and functions of many parameters are named.
  std::string same = "_Z1fP1A", expected = "f(A*";
  for (int i = 0; i < 60; ++i) {
    same += "S0_";
    expected += ", A*";
  }
  EXPECT_EQ(demangle(same), expected + ")");
  EXPECT_EQ(demangle("_Z1f1A1XIS_S_ES0_IS1_S1_E"), "f(A, X<A, A>, X<X<A, A>, X<A, A> >)");
}

TEST(Demangle, SurvivesAnything) {
  std::mt19937 random(5);
  const std::string_view alphabet = "_ZNSTIEJDpKRPvic012345678Xlm";
  for (int round = 0; round < 20'000; ++round) {
    std::string name = "_Z";
    for (std::size_t size = random() % 200; size > 0; --size) name += alphabet[random() % alphabet.size()];
    ASSERT_LE(demangle(name).size(), kMaxDemangled);
  }
}

}  // namespace
}  // namespace lockscope
