// What the sums of F(2x2, 3x3) add up in magnitude, more than the products of the convolution do:
// the same algorithm without its signs, in f64. For the bounds of tests.
#pragma once

#include <array>
#include <cmath>
#include <vector>

#include "src/onednn/convolution_shape.h"

namespace normkit::winograd {

// |B^T|, |G| and |A|: [point][neighbour].
inline constexpr double kInput[4][4] = {{1, 0, 1, 0}, {0, 1, 1, 0}, {0, 1, 1, 0}, {0, 1, 0, 1}};
inline constexpr double kTap[4][3] = {{1, 0, 0}, {.5, .5, .5}, {.5, .5, .5}, {0, 0, 1}};
inline constexpr double kOutput[4][2] = {{1, 0}, {1, 1}, {1, 1}, {0, 1}};

// Roundings that a term passes through beside those of its sum over channels or tiles: 2 in the
// transform of inputs, 4 of taps, 4 of outputs (2 of their gradients), 1 for the bias.
inline constexpr int64_t kMoreRoundings = 11, kMoreOfWeights = 8;

using Magnitudes = std::array<double, 16>;  // of a tile's points

inline void AddProducts(const Magnitudes& a, const Magnitudes& b, Magnitudes& sum) {
  for (size_t i = 0; i < 16; ++i) sum[i] += a[i] * b[i];
}

// `at(h, w)` gives the n x n values.
template <size_t n, class At>
Magnitudes ToPoints(const double (&matrix)[4][n], const At& at) {
  Magnitudes to{};
  for (size_t h = 0; h < n; ++h)
    for (size_t w = 0; w < n; ++w) {
      const double value = std::abs(static_cast<double>(at(h, w)));
      for (size_t i = 0; i < 16; ++i) to[i] += matrix[i / 4][h] * matrix[i % 4][w] * value;
    }
  return to;
}

template <size_t n>
double FromPoints(const double (&matrix)[4][n], const Magnitudes& from, size_t h, size_t w) {
  double sum = 0;
  for (size_t i = 0; i < 16; ++i) sum += matrix[i / 4][h] * matrix[i % 4][w] * from[i];
  return sum;
}

// An image [H,W,C] in rows x columns tiles of n x n values, each two to the right of (or below) the
// last: [tile][C].
struct Image {
  const float* values;
  int64_t height, width, channels, top, left;

  template <size_t n>
  std::vector<Magnitudes> Tiles(const double (&matrix)[4][n], int64_t rows, int64_t columns) const {
    std::vector<Magnitudes> points;
    for (int64_t tile = 0; tile < rows * columns; ++tile)
      for (int64_t c = 0; c < channels; ++c)
        points.push_back(ToPoints(matrix, [&](size_t i, size_t j) {
          const int64_t h = tile / columns * 2 + static_cast<int64_t>(i) - top;
          const int64_t w = tile % columns * 2 + static_cast<int64_t>(j) - left;
          const bool inside = h >= 0 && h < height && w >= 0 && w < width;
          return inside ? values[(h * width + w) * channels + c] : 0;
        }));
    return points;
  }
};

struct Tiled {
  const ConvolutionShape& s;
  Space out = s.output_size();
  int64_t rows = (out[0] + 1) / 2, columns = (out[1] + 1) / 2;
  size_t inputs = static_cast<size_t>(s.channels), outputs = static_cast<size_t>(s.filters);
  size_t tiles = static_cast<size_t>(rows * columns);

