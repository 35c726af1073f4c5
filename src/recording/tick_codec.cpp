// SPDX-License-Identifier: Apache-2.0
#include "recording/tick_codec.h"

#include "recording/facts_codec.h"
#include "recording/look_codec.h"
#include "recording/memory_codec.h"
#include "recording/window_codec.h"

namespace lockscope {
namespace {

void code_duration(auto& c, auto& duration) {
  std::int64_t ns = duration.count();
  c.integer(ns);
  if constexpr (std::remove_cvref_t<decltype(c)>::kReads) duration = std::chrono::nanoseconds{ns};
}

void code_all(auto& c, auto& header) {
  c.text(header.tool_version);
  c.text(header.host.name);
  c.text(header.host.kernel);
  c.text(header.host.boot_id);
  code_duration(c, header.thresholds.long_hold);
  c.flags(header.thresholds.long_hold_set);
  code_duration(c, header.thresholds.starved);
  c.list(header.thresholds.allowed, [&](auto& rule, const AllowRule&) {
    c.text(rule.exe);
    c.text(rule.path);
    c.text(rule.unit);
  });
  code_duration(c, header.interval);
  c.natural(header.realtime_offset_ns);
}

void code_trusted(auto& c, auto& trusted) { c.flags(trusted.mutex, trusted.rwlock, trusted.cond, trusted.join); }

}  // namespace

void encode_header(ByteEncoder& codec, const RecordingHeader& header) { code_all(codec, header); }

void encode_tick(ByteEncoder& codec, const RecordedTick& tick, const RawSample& before) {
  code_trusted(codec, tick.trusted);
  encode_look(codec, tick.look, before);
  encode_window(codec, tick.window);
  encode_memory(codec, tick.memory);
  encode_facts(codec, tick.facts);
}

std::optional<RecordingHeader> decode_header(std::span<const std::uint8_t> bytes, std::uint64_t allowance,
                                             bool more_may_follow) {
  ByteDecoder codec(bytes, allowance);
  RecordingHeader header;
  code_all(codec, header);
  if (!codec.ok() || !(more_may_follow || codec.at_end())) return std::nullopt;
  return header;
}

std::optional<RecordedTick> decode_tick(std::span<const std::uint8_t> bytes, std::uint64_t allowance,
                                        bool more_may_follow, const RawSample& before) {
  ByteDecoder codec(bytes, allowance);
  RecordedTick tick;
  code_trusted(codec, tick.trusted);
  decode_look(codec, tick.look, before);
  if (codec.ok()) decode_window(codec, tick.window);
  if (codec.ok()) decode_memory(codec, tick.memory);
  if (codec.ok()) decode_facts(codec, tick.facts);
  if (!codec.ok() || !(more_may_follow || codec.at_end())) return std::nullopt;
  return tick;
}

}  // namespace lockscope
