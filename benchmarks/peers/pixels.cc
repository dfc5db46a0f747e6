// Writes what `normkit train --data SPEC --seed SEED` trains and validates on, for peers to train
// on the same: for each of the two parts the numbers count, height, width, channels and classes,
// the labels (all int64), and the pixels (float, count x height x width x channels).
//
//   pixels SPEC FRACTION SEED
#include <normkit/data/batch.h>
#include <normkit/data/source.h>

#include <cstdint>
#include <cstdio>
#include <exception>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

template <class T>
void Write(const std::vector<T>& values) {
  if (std::fwrite(values.data(), sizeof(T), values.size(), stdout) != values.size())
    throw std::runtime_error("standard output: cannot be written");
}

void WritePart(const normkit::DataSource& data) {
  std::vector<int64_t> numbers{data.size()};
  for (size_t axis = 1; axis < 4; ++axis) numbers.push_back(data.layout().shape().at(axis));
  numbers.push_back(static_cast<int64_t>(data.classes().size()));
  Write(numbers);
  std::vector<int64_t> order(static_cast<size_t>(data.size())), labels;
  std::iota(order.begin(), order.end(), 0);
  for (const int64_t i : order) labels.push_back(data.label(i));
  Write(labels);
  std::vector<float> pixels(order.size() *
                            static_cast<size_t>(numbers[1] * numbers[2] * numbers[3]));
  normkit::ReadBatch(data, order, pixels);
  Write(pixels);
}

}  // namespace

int main(int count, char** arguments) {
  try {
    if (count != 4) throw std::runtime_error("expected SPEC FRACTION SEED");
    const uint64_t seed = std::stoull(arguments[3]);
    const normkit::Split data = normkit::SplitData(normkit::OpenData(arguments[1], {.seed = seed}),
                                                   std::stod(arguments[2]), seed);
    WritePart(*data.first);
    WritePart(*data.second);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "pixels: %s\n", error.what());
    return 1;
  }
}
