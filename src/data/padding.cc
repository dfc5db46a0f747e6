#include "normkit/data/padding.h"

#include <algorithm>

#include "src/core/fail.h"
#include "src/core/memory_needs.h"
#include "src/data/pieces.h"

namespace normkit {
namespace {

std::vector<int64_t> LengthsOf(std::span<const int64_t> offsets) {
  if (offsets.empty() || offsets[0] != 0)
    Fail("padding sequences: offsets begin with {}, expected 0 and the end of each sequence",
         offsets.empty() ? "nothing" : fmt::format("{}", offsets[0]));
  std::vector<int64_t> lengths;
  for (size_t i = 1; i < offsets.size(); ++i) {
    if (offsets[i] <= offsets[i - 1])
      Fail("padding sequences: offsets[{}] is {}, expected more than {}", i, offsets[i],
           offsets[i - 1]);
    lengths.push_back(offsets[i] - offsets[i - 1]);
  }
  return lengths;
}

void Check(std::span<const float> rows, std::span<const int64_t> offsets, int64_t width,
           const SequencePadding& padding) {
  if (width < 1) Fail("padding sequences: rows of {} values given, expected 1 or more", width);
  if (std::ssize(rows) % width != 0 || std::ssize(rows) / width != offsets.back())
    Fail("padding sequences: {} values given, expected {} rows of {}", rows.size(), offsets.back(),
         width);
  if (padding.sequence_length < OpenOptions::kShortest)
    Fail("padding sequences: sequence_length is {}, expected 1 or more, kLongest or kShortest",
         padding.sequence_length);
}

// One long sequence among many short ones makes an array of much more than the rows.
void CheckMemory(int64_t count, int64_t steps, int64_t width) {
  MemoryNeeds needs;
  needs.Add("the padded array", 4 * static_cast<double>(count) * static_cast<double>(steps) *
                                    static_cast<double>(width));
  needs.Check("padding sequences", "a sequence length of fewer steps takes less");
}

}  // namespace

PaddedSequences PadSequences(std::span<const float> rows, std::span<const int64_t> offsets,
                             int64_t width, const SequencePadding& padding) {
  const std::vector<int64_t> lengths = LengthsOf(offsets);
  Check(rows, offsets, width, padding);
  const std::vector<Piece> pieces = PiecesOf(lengths, padding.sequence_length, padding.direction);
  PaddedSequences padded;
  padded.steps = std::max<int64_t>(padding.sequence_length, 0);
  if (padding.sequence_length <= 0)
    for (const Piece& piece : pieces) padded.steps = std::max(padded.steps, piece.length);
  CheckMemory(std::ssize(pieces), padded.steps, width);
  padded.values.assign(static_cast<size_t>(std::ssize(pieces) * padded.steps * width),
                       padding.value);
  auto out = padded.values.begin();
  for (const auto& [sequence, begin, length] : pieces) {
    const int64_t front = padding.direction == PaddingDirection::kLeft ? padded.steps - length : 0;
    const auto first = rows.begin() + (offsets[sequence] + begin) * width;
    std::copy(first, first + length * width, out + front * width);
    out += padded.steps * width;
    padded.lengths.push_back(length);
    padded.sequences.push_back(static_cast<int64_t>(sequence));
  }
  return padded;
}

}  // namespace normkit
