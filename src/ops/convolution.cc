// Convolution over lines, images and volumes (cross-correlation, as everywhere in the field).
#include "src/onednn/convolution.h"

#include <algorithm>

#include "src/core/fail.h"
#include "src/onednn/blocks.h"
#include "src/onednn/strips.h"
#include "src/ops/boxes.h"
#include "src/ops/convolution_reference.h"
#include "src/ops/step_convolution.h"
#include "src/ops/ways.h"
#include "src/ops/window.h"
#include "src/winograd/winograd.h"

namespace normkit::ops {
namespace {

// By normkit::Convolution, WinogradConvolution or ReferenceConvolution.
template <class Implementation>
class ConvolutionKernel : public Kernel {
 public:
  template <class... Args>
  explicit ConvolutionKernel(const Args&... args) : convolution_(args...) {}
  size_t forward_scratch_bytes() const override { return convolution_.forward_scratch_bytes(); }
  size_t backward_scratch_bytes() const override { return convolution_.backward_scratch_bytes(); }
  bool needs_input(size_t i) const override { return i < 2; }
  bool adds(size_t i) const override { return i == 0; }

  void Forward(const ForwardContext& context) override {
    convolution_.Forward(context.x(0), context.x(1),
                         context.inputs.size() > 2 ? context.x(2) : nullptr, context.y(),
                         context.scratch);
  }

  void Backward(const BackwardContext& context) override {
    float* dbias = context.dinputs.size() > 2 ? context.dx(2) : nullptr;
    if (context.dx(1) || dbias)
      convolution_.BackwardWeights(context.x(0), context.dy(), context.run.reducer, context.dx(1),
                                   dbias, context.scratch);
    if (context.dx(0))
      convolution_.BackwardData(context.dy(), context.x(1), context.add[0], context.dx(0),
                                context.scratch);
  }

 private:
  Implementation convolution_;
};

template <class Implementation>
std::unique_ptr<Kernel> Make(const ConvolutionShape& shape, const Preparation& how) {
  return std::make_unique<ConvolutionKernel<Implementation>>(shape, how.part);
}
std::unique_ptr<Kernel> MakeOneDnn(const ConvolutionShape& shape, const Preparation& how) {
  return std::make_unique<ConvolutionKernel<normkit::Convolution>>(shape, how.training, how.part);
}
std::unique_ptr<Kernel> MakeWinogradOfPrediction(const ConvolutionShape& shape,
                                                 const Preparation& how) {
  return std::make_unique<ConvolutionKernel<WinogradConvolution>>(shape, how.part,
                                                                  /*keeps_weights=*/true);
}
std::string Always(const ConvolutionShape&) { return ""; }

constexpr Way<ConvolutionShape> kWays[] = {
    {"winograd", WhyNotWinograd, Make<WinogradConvolution>},
    {"onednn", Always, MakeOneDnn},
    {"reference", Always, Make<ReferenceConvolution>},
};

// Of large pictures one by one; gradients are those of whole observations.
constexpr Way<ConvolutionShape> kInferenceWays[] = {
    {"winograd", WhyNotWinograd, MakeWinogradOfPrediction},
    {"strips", WhyNotStrips, Make<StripConvolution>},
    {"onednn", Always, MakeOneDnn},
    {"reference", Always, Make<ReferenceConvolution>},
};

// Of pieces: where they lie in the whole, and what that chose. Blocks have the same bits wherever
// they are cut, which neither strips nor oneDNN have.
enum class PieceWay { kNone, kWinograd, kBlocks, kReference };
struct ConvolutionPiece {
  PieceWay way = PieceWay::kNone;
  BlockShape::Pair y_begin = {0, 0}, x_begin = {0, 0};
};

PieceWay ChoosePieceWay(const ConvolutionShape& whole) {
  const char* variable = std::getenv("NORMKIT_CONVOLUTION");
  const std::string_view wanted = variable ? variable : "";
  if (wanted == "reference") return PieceWay::kReference;
  const bool any = wanted.empty() || wanted == "winograd";
  return any && WhyNotWinograd(whole).empty() ? PieceWay::kWinograd : PieceWay::kBlocks;
}

class BlockKernel : public Kernel {
 public:
  explicit BlockKernel(const BlockShape& shape) : convolution_(shape) {}
  size_t forward_scratch_bytes() const override { return convolution_.forward_scratch_bytes(); }
  void Forward(const ForwardContext& context) override {
    convolution_.Forward(context.x(0), context.x(1),
                         context.inputs.size() > 2 ? context.x(2) : nullptr, context.y(),
                         context.scratch);
  }