  std::vector<Magnitudes> Inputs(const std::vector<float>& x, int64_t b) const {
    const Image image{
        x.data() + b * s.x_size(), s.size[0], s.size[1], s.channels, s.before[0], s.before[1]};
    return image.Tiles(kInput, rows, columns);
  }
  std::vector<Magnitudes> Gradients(const std::vector<float>& dy, int64_t b) const {
    const Image image{dy.data() + b * s.y_size(), out[0], out[1], s.filters, 0, 0};
    return image.Tiles(kOutput, rows, columns);
  }
};

// Of y [B,H,W,F], without bias.
inline std::vector<double> ForwardMagnitudes(const ConvolutionShape& s, const std::vector<float>& x,
                                             const std::vector<float>& weights) {
  const Tiled tiled{s};
  std::vector<Magnitudes> taps;  // [F][C]
  for (size_t i = 0; i < tiled.inputs * tiled.outputs; ++i)
    taps.push_back(ToPoints(kTap, [&](size_t h, size_t w) { return weights[i * 9 + h * 3 + w]; }));
  const auto height = static_cast<size_t>(tiled.out[0]), width = static_cast<size_t>(tiled.out[1]),
             columns = static_cast<size_t>(tiled.columns);
  std::vector<double> y(static_cast<size_t>(s.batch) * height * width * tiled.outputs);
  for (int64_t b = 0; b < s.batch; ++b) {
    const std::vector<Magnitudes> inputs = tiled.Inputs(x, b);
    for (size_t tile = 0; tile < tiled.tiles; ++tile)
      for (size_t f = 0; f < tiled.outputs; ++f) {
        Magnitudes sum{};
        for (size_t c = 0; c < tiled.inputs; ++c)
          AddProducts(inputs[tile * tiled.inputs + c], taps[f * tiled.inputs + c], sum);
        for (size_t i = 0; i < 4; ++i) {
          const size_t h = tile / columns * 2 + i / 2, w = tile % columns * 2 + i % 2;
          if (h < height && w < width)
            y[((static_cast<size_t>(b) * height + h) * width + w) * tiled.outputs + f] =
                FromPoints(kOutput, sum, i / 2, i % 2);
        }
      }
  }
  return y;
}

// Of dx [B,H,W,C]: a convolution of dy with the weights transposed and turned.
inline std::vector<double> DataMagnitudes(const ConvolutionShape& s, const std::vector<float>& dy,
                                          const std::vector<float>& weights) {
  ConvolutionShape back = s;
  back.size = s.output_size();
  back.channels = s.filters;
  back.filters = s.channels;
  for (size_t i = 0; i < 2; ++i) {
    back.before[i] = 2 - s.before[i];
    back.after[i] = 2 - s.after[i];
  }
  std::vector<float> turned(weights.size());
  const auto channels = static_cast<size_t>(s.channels), filters = static_cast<size_t>(s.filters);
  for (size_t f = 0; f < filters; ++f)
    for (size_t c = 0; c < channels; ++c)
      for (size_t k = 0; k < 9; ++k)
        turned[(c * filters + f) * 9 + 8 - k] = weights[(f * channels + c) * 9 + k];
  return ForwardMagnitudes(back, dy, turned);
}

// Of dweights [F,C,3,3].
inline std::vector<double> WeightMagnitudes(const ConvolutionShape& s, const std::vector<float>& x,
                                            const std::vector<float>& dy) {
  const Tiled tiled{s};
  std::vector<Magnitudes> sums(tiled.inputs * tiled.outputs);
  for (int64_t b = 0; b < s.batch; ++b) {
    const std::vector<Magnitudes> inputs = tiled.Inputs(x, b), gradients = tiled.Gradients(dy, b);
    for (size_t tile = 0; tile < tiled.tiles; ++tile)
      for (size_t f = 0; f < tiled.outputs; ++f)
        for (size_t c = 0; c < tiled.inputs; ++c)
          AddProducts(inputs[tile * tiled.inputs + c], gradients[tile * tiled.outputs + f],
                      sums[f * tiled.inputs + c]);
  }
  std::vector<double> dweights;
  for (const Magnitudes& sum : sums)
    for (size_t k = 0; k < 9; ++k) dweights.push_back(FromPoints(kTap, sum, k / 3, k % 3));
  return dweights;
}

}  // namespace normkit::winograd
