// SPDX-License-Identifier: Apache-2.0
// The tables and records of the contention programs (lockscope/wire.h), turned into a ContentionWindow. Pure; called by
// contention_source.cpp. The bytes come from our own programs, so one that does not fit is our bug; it is still never
// read past its end.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lockscope/contention.h"
#include "lockscope/wire.h"

namespace lockscope {

template <class Key, class Counts>
using TableEntries = std::vector<std::pair<Key, Counts>>;

struct RawContention {
  TableEntries<ls_wait_key, ls_wait_counts> waits;
  TableEntries<ls_use_key, ls_use_counts> uses;
  TableEntries<ls_write_key, ls_write_counts> writes;
  TableEntries<ls_create_key, ls_create_counts> creates;
  std::vector<ls_wait_event> events;
};

// Where the word at an address of this process (started then) lies in shared memory; nothing: it does not, or unknown.
using PlaceOfWord = std::function<std::optional<SharedPlace>(pid_t pid, std::uint64_t start_ns, std::uint64_t address)>;

// Fills words, file_locks, writes, failed_creates and events, each in an order that depends on nothing but the counts.
// `monotonic_offset_ns`: CLOCK_BOOTTIME minus CLOCK_MONOTONIC.
void decode_contention(const RawContention& raw, std::uint64_t monotonic_offset_ns, const PlaceOfWord& place,
                       ContentionWindow& window);

struct DecodedFirstWait {
  FirstWait first;
  std::uint64_t leader_start_ns = 0;
};
// Nothing: not a whole record.
[[nodiscard]] std::optional<DecodedFirstWait> decode_first_wait(std::span<const std::uint8_t> record);

// The name under which this cause stands in ContentionWindow::lost; null: no such cause.
[[nodiscard]] const char* name_of_loss(std::size_t cause);

}  // namespace lockscope