 private:
  BlockConvolution convolution_;
};

std::unique_ptr<Kernel> MakePiece(const ConvolutionShape& shape, const ConvolutionPiece& piece,
                                  const Preparation& how) {
  switch (piece.way) {
    case PieceWay::kWinograd:
      return Make<WinogradConvolution>(shape, how);
    case PieceWay::kReference:
      return Make<ReferenceConvolution>(shape, how);
    case PieceWay::kBlocks:
    case PieceWay::kNone:
      break;
  }
  return std::make_unique<BlockKernel>(BlockShape::Of(shape, piece.y_begin, piece.x_begin));
}

class ConvolutionOp : public Op {
 public:
  ConvolutionOp(const Window& window, int64_t groups, const ConvolutionPiece& piece = {})
      : window_(window), groups_(groups), piece_(piece) {}
  std::string_view name() const override { return "convolution"; }

  std::vector<ArrayType> Infer(std::span<const OpInput> inputs) const override {
    const Layout& x = inputs[0].type.shape;
    const ConvolutionShape shape = Shape(inputs);
    if (shape.filters % groups_ != 0)
      Fail("{} filters for {} groups, expected a multiple of them", shape.filters, groups_);
    if (shape.bias && inputs[2].type.shape.size() != shape.filters)
      Fail("bias has {} values, expected {} (filters)", inputs[2].type.shape.size(), shape.filters);
    return {{DType::kF32, WithSpace(x, shape.output_size(), shape.filters)}};
  }

  std::unique_ptr<Kernel> Prepare(std::span<const OpInput> inputs,
                                  const Preparation& how) const override {
    const Layout& x = inputs[0].type.shape;
    if (x.packed())
      return MakeStepConvolution(Shape(inputs), TimeRows(x, inputs[0].observations, how.time), how);
    if (piece_.way != PieceWay::kNone) return MakePiece(Shape(inputs), piece_, how);
    const std::span<const Way<ConvolutionShape>> ways =
        how.training ? std::span<const Way<ConvolutionShape>>(kWays) : kInferenceWays;
    return MakeFirst<ConvolutionShape>(ways, "NORMKIT_CONVOLUTION", Shape(inputs), how);
  }

  // Winograd's tiles begin at even places, blocks where they begin in the whole.
  std::optional<OpPiece> Piece(std::span<const OpInput> inputs, const Box& box) const override {
    const ConvolutionShape shape = Shape(inputs);
    const Layout& x = inputs[0].type.shape;
    if (shape.dims() != 2 || shape.batch != 1 || x.packed() || box.size.back() != shape.filters)
      return std::nullopt;
    ConvolutionPiece where{ChoosePieceWay(shape)};
    const PlacedWindow w = Place(window_, x);
    OpPiece piece{nullptr, box, FirstPiece(inputs, WholeBox(x)).inputs, {}};
    WindowReach reach[2];
    constexpr int64_t kGrid = 32;  // a multiple of the sides of blocks
    for (size_t i = 0; i < 2; ++i) {
      if (std::max(w.before[i], w.after[i]) > (w.size[i] - 1) * w.dilation[i]) return std::nullopt;
      int64_t &begin = piece.y.begin[i + 1], &count = piece.y.size[i + 1];
      if (where.way == PieceWay::kWinograd) {
        const int64_t end = std::min(shape.output_size()[i], (begin + count + 1) / 2 * 2);
        begin = begin / 2 * 2;
        count = end - begin;
      }
      reach[i] = ReachOf(w, i, begin, count);
      piece.inputs[0].box.begin[i + 1] = reach[i].first;
      piece.inputs[0].box.size[i + 1] = reach[i].size;
      where.y_begin[i] = begin % kGrid;
      where.x_begin[i] = reach[i].first % kGrid;
      piece.key.insert(piece.key.end(),
                       {reach[i].before, reach[i].after, where.y_begin[i], where.x_begin[i]});
    }
    const Padding padding{.top = reach[0].before,
                          .bottom = reach[0].after,
                          .left = reach[1].before,
                          .right = reach[1].after};
    piece.op = std::make_shared<ConvolutionOp>(Window{w.size, w.stride, w.dilation, padding},
                                               groups_, where);
    return piece;
  }

 private:
  ConvolutionShape Shape(std::span<const OpInput> inputs) const {
    const Layout& x = inputs[0].type.shape;
    const std::vector<int64_t> weights = inputs[1].type.shape.shape();
    const int64_t channels = x.axes().back().size;
    if (weights.size() != x.axes().size() || weights[1] * groups_ != channels)
      Fail("weights are {} for {} groups, expected the {} channels of x ({})",
           inputs[1].type.shape.ToString(), groups_, channels, x.ToString());
    PlacedWindow w = Place(window_, x);
    return {x.axes()[0].size,
            std::move(w.x),
            channels,
            weights[0],
            groups_,
            std::move(w.size),
            std::move(w.stride),
            std::move(w.dilation),
            std::move(w.before),
            std::move(w.after),
            inputs.size() > 2};
  }

  Window window_;
  int64_t groups_;
  ConvolutionPiece piece_;
};

}  // namespace

OpPtr Convolution(const Window& window, int64_t groups) {
  return std::make_shared<ConvolutionOp>(window, groups);
}

}  // namespace normkit::ops
