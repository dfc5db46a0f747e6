#include "normkit/data/batch.h"

#include "src/core/at_work.h"
#include "src/core/fail.h"
#include "src/core/finite.h"
#include "src/data/for_each.h"
#include "src/data/place.h"

namespace normkit {
namespace {

void CheckFinite(const DataSource& source, int64_t index, std::span<const float> x) {
  const size_t bad = FirstNonFinite(x);
  if (bad < x.size())
    Fail("reading {}: value {} is {}, expected finite numbers", source.ObservationName(index),
         PlaceOf(source.layout(), bad), x[bad]);
}

void CheckLength(const DataSource& source, int64_t index, int64_t length) {
  if (source.layout().packed() ? length >= 1 : length == 1) return;
  if (!source.layout().packed())
    Fail("reading {}: has {} rows, expected one: observations are {}, no sequences (T first)",
         source.ObservationName(index), length, source.layout().ToString());
  Fail("reading {}: has {} rows, expected 1 or more", source.ObservationName(index), length);
}

void CheckIndices(const DataSource& source, std::span<const int64_t> indices) {
  for (const int64_t index : indices)
    if (index < 0 || index >= source.size())
      Fail("reading '{}': index {} is out of range, expected 0 to {}", source.Description(), index,
           source.size() - 1);
}

void ReadInputs(const DataSource& source, std::span<const int64_t> indices,
                std::span<const int64_t> offsets, std::span<float> x) {
  const auto each = static_cast<size_t>(source.layout().size()),
             rows = static_cast<size_t>(offsets.back());
  if (x.size() != rows * each)
    Fail("reading '{}': the buffer has {} values, expected {} ({} {} of {})", source.Description(),
         x.size(), rows * each, rows, source.layout().packed() ? "rows" : "observations",
         source.layout().ToString());
  source.Load();  // on all threads, which one observation cannot
  ForEachOrThrow(std::ssize(indices), x.size() >= size_t{1} << 14, [&](int64_t i) {
    const auto k = static_cast<size_t>(i);
    const auto begin = static_cast<size_t>(offsets[k]), end = static_cast<size_t>(offsets[k + 1]);
    const std::span<float> one = x.subspan(begin * each, (end - begin) * each);
    const AtWork work;
    source.Read(indices[k], one);
    CheckFinite(source, indices[k], one);
  });
}

void ReadTarget(const DataSource& source, int64_t index, std::span<float> target) {
  source.ReadTarget(index, target);
  const size_t bad = FirstNonFinite(target);
  if (bad < target.size())
    Fail("reading {}: target [{}] is {}, expected finite numbers", source.ObservationName(index),
         bad, target[bad]);
}

void ReadLabels(const DataSource& source, int64_t index, std::span<int64_t> labels) {
  source.ReadLabels(index, labels);
  const int64_t classes = std::ssize(source.classes());
  for (const int64_t label : labels)
    if (label < 0 || label >= classes)
      Fail("reading {}: its label is {}, expected 0 to {}", source.ObservationName(index), label,
           classes - 1);
}

}  // namespace

void ReadOffsets(const DataSource& source, std::span<const int64_t> indices,
                 std::vector<int64_t>& offsets) {
  CheckIndices(source, indices);
  offsets.resize(indices.size() + 1);
  offsets[0] = 0;
  for (size_t i = 0; i < indices.size(); ++i) {
    const int64_t length = source.length(indices[i]);
    CheckLength(source, indices[i], length);
    offsets[i + 1] = offsets[i] + length;
  }
}

void ReadBatch(const DataSource& source, std::span<const int64_t> indices, std::span<float> x) {
  std::vector<int64_t> offsets;
  ReadOffsets(source, indices, offsets);
  ReadInputs(source, indices, offsets, x);
}

void ReadBatch(const DataSource& source, std::span<const int64_t> indices, std::span<float> x,
               Batch& batch) {
  ReadOffsets(source, indices, batch.offsets);
  ReadInputs(source, indices, batch.offsets, x);
  batch.inputs = x;
  batch.answers_each_row = source.answers_each_row();
  const auto answers = static_cast<size_t>(batch.answers()),
             width = static_cast<size_t>(source.target_size());
  batch.labels.resize(width == 0 ? answers : 0);
  batch.targets.resize(answers * width);
  for (size_t i = 0, at = 0; i < indices.size(); ++i) {
    const auto count =
        static_cast<size_t>(batch.answers_each_row ? batch.offsets[i + 1] - batch.offsets[i] : 1);
    if (width == 0)
      ReadLabels(source, indices[i], std::span(batch.labels).subspan(at, count));
    else
      ReadTarget(source, indices[i], std::span(batch.targets).subspan(at * width, count * width));
    at += count;
  }
}

}  // namespace normkit
