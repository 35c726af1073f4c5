// SPDX-License-Identifier: Apache-2.0
#include "recording/memory_codec.h"

#include "recording/field_codecs.h"
#include "source/trace_text.h"

namespace lockscope {
namespace {

// Never an empty list of answers: a question that was not asked is not in the log.
void code_answers(auto& c, auto& answers, auto code_one) {
  c.list(answers, [&](auto& answer, const auto&) { code_one(answer); });
  c.require(!answers.empty());
}

void code_all(auto& c, Is<MemoryLog> auto& log) {
  c.map(log.reads, [&](auto& range, auto& answers, const MemoryLog::Range& before) {
    code_pid(c, range.pid, before.pid);
    c.near(range.address, before.address);
    c.natural(range.length);
    c.require(range.length <= kMaxTraceRead && range.address <= ~std::uint64_t{0} - range.length);
    code_answers(c, answers, [&](auto& answer) {
      c.maybe(answer, [&](auto& bytes) {
        c.blob(bytes, kMaxTraceRead);
        c.require(bytes.size() == range.length);
      });
    });
  });
  c.map(log.mappings, [&](auto& question, auto& answers, const auto& before) {
    code_pid(c, question.first, before.first);
    code(c, question.second, before.second);
    code_answers(c, answers, [&](auto& answer) { c.choice(answer, ProcessMemory::Mapping::unknown); });
  });
  c.map(log.numbers, [&](auto& question, auto& answers, const auto& before) {
    code_pid(c, question.first, before.first);
    code_pid(c, question.second, before.second);
    code_answers(c, answers, [&](auto& answer) { code_pid(c, answer, 0); });
  });
  c.map(log.pidfds, [&](auto& question, auto& answers, const auto& before) {
    code_pid(c, question.first, before.first);
    c.integer(question.second);
    code_answers(c, answers, [&](auto& answer) { code_pid(c, answer, 0); });
  });
  c.map(log.catching_signals, [&](auto& pid, auto& answers, const pid_t before) {
    code_pid(c, pid, before);
    c.truths(answers);
    c.require(!answers.empty());
  });
}

}  // namespace

void encode_memory(ByteEncoder& codec, const MemoryLog& log) { code_all(codec, log); }
void decode_memory(ByteDecoder& codec, MemoryLog& log) { code_all(codec, log); }

}  // namespace lockscope
