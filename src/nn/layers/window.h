// What layers with windows share: sizes, one number for each dimension of space, and words.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "normkit/graph/graph.h"
#include "normkit/ops/padding.h"

namespace normkit {

// "3x3, stride 2, padding same": for Layer::Description.
std::string DescribeWindow(std::span<const int64_t> size, std::span<const int64_t> stride,
                           const Padding& padding);

// "3x3"; "2" where all are alike and `joined` says so.
std::string DescribeSizes(std::span<const int64_t> sizes, bool joined = false);

// One number stands for every dimension; throws where there are neither one nor `dims`.
void SpreadSizes(const Layer& layer, std::string_view property, size_t dims,
                 std::vector<int64_t>& sizes);

// Throws "PROPERTY has 3 numbers, expected 2 (height, width)".
void CheckDims(const Layer& layer, std::string_view property, size_t dims, size_t expected);

// The only input, which has to be lines (`dims` 1), images or volumes; channels last. `of_steps`:
// or those of each step of a sequence.
const Layout& OnlySpace(const Layer& layer, const Graph& graph, std::span<const Value> inputs,
                        size_t dims, bool of_steps = false);

// Of images, which have neither front nor back: as a number on all sides, or as those four.
Padding FlatPadding(const Padding& padding);

// Options whose window has one number are those of a window of kDims.
template <size_t kDims, class Options>
Options WithDims(Options options, std::vector<int64_t> Options::*size = &Options::filter_size) {
  std::vector<int64_t>& window = options.*size;
  if (window.size() <= 1) window.resize(kDims, window.empty() ? 0 : window[0]);
  return options;
}

}  // namespace normkit
