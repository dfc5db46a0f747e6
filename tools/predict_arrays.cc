#include "tools/predict_arrays.h"

#include <filesystem>
#include <map>
#include <utility>

#include "normkit/data/npy.h"
#include "src/core/fail.h"
#include "src/core/files.h"
#include "src/core/log.h"
#include "src/data/image_codec.h"
#include "tools/options.h"

namespace normkit::tools {
namespace {

NpyArray FloatArray(std::vector<int64_t> shape, const std::vector<float>& values) {
  return MakeNpy(DType::kF32, std::move(shape), values.data());
}

NpyArray NumberArray(const std::vector<int64_t>& numbers) {
  const auto* begin = reinterpret_cast<const std::byte*>(numbers.data());
  return {"<i8", {std::ssize(numbers)}, {begin, begin + 8 * numbers.size()}};
}

// [N,T,...] of rows that `layout` describes.
NpyArray PaddedArray(const PaddedSequences& padded, const Layout& layout) {
  std::vector<int64_t> shape = layout.shape();
  shape[0] = padded.steps;
  shape.insert(shape.begin(), std::ssize(padded.lengths));
  return FloatArray(std::move(shape), padded.values);
}

}  // namespace

void CheckArraysFile(const std::string& path) {
  if (Ending(path) != ".npz")
    FailUsage("--output", fmt::format("{} given, expected a file that ends in .npz", Quoted(path)));
  std::error_code error;
  if (std::filesystem::is_regular_file(path, error) && !ReadFileStart(path, 2).starts_with("PK"))
    Fail("{}: holds something else than arrays (.npz), expected a new file", path);
}

void PredictedArrays::AddSequence(std::span<const float> x) {
  x_.insert(x_.end(), x.begin(), x.end());
  offsets_.push_back(std::ssize(x_) / input_.size());
}

void PredictedArrays::Write(const std::string& path, const SequencePadding& padding) const {
  std::map<std::string, NpyArray> arrays;
  const int64_t width = output_.size();
  if (input_.packed()) {
    const PaddedSequences x = PadSequences(x_, offsets_, input_.size(), padding);
    arrays["x"] = PaddedArray(x, input_);
    arrays["lengths"] = NumberArray(x.lengths);
    if (padding.sequence_length > 0) arrays["sequence"] = NumberArray(x.sequences);
  }
  if (output_.packed())
    arrays["y"] = PaddedArray(PadSequences(y_, offsets_, width, padding), output_);
  else
    arrays["y"] = FloatArray({std::ssize(y_) / width, width}, y_);
  WriteNpz(path, arrays);
  std::string said;
  for (const auto& [name, array] : arrays)
    said += fmt::format("{}{} [{}]", said.empty() ? "" : ", ", name, fmt::join(array.shape, ","));
  LogWarning(fmt::format("{}: {}", path, said));
}

}  // namespace normkit::tools
