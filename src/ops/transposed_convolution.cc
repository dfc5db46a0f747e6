// The transpose of a convolution, through the gradients of one: forward is its gradient of the
// data.
#include "src/core/fail.h"
#include "src/core/late_sums.h"
#include "src/onednn/convolution.h"
#include "src/ops/pieces.h"
#include "src/ops/transposed_piece.h"
#include "src/ops/window.h"

namespace normkit::ops {
namespace {

// `shape` is that of the convolution: from our y to our x.
class TransposedConvolutionKernel : public Kernel {
 public:
  TransposedConvolutionKernel(const ConvolutionShape& shape, bool bias, const BatchPart& part)
      : shape_(shape),
        bias_(bias),
        cut_(shape.batch, part),
        convolution_(shape, /*training=*/true, part) {}
  size_t forward_scratch_bytes() const override { return convolution_.backward_scratch_bytes(); }
  size_t backward_scratch_bytes() const override {
    return GradientBytes() +
           std::max(convolution_.forward_scratch_bytes(), convolution_.backward_scratch_bytes());
  }
  bool needs_input(size_t i) const override { return i < 2; }
  bool adds(size_t i) const override { return i == 0; }

  void Forward(const ForwardContext& context) override {
    convolution_.BackwardData(context.x(0), context.x(1), false, context.y(), context.scratch);
    if (!bias_) return;
    const int64_t channels = shape_.channels;
    ForRowPieces(Pixels(), channels, [&](int64_t pixel) {
      Store(context.y() + pixel * channels, 0, channels, true,
            [bias = context.x(2)](int64_t c) { return bias[c]; });
    });
  }

  void Backward(const BackwardContext& context) override {
    auto* gradient = reinterpret_cast<float*>(context.scratch);  // where it is to be added
    std::byte* scratch = context.scratch + GradientBytes();
    if (context.dx(1))
      convolution_.BackwardWeights(context.dy(), context.x(0), context.run.reducer, context.dx(1),
                                   nullptr, scratch);
    if (bias_ && context.dx(2)) SumBias(context.dy(), context.run.reducer, context.dx(2));
    if (!context.dx(0)) return;
    convolution_.Forward(context.dy(), context.x(1), nullptr,
                         context.add[0] ? gradient : context.dx(0), scratch);
    if (context.add[0])
      Store(context.dx(0), 0, shape_.batch * shape_.y_size(), true,
            [=](int64_t i) { return gradient[i]; });
  }

 private:
  // Of our x, in whole lines.
  size_t GradientBytes() const {
    constexpr int64_t kLine = 16;
    return static_cast<size_t>((shape_.batch * shape_.y_size() + kLine - 1) / kLine * kLine) *
           sizeof(float);
  }
  int64_t Pixels() const { return shape_.batch * shape_.x_size() / shape_.channels; }

  void SumBias(const float* dy, Reducer* reducer, float* dbias) const {
    const int64_t channels = shape_.channels;
    std::vector<double> sums(static_cast<size_t>(cut_.count() * channels));
    LeafArrays<double> arrays{};
    for (int64_t i = 0; i < cut_.count(); ++i)
      arrays[static_cast<size_t>(cut_.leaf(i))] = sums.data() + i * channels;
    ParallelFor(cut_.count(), true, [&](int64_t i) {
      double* sum = sums.data() + i * channels;
      for (int64_t at = cut_.begin(i) * shape_.x_size(); at < cut_.begin(i + 1) * shape_.x_size();
           at += channels)
        for (int64_t c = 0; c < channels; ++c) sum[c] += dy[at + c];
    });
    SumLeavesTo(arrays, cut_.part(), reducer, channels, dbias);
  }

  ConvolutionShape shape_;
  bool bias_;
  LeafCut cut_;
  normkit::Convolution convolution_;
};

class TransposedConvolutionOp : public Op {
 public:
  TransposedConvolutionOp(const Window& window, int64_t groups, const Transposed& how)
      : window_(window), groups_(groups), how_(how) {}
  std::string_view name() const override { return "transposed convolution"; }

