// Products of rows with weights whose bits depend on the row and the weights alone, not on how many
// rows there are or where among them one stands: an observation in a batch gets what it gets alone.
#pragma once

#include <cstddef>
#include <cstdint>

namespace normkit::products {

// Which element of an array is that of (output, input): w[output * output_step + input *
// input_step]. Weights [O, I] have steps I and 1, their transpose 1 and the length of a row.
struct WeightOrder {
  int64_t outputs, inputs, output_step, input_step;
  static WeightOrder Of(int64_t outputs, int64_t inputs) { return {outputs, inputs, inputs, 1}; }
  // What brings gradients of the outputs of `outputs` x `inputs` weights back to their inputs.
  static WeightOrder Back(int64_t outputs, int64_t inputs) { return {inputs, outputs, 1, inputs}; }
};

// Floats that weights take in the order that the kernel reads.
size_t PackedSize(int64_t outputs, int64_t inputs);
// Into 64-byte aligned memory.
void PackWeights(const float* w, const WeightOrder& order, float* packed);

// What the sums begin with.
enum class Begin { kZeros, kBias, kThere };

// y_i[o] = begin + x_i[0] w[o, 0] + x_i[1] w[o, 1] + ..., added in this order, by fused
// multiply-adds where the target has them: the same bits on all that have. Rows are where the
// pointers say; none of y is one of x.
struct RowProduct {
  const float* packed;
  int64_t outputs, inputs;
  Begin begin = Begin::kZeros;
  const float* bias = nullptr;  // [outputs], where they begin with it

  void Run(const float* const* x, float* const* y, int64_t rows) const;
  // Of rows so far apart, on NumThreads() threads.
  void RunAll(const float* x, int64_t x_step, float* y, int64_t y_step, int64_t rows) const;
};

}  // namespace normkit::products
