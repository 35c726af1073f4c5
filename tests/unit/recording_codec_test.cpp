// SPDX-License-Identifier: Apache-2.0
// A tick as bytes and back, and what the decoder makes of bytes that nobody wrote.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "recording/byte_codec.h"
#include "recording/recording_format.h"
#include "recording/tick_codec.h"
#include "recording_ticks.h"

namespace lockscope::test {
namespace {

std::vector<std::uint8_t> encoded(const RecordedTick& tick, const RawSample& before) {
  ByteEncoder codec;
  encode_tick(codec, tick, before);
  EXPECT_TRUE(codec.ok());
  return {codec.bytes().begin(), codec.bytes().end()};
}

RC_GTEST_PROP(RecordingCodec, ATickReadsBackAsItWasAndWritesBackTheSame, (std::uint64_t seed)) {
  TickMaker make(seed);
  RawSample before;
  RecordedTick tick = make.tick(8);
  for (int round = 0; round < 4; ++round) {
    ByteEncoder codec;
    encode_tick(codec, tick, before);
    RC_ASSERT(codec.ok());
    const std::vector<std::uint8_t> bytes(codec.bytes().begin(), codec.bytes().end());
    // The encoder's count of memory is what the decoder needs, exactly.
    const auto back = decode_tick(bytes, codec.memory(), false, before);
    RC_ASSERT(back.has_value());
    RC_ASSERT(same(*back, tick));
    RC_ASSERT(encoded(*back, before) == bytes);
    if (codec.memory() > 0) RC_ASSERT(!decode_tick(bytes, codec.memory() - 1, false, before).has_value());
    before = tick.look;
    tick = make.after(tick, 8);
  }
}

RC_GTEST_PROP(RecordingCodec, NumbersReadBack, (std::uint64_t value, std::int64_t signed_value, std::int64_t base)) {
  ByteEncoder out;
  out.natural(value);
  out.integer(signed_value);
  out.near(signed_value, base);
  out.near(value, static_cast<std::uint64_t>(base));
  ByteDecoder in(out.bytes(), 0);
  std::uint64_t natural = 0, near_natural = 0;
  std::int64_t integer = 0, near_integer = 0;
  in.natural(natural);
  in.integer(integer);
  in.near(near_integer, base);
  in.near(near_natural, static_cast<std::uint64_t>(base));
  RC_ASSERT(in.at_end());
  RC_ASSERT(natural == value && near_natural == value);
  RC_ASSERT(integer == signed_value && near_integer == signed_value);
}

TEST(RecordingCodec, OneFormANumber) {
  const auto reads = [](std::vector<std::uint8_t> bytes) {
    ByteDecoder in(bytes, 0);
    std::uint64_t value = 7;
    in.natural(value);
    return in.at_end();
  };
  EXPECT_TRUE(reads({0x00}));
  EXPECT_TRUE(reads({0x80, 0x01}));
  EXPECT_TRUE(reads({0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}));
  EXPECT_FALSE(reads({0x80, 0x00})) << "longer than need be";
  EXPECT_FALSE(reads({0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02})) << "65 bits";
  EXPECT_FALSE(reads({0x80})) << "cut off";
  EXPECT_FALSE(reads({}));
}

TEST(RecordingCodec, NumbersThatDoNotFitAreRefused) {
  ByteEncoder out;
  out.natural(std::uint64_t{1} << 32);
  std::uint32_t narrow = 7;
  ByteDecoder in(out.bytes(), 0);
  in.natural(narrow);
  EXPECT_FALSE(in.ok());
  EXPECT_EQ(narrow, 0u);
  ByteEncoder far;
  far.integer(std::int64_t{1} << 31);
  pid_t pid = 7;
  ByteDecoder near(far.bytes(), 0);
  near.near(pid, 0);
  EXPECT_FALSE(near.ok());
}

TEST(RecordingCodec, ASleepingHostIsTwoBytesAThread) {
  RecordedTick tick;
  for (int i = 0; i < 1000; ++i) {
    Thread& t = tick.look.threads.emplace_back();
    t.pid = 10;
    t.id = {10 + i, 5};
    t.blocked_ns = 1'000'000'000;
    tick.look.waits.emplace_back().thread = tick.look.threads.size() - 1;
    tick.look.waits.back().stack.assign(768, 1);
  }
  RecordedTick later = tick;
  later.look.taken_ns += 500;
  for (Thread& t : later.look.threads) *t.blocked_ns += 500;
  EXPECT_LT(encoded(later, tick.look).size(), 3000u + 100u);
  EXPECT_GT(encoded(tick, {}).size(), 10'000u);
}

TEST(RecordingCodec, LooksThatAreNotInOrderAreRefused) {
  const auto refused = [](const RawSample& look) {
    RecordedTick tick;
    tick.look = look;
    ByteEncoder codec;
    encode_tick(codec, tick, {});
    return !codec.ok();
  };
  RawSample look;
  look.threads.resize(2);
  look.threads[0].pid = look.threads[1].pid = 5;
  look.threads[0].id.tid = 5;
  look.threads[1].id.tid = 6;
  look.waits.resize(1);
  EXPECT_FALSE(refused(look));
  RawSample wrong = look;
  wrong.threads[1].id.tid = 5;
  EXPECT_TRUE(refused(wrong)) << "the same thread twice";
  wrong = look;
  wrong.waits[0].thread = 2;
  EXPECT_TRUE(refused(wrong)) << "a wait of nobody";
  wrong = look;
  wrong.waits.resize(2);
  EXPECT_TRUE(refused(wrong)) << "two waits of one thread";
  wrong = look;
  wrong.waits[0].window.high = 65;
  EXPECT_TRUE(refused(wrong)) << "a window beyond its bytes";
  wrong = look;
  wrong.threads[0].parent_pid = -1;
  EXPECT_TRUE(refused(wrong)) << "a process of negative number";
}

TEST(RecordingCodec, ANewerWriterMayAddFieldsAtTheEnd) {
  std::vector<std::uint8_t> bytes = encoded(TickMaker(3).tick(5), {});
  bytes.push_back(9);
  EXPECT_TRUE(decode_tick(bytes, kJustifiedAtOnce, true, {}));
  EXPECT_FALSE(decode_tick(bytes, kJustifiedAtOnce, false, {}));
}

// Any change to the bytes of a tick, right checksum or not: a tick that obeys the rules comes out, or none.
TEST(RecordingCodec, DamagedBytesGiveNothingOrATickThatObeysTheRules) {
  TickMaker make(11);
  std::size_t decoded = 0, refused = 0;
  for (int series = 0; series < 40; ++series) {
    const RecordedTick first = make.tick(6);
    const RecordedTick second = make.after(first, 6);
    const std::vector<std::uint8_t> bytes = encoded(second, first.look);
    for (int round = 0; round < 500; ++round) {
      std::vector<std::uint8_t> damaged = bytes;
      for (std::size_t left = 1 + make.below(3); left > 0; --left) {
        const std::size_t at = make.below(damaged.size());
        switch (make.below(4)) {
          case 0: damaged[at] ^= static_cast<std::uint8_t>(1 << make.below(8)); break;
          case 1: damaged[at] = static_cast<std::uint8_t>(make.below(256)); break;
          case 2: damaged.erase(damaged.begin() + static_cast<std::ptrdiff_t>(at)); break;
          default: damaged.insert(damaged.begin() + static_cast<std::ptrdiff_t>(at), 0xff);
        }
        if (damaged.empty()) break;
      }
      const auto tick = decode_tick(damaged, kJustifiedAtOnce, false, first.look);
      ++(tick ? decoded : refused);
      if (!tick) continue;
      ByteEncoder again;
      encode_tick(again, *tick, first.look);
      ASSERT_TRUE(again.ok()) << "the reader let through what the writer refuses";
    }
  }
  EXPECT_GT(decoded, 1000u);
  EXPECT_GT(refused, 1000u);
}

TEST(RecordingCodec, ClaimsOfManyElementsCostNothing) {
  // A list of 2^40 threads.
  RecordedTick empty;
  const std::vector<std::uint8_t> bytes = encoded(empty, {});
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    std::vector<std::uint8_t> claim(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(at));
    claim.insert(claim.end(), {0xff, 0xff, 0xff, 0xff, 0xff, 0x1f});
    claim.resize(claim.size() + 4096, 0);
    (void)decode_tick(claim, kJustifiedAtOnce, true, {});  // under the address sanitizer: dies of what is too large
  }
}

}  // namespace
}  // namespace lockscope::test
