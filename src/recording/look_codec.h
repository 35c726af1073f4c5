// SPDX-License-Identifier: Apache-2.0
// A look as bytes, as the difference to the look before it: a thread that slept all the time is one byte, and its wait
// another. Pure; the same template writes and reads. For tick_codec.cpp only.
#pragma once

#include <vector>

#include "lockscope/raw_sample.h"
#include "recording/byte_codec.h"

namespace lockscope {

// `before` is the look of the tick before, or an empty one. Fails (ok() of the codec) where a look is not as
// raw_sample.h says: tables out of order, waits of no thread, windows beyond their bytes.
void encode_look(ByteEncoder& codec, const RawSample& look, const RawSample& before);
void decode_look(ByteDecoder& codec, RawSample& look, const RawSample& before);

// One thread with its wait, on its own.
void encode_first_wait(ByteEncoder& codec, const Thread& thread, const RawWait& wait);
void decode_first_wait(ByteDecoder& codec, Thread& thread, RawWait& wait);

}  // namespace lockscope
