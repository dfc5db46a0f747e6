// What is benchmarked: one operation on one shape is a cell.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "normkit/core/dtype.h"
#include "normkit/norm/normalization.h"

namespace normkit::tools {

struct BenchCell {
  NormPass op = NormPass::kForward;
  std::string layer;
  std::vector<int64_t> shape;
  std::string format;
  DType dtype = DType::kF32;
  std::optional<int64_t> num_groups;
  std::optional<OperationDimension> operation_dimension;
  bool hot = false;       // the same arrays again and again, instead of arrays that are in no cache
  bool residual = false;  // added to x, the sum written; backward adds to the sum's gradient
  std::string values = "normal";  // what x and dy hold, of BenchValues()
  Activation activation = Activation::kNone;
  OutputType output = OutputType::kSame;  // of y
  int64_t slices = 1;  // of arrays whose outermost axis is so many times as wide, the first

  // "batch forward BCSS [8,64,28,28] f32".
  std::string ToString() const;
  // " hot with residual of nan, gelu, as int8, of 3 slices": what it has beside layer and shape;
  // mostly nothing.
  std::string Conditions() const;
  // Throws Error where the layer does not fit the shape.
  Normalization MakeOperation() const;
  // What runs (Normalization::Describe) with the current number of threads.
  std::string Describe() const;
  // The fewest bytes that have to cross memory: each input read once, each output written once.
  // Of dx that is added to both.
  int64_t bytes() const;
};

// Kinds of values: time is not to depend on them.
const std::vector<std::string>& BenchValues();

// Every operation and shape of the table that the speed of normkit is judged by, in f32 and bf16.
std::vector<BenchCell> AllBenchCells();
// Short runs, short statistics, few observations, and work as small as a decoder's.
std::vector<BenchCell> ShortBenchCells();
// Widths of large language models, volumes and large maps, channels last with few of them.
std::vector<BenchCell> UnusualBenchCells();
// In the caches, every layer and way to go, in f32, bf16 and f64: to be measured for each kind of
// values.
std::vector<BenchCell> ByValueBenchCells();

}  // namespace normkit::tools
