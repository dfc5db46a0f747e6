#include "src/ops/transposed_piece.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "src/onednn/blocks.h"
#include "src/ops/boxes.h"
#include "src/ops/pieces.h"

namespace normkit::ops {
namespace {

using Pair = BlockShape::Pair;

int64_t FloorOf(int64_t a, int64_t b) { return a >= 0 ? a / b : -((b - 1 - a) / b); }

// Results o along one axis with (o + before) % stride = phase: o = q stride + phase - before. The
// tap j, (j dilation) % stride = phase, is that of element q - (j dilation - phase) / stride of x.
struct PhaseAxis {
  std::vector<int64_t> taps;     // in the order of x: the last ones first
  int64_t apart = 1;             // from one tap's element of x to the next one's
  int64_t farthest = 0;          // from q back to the first tap's element
  int64_t first = 0, count = 0;  // of q
  int64_t place = 0;             // of the first result, in the box
};

PhaseAxis MakePhase(const ConvolutionShape& s, size_t axis, int64_t phase, int64_t begin,
                    int64_t size) {
  const int64_t stride = s.stride[axis], dilation = s.dilation[axis];
  PhaseAxis made;
  for (int64_t j = s.filter_size[axis]; j-- > 0;)
    if (j * dilation % stride == phase) made.taps.push_back(j);
  made.apart = dilation / std::gcd(dilation, stride);
  if (!made.taps.empty()) made.farthest = (made.taps[0] * dilation - phase) / stride;
  const int64_t from = begin + s.before[axis] - phase;
  made.first = -FloorOf(-from, stride);
  made.count = FloorOf(from + size - 1, stride) - made.first + 1;
  made.place = made.first * stride - from;
  return made;
}

struct TransposedBox {
  ConvolutionShape shape;  // of the whole
  Pair y_begin, y_size, x_begin, x_size;
};

class TransposedPieceKernel : public Kernel {
 public:
  TransposedPieceKernel(const TransposedBox& box, bool bias) : box_(box), bias_(bias) {
    const ConvolutionShape& s = box.shape;
    for (int64_t row = 0; row < s.stride[0]; ++row)
      for (int64_t column = 0; column < s.stride[1]; ++column)
        AddPhase(MakePhase(s, 0, row, box.y_begin[0], box.y_size[0]),
                 MakePhase(s, 1, column, box.y_begin[1], box.y_size[1]));
  }
  size_t forward_scratch_bytes() const override {
    size_t bytes = 0;
    for (const Phase& phase : phases_)
      bytes =
          std::max(bytes, WeightBytes(phase) +
                              (phase.blocks.empty() ? 0 : phase.blocks[0].forward_scratch_bytes()));
    return bytes;
  }

  void Forward(const ForwardContext& context) override {
    const ConvolutionShape& s = box_.shape;
    for (Phase& phase : phases_) {
      float* y = context.y() + (phase.row.place * box_.y_size[1] + phase.column.place) * s.channels;
      if (phase.blocks.empty()) {
        Fill(phase, context, y);
        continue;
      }
      auto* weights = reinterpret_cast<float*>(context.scratch);
      Gather(phase, context.x(1), weights);
      phase.blocks[0].Forward(context.x(), weights, bias_ ? context.x(2) : nullptr, y,
                              context.scratch + WeightBytes(phase));
    }
  }

 private:
  struct Phase {
    PhaseAxis row, column;
    std::vector<BlockConvolution> blocks;  // one; none where no tap falls there
  };

  void AddPhase(PhaseAxis row, PhaseAxis column) {
    if (row.count < 1 || column.count < 1) return;
    const ConvolutionShape& s = box_.shape;
    Phase phase{std::move(row), std::move(column), {}};
    const PhaseAxis &r = phase.row, &c = phase.column;
    if (!r.taps.empty() && !c.taps.empty())
      phase.blocks.emplace_back(BlockShape{.x = box_.x_size,
                                           .y = {r.count, c.count},
                                           .channels = s.filters,
                                           .filters = s.channels,
                                           .groups = 1,
                                           .window = {std::ssize(r.taps), std::ssize(c.taps)},
                                           .stride = {1, 1},
                                           .dilation = {r.apart, c.apart},
                                           .before = {r.farthest + box_.x_begin[0] - r.first,
                                                      c.farthest + box_.x_begin[1] - c.first},
                                           .y_begin = {r.first, c.first},
                                           .x_begin = box_.x_begin,
                                           .bias = bias_,
                                           .y_step = {s.stride[0], s.stride[1]},
                                           .y_width = box_.y_size[1]});
    phases_.push_back(std::move(phase));
  }

