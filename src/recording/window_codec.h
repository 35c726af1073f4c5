// SPDX-License-Identifier: Apache-2.0
// The counts and events of a window as bytes. Locks of events are numbered in a table of their own, and their fields
// stand in columns. Pure; the same template writes and reads. For tick_codec.cpp only. About 0.1 us an event.
#pragma once

#include "lockscope/contention.h"
#include "recording/byte_codec.h"

namespace lockscope {

void encode_window(ByteEncoder& codec, const ContentionWindow& window);
void decode_window(ByteDecoder& codec, ContentionWindow& window);

}  // namespace lockscope
