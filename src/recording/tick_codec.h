// SPDX-License-Identifier: Apache-2.0
// A header and a tick as bytes, before they are compressed and framed. Pure; a tick is the difference to the look of
// the tick before it. Called by the writer and the reader; cost: recording.h.
#pragma once

#include <optional>
#include <span>

#include "recording/byte_codec.h"
#include "recording/recording.h"

namespace lockscope {

// `codec` fails where the values are not as their headers say.
void encode_header(ByteEncoder& codec, const RecordingHeader& header);
void encode_tick(ByteEncoder& codec, const RecordedTick& tick, const RawSample& before);

// Nothing where the bytes make no sense, or take more than `allowance` bytes when decoded. `more_may_follow`: a newer
// version may have added fields at the end.
[[nodiscard]] std::optional<RecordingHeader> decode_header(std::span<const std::uint8_t> bytes, std::uint64_t allowance,
                                                           bool more_may_follow);
[[nodiscard]] std::optional<RecordedTick> decode_tick(std::span<const std::uint8_t> bytes, std::uint64_t allowance,
                                                      bool more_may_follow, const RawSample& before);

}  // namespace lockscope
