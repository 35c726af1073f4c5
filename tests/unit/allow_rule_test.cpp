// SPDX-License-Identifier: Apache-2.0
#include "app/allow_rule.h"

#include <gtest/gtest.h>

#include "detect/allowed.h"

namespace lockscope {
namespace {

AllowRule rule(std::string_view text) {
  const auto parsed = parse_allow_rule(text);
  EXPECT_TRUE(parsed) << text;
  return parsed.value_or(AllowRule{});
}

TEST(AllowRule, ReadsPatterns) {
  const AllowRule all = rule("unit=backup@*.service,exe=/usr/bin/tar,path=/srv/a,b,c");
  EXPECT_EQ(all.unit, "backup@*.service");
  EXPECT_EQ(all.exe, "/usr/bin/tar");
  EXPECT_EQ(all.path, "/srv/a,b,c") << "a comma that starts no word belongs to the pattern";
  EXPECT_EQ(rule("path=/a=b").path, "/a=b");
}

TEST(AllowRule, RefusesWhatIsNone) {
  for (const char* text : {"", ",", "exe", "exe=", "/usr/bin/tar", "user=root", "exe=/a,exe=/b", "path=,unit=a.service",
                           "EXE=/a", " exe=/a"}) {
    const auto parsed = parse_allow_rule(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().kind, ErrorKind::usage);
  }
}

TEST(AllowRule, MatchesAllOfItsPatternsOrNothing) {
  const std::vector<AllowRule> rules{rule("exe=/usr/bin/*,path=/run/*"), rule("unit=backup.service")};
  EXPECT_TRUE(is_allowed(rules, "/usr/bin/tar", "/run/lock/a", {}));
  EXPECT_FALSE(is_allowed(rules, "/usr/bin/tar", "/var/a", {}));
  EXPECT_FALSE(is_allowed(rules, "/bin/tar", "/run/a", "other.service"));
  EXPECT_TRUE(is_allowed(rules, {}, {}, "backup.service"));
  EXPECT_FALSE(is_allowed(rules, {}, "/run/a", {})) << "what is not known matches no pattern";
  EXPECT_FALSE(is_allowed({}, "/usr/bin/tar", "/run/a", "backup.service"));
  EXPECT_FALSE(is_allowed({AllowRule{}}, "/usr/bin/tar", "/run/a", "backup.service"));
}

}  // namespace
}  // namespace lockscope