  size_t WeightBytes(const Phase& phase) const {
    const size_t floats = static_cast<size_t>(box_.shape.filters * box_.shape.channels) *
                          phase.row.taps.size() * phase.column.taps.size();
    return (floats * sizeof(float) + 63) / 64 * 64;
  }

  // From [C, O, window] those of the phase, [O, C, taps].
  void Gather(const Phase& phase, const float* weights, float* to) const {
    const ConvolutionShape& s = box_.shape;
    for (int64_t o = 0; o < s.channels; ++o)
      for (int64_t c = 0; c < s.filters; ++c)
        for (const int64_t i : phase.row.taps)
          for (const int64_t j : phase.column.taps)
            *to++ = weights[((c * s.channels + o) * s.filter_size[0] + i) * s.filter_size[1] + j];
  }

  void Fill(const Phase& phase, const ForwardContext& context, float* y) const {
    const ConvolutionShape& s = box_.shape;
    for (int64_t r = 0; r < phase.row.count; ++r)
      for (int64_t c = 0; c < phase.column.count; ++c)
        for (int64_t o = 0; o < s.channels; ++o)
          y[(r * s.stride[0] * box_.y_size[1] + c * s.stride[1]) * s.channels + o] =
              bias_ ? context.x(2)[o] : 0;
  }

  TransposedBox box_;
  bool bias_;
  std::vector<Phase> phases_;
};

class TransposedPieceOp : public Op {
 public:
  explicit TransposedPieceOp(const TransposedBox& box) : box_(box) {}
  std::string_view name() const override { return "transposed convolution"; }
  std::vector<ArrayType> Infer(std::span<const OpInput> inputs) const override {
    std::vector<Axis> axes = inputs[0].type.shape.axes();
    axes[1].size = box_.y_size[0];
    axes[2].size = box_.y_size[1];
    axes[3].size = box_.shape.channels;
    return {{DType::kF32, Layout(std::move(axes))}};
  }
  std::unique_ptr<Kernel> Prepare(std::span<const OpInput> inputs,
                                  const Preparation&) const override {
    return std::make_unique<TransposedPieceKernel>(box_, inputs.size() > 2);
  }

 private:
  TransposedBox box_;
};

}  // namespace

OpPiece TransposedPiece(const ConvolutionShape& shape, std::span<const OpInput> inputs,
                        const Box& y) {
  const Layout& x = inputs[0].type.shape;
  OpPiece piece{nullptr, y, FirstPiece(inputs, WholeBox(x)).inputs, {}};
  TransposedBox box{shape, {}, {}, {}, {}};
  for (size_t i = 0; i < 2; ++i) {
    const int64_t stride = shape.stride[i], reach = (shape.filter_size[i] - 1) * shape.dilation[i],
                  begin = y.begin[i + 1] + shape.before[i], last_x = x.axes()[i + 1].size - 1,
                  first = std::clamp<int64_t>((begin - reach + stride - 1) / stride, 0, last_x),
                  last = std::clamp((begin + y.size[i + 1] - 1) / stride, first, last_x);
    piece.inputs[0].box.begin[i + 1] = box.x_begin[i] = first;
    piece.inputs[0].box.size[i + 1] = box.x_size[i] = last - first + 1;
    box.y_begin[i] = y.begin[i + 1];
    box.y_size[i] = y.size[i + 1];
    // All that places in blocks follow from.
    constexpr int64_t kGrid = 32;
    const int64_t period = kGrid * stride;
    piece.key.insert(piece.key.end(),
                     {begin % period, first % kGrid, first - begin / period * kGrid});
  }
  piece.op = std::make_shared<TransposedPieceOp>(box);
  return piece;
}

}  // namespace normkit::ops
