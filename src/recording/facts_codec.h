// SPDX-License-Identifier: Apache-2.0
// Who and where, as bytes. Pure; the same template writes and reads. For tick_codec.cpp only.
#pragma once

#include "lockscope/facts.h"
#include "recording/byte_codec.h"

namespace lockscope {

void encode_facts(ByteEncoder& codec, const HostFacts& facts);
void decode_facts(ByteDecoder& codec, HostFacts& facts);

}  // namespace lockscope
