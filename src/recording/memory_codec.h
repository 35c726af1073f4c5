// SPDX-License-Identifier: Apache-2.0
// What was asked of memory, and answered, as bytes. Pure; the same template writes and reads. For tick_codec.cpp only.
#pragma once

#include "recording/byte_codec.h"
#include "source/memory_log.h"

namespace lockscope {

void encode_memory(ByteEncoder& codec, const MemoryLog& log);
void decode_memory(ByteDecoder& codec, MemoryLog& log);

}  // namespace lockscope