  std::vector<ArrayType> Infer(std::span<const OpInput> inputs) const override {
    const ConvolutionShape shape = Shape(inputs);
    if (inputs.size() > 2 && inputs[2].type.shape.size() != shape.channels)
      Fail("bias has {} values, expected {}", inputs[2].type.shape.size(), shape.channels);
    return {{DType::kF32, WithSpace(inputs[0].type.shape, shape.size, shape.channels)}};
  }
  std::unique_ptr<Kernel> Prepare(std::span<const OpInput> inputs,
                                  const Preparation& how) const override {
    return std::make_unique<TransposedConvolutionKernel>(Shape(inputs), inputs.size() > 2,
                                                         how.part);
  }

  std::optional<OpPiece> Piece(std::span<const OpInput> inputs, const Box& y) const override {
    const ConvolutionShape shape = Shape(inputs);
    if (shape.dims() != 2 || shape.batch != 1 || groups_ != 1 || y.size.back() != shape.channels)
      return std::nullopt;
    return TransposedPiece(shape, inputs, y);
  }

 private:
  ConvolutionShape Shape(std::span<const OpInput> inputs) const {
    const Layout& x = inputs[0].type.shape;
    const std::vector<int64_t> weights = inputs[1].type.shape.shape();
    const int64_t channels = x.axes().back().size;
    if (weights.size() != x.axes().size() || weights[0] != channels || channels % groups_ != 0)
      Fail("weights are {} for {} groups, expected the {} channels of x ({}) first",
           inputs[1].type.shape.ToString(), groups_, channels, x.ToString());
    const PlacedWindow w = PlaceAnywhere(window_, x);
    ConvolutionShape shape{x.axes()[0].size, {},         weights[1] * groups_,
                           channels,         groups_,    w.size,
                           w.stride,         w.dilation, w.before,
                           w.after,          false};
    for (size_t i = 0; i < w.x.size(); ++i) PlaceAxis(i, w, shape);
    return shape;
  }

  void PlaceAxis(size_t i, const PlacedWindow& w, ConvolutionShape& shape) const {
    const auto number = [i](const Space& given) { return given.empty() ? 0 : given.at(i); };
    const int64_t whole = (w.x[i] - 1) * w.stride[i] + (w.size[i] - 1) * w.dilation[i] + 1,
                  more = number(how_.more);
    if (more < 0 || more >= std::max(w.stride[i], w.dilation[i]))
      Fail("output padding is {}, expected less than stride {} or dilation {}", more, w.stride[i],
           w.dilation[i]);
    int64_t size = how_.size.empty() ? 0 : number(how_.size);
    const bool same = window_.padding.same;
    if (size == 0 && same) size = w.x[i] * w.stride[i];
    if (size == 0) {
      size = whole + more - w.before[i] - w.after[i];
    } else {
      const int64_t cut = std::max<int64_t>(0, whole + more - size), half = cut / 2;
      shape.before[i] = how_.begin_odd ? cut - half : half;
      shape.after[i] = cut - shape.before[i];
    }
    const int64_t counted =
        (size + shape.before[i] + shape.after[i] - (w.size[i] - 1) * w.dilation[i] - 1) /
            w.stride[i] +
        1;
    if (size < 1 || counted != w.x[i])
      Fail("output of {} elements from {} asked for, expected {} and less than {} more", size,
           w.x[i], whole - shape.before[i] - shape.after[i], w.stride[i]);
    shape.size.push_back(size);
  }

  Window window_;
  int64_t groups_;
  Transposed how_;
};

}  // namespace

OpPtr TransposedConvolution(const Window& window, int64_t groups, const Transposed& how) {
  return std::make_shared<TransposedConvolutionOp>(window, groups, how);
}

}  // namespace normkit::ops
