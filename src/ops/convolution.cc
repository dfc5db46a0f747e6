// Convolution over lines, images and volumes (cross-correlation, as everywhere in the field).
#include "src/onednn/convolution.h"

#include <algorithm>

#include "src/core/fail.h"
#include "src/onednn/strips.h"
#include "src/ops/boxes.h"
#include "src/ops/convolution_reference.h"
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
    if (context.dx(1))
      convolution_.BackwardWeights(context.x(0), context.dy(), context.run.reducer, context.dx(1),
                                   context.dinputs.size() > 2 ? context.dx(2) : nullptr,
                                   context.scratch);
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
std::string Always(const ConvolutionShape&) { return ""; }

constexpr Way<ConvolutionShape> kWays[] = {
    {"winograd", WhyNotWinograd, Make<WinogradConvolution>},
    {"onednn", Always, MakeOneDnn},
    {"reference", Always, Make<ReferenceConvolution>},
};

// Of large pictures one by one; gradients are those of whole observations.
constexpr Way<ConvolutionShape> kInferenceWays[] = {
    {"winograd", WhyNotWinograd, Make<WinogradConvolution>},
    {"strips", WhyNotStrips, Make<StripConvolution>},
    {"onednn", Always, MakeOneDnn},
    {"reference", Always, Make<ReferenceConvolution>},
};

// Of pieces: what the whole chose, where sizes do not matter. Strips have the bits of oneDNN or
// better ones.
std::string Forced(const ConvolutionShape&) { return ""; }
constexpr Way<ConvolutionShape> kPieceWays[] = {
    {"winograd", Forced, Make<WinogradConvolution>},
    {"strips", Forced, Make<StripConvolution>},
    {"reference", Forced, Make<ReferenceConvolution>},
};
std::string_view PieceWay(const ConvolutionShape& whole) {
  const char* wanted = std::getenv("NORMKIT_CONVOLUTION");
  if (wanted && std::string_view(wanted) == "reference") return "reference";
  const bool any = !wanted || !*wanted || std::string_view(wanted) == "winograd";
  return any && WhyNotWinograd(whole).empty() ? "winograd" : "strips";
}

class ConvolutionOp : public Op {
 public:
  // `way`: of kPieceWays; "": the best.
  ConvolutionOp(const Window& window, int64_t groups, std::string_view way = "")
      : window_(window), groups_(groups), way_(way) {}
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
    for (const Way<ConvolutionShape>& way : kPieceWays)
      if (way.name == way_) return way.make(Shape(inputs), how);
    const std::span<const Way<ConvolutionShape>> ways =
        how.training ? std::span<const Way<ConvolutionShape>>(kWays) : kInferenceWays;
    return MakeFirst<ConvolutionShape>(ways, "NORMKIT_CONVOLUTION", Shape(inputs), how);
  }

  // Winograd's tiles begin at even places.
  std::optional<OpPiece> Piece(std::span<const OpInput> inputs, const Box& box) const override {
    const ConvolutionShape shape = Shape(inputs);
    const Layout& x = inputs[0].type.shape;
    if (shape.dims() != 2 || shape.batch != 1 || box.size.back() != shape.filters)
      return std::nullopt;
    const std::string_view way = PieceWay(shape);
    const PlacedWindow w = Place(window_, x);
    OpPiece piece{nullptr, box, FirstPiece(inputs, WholeBox(x)).inputs, {}};
    WindowReach reach[2];
    for (size_t i = 0; i < 2; ++i) {
      if (std::max(w.before[i], w.after[i]) > (w.size[i] - 1) * w.dilation[i]) return std::nullopt;
      int64_t &begin = piece.y.begin[i + 1], &count = piece.y.size[i + 1];
      if (way == "winograd") {
        const int64_t end = std::min(shape.output_size()[i], (begin + count + 1) / 2 * 2);
        begin = begin / 2 * 2;
        count = end - begin;
      }
      reach[i] = ReachOf(w, i, begin, count);
      piece.inputs[0].box.begin[i + 1] = reach[i].first;
      piece.inputs[0].box.size[i + 1] = reach[i].size;
      piece.key.insert(piece.key.end(), {reach[i].before, reach[i].after});
    }
    const Padding padding{.top = reach[0].before,
                          .bottom = reach[0].after,
                          .left = reach[1].before,
                          .right = reach[1].after};
    piece.op = std::make_shared<ConvolutionOp>(Window{w.size, w.stride, w.dilation, padding},
                                               groups_, way);
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
  std::string_view way_;
};

}  // namespace

OpPtr Convolution(const Window& window, int64_t groups) {
  return std::make_shared<ConvolutionOp>(window, groups);
}

}  // namespace normkit::ops
