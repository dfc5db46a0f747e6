#include "src/onednn/convolution.h"

#include <algorithm>
#include <optional>

#include "src/core/parallel.h"
#include "src/onednn/batch_cut.h"
#include "src/onednn/primitive.h"

namespace normkit {
namespace {

using dnnl::memory;

// Enough pieces to keep 8 threads busy; more would cost partial gradients of weights and smaller
// products (docs/decisions.md has the figures).
constexpr int64_t kMaxPieces = 8;
constexpr int64_t kParallelProducts = 1 << 18;  // multiplications worth waking a thread for
constexpr int64_t kSumElements = 1 << 12;       // of weights that one task merges

// By the number of dimensions of space.
constexpr memory::format_tag kChannelsLast[] = {memory::format_tag::undef, memory::format_tag::nwc,
                                                memory::format_tag::nhwc,
                                                memory::format_tag::ndhwc};
constexpr memory::format_tag kWeights[] = {memory::format_tag::undef, memory::format_tag::oiw,
                                           memory::format_tag::oihw, memory::format_tag::oidhw};
constexpr memory::format_tag kGroupedWeights[] = {
    memory::format_tag::undef, memory::format_tag::goiw, memory::format_tag::goihw,
    memory::format_tag::goidhw};

memory::desc ImageDesc(int64_t batch, int64_t channels, const Space& size) {
  memory::dims dims{batch, channels};
  dims.insert(dims.end(), size.begin(), size.end());
  return {dims, memory::data_type::f32, kChannelsLast[size.size()]};
}

// As the caller keeps them, or (any) as oneDNN likes them.
memory::desc WeightsDesc(const ConvolutionShape& s, bool any) {
  memory::dims dims{s.filters / s.groups, s.channels / s.groups};
  if (s.groups != 1) dims.insert(dims.begin(), s.groups);
  dims.insert(dims.end(), s.filter_size.begin(), s.filter_size.end());
  const auto own = (s.groups == 1 ? kWeights : kGroupedWeights)[s.dims()];
  return {dims, memory::data_type::f32, any ? memory::format_tag::any : own};
}

memory::desc BiasDesc(const ConvolutionShape& s) {
  if (!s.bias) return {};
  return {{s.filters}, memory::data_type::f32, memory::format_tag::x};
}

// The arguments of every descriptor, for pieces of `batch` observations.
struct Geometry {
  memory::desc x, weights, bias, y;
  memory::dims stride, dilation, before, after;
  Geometry(const ConvolutionShape& s, int64_t batch, const memory::desc& weights_desc)
      : x(ImageDesc(batch, s.channels, s.size)),
        weights(weights_desc),
        bias(BiasDesc(s)),
        y(ImageDesc(batch, s.filters, s.output_size())),
        stride(s.stride),
        dilation(s.dilation),
        before(s.before),
        after(s.after) {
    for (auto& d : dilation) --d;  // oneDNN counts what is between
  }
};

using ForwardPrimitive = dnnl::convolution_forward;
using DataPrimitive = dnnl::convolution_backward_data;
using WeightsPrimitive = dnnl::convolution_backward_weights;
constexpr auto kDirect = dnnl::algorithm::convolution_direct;

ForwardPrimitive::primitive_desc DescribeForward(const Geometry& g, bool training) {
  const auto kind =
      training ? dnnl::prop_kind::forward_training : dnnl::prop_kind::forward_inference;
  return Describe<ForwardPrimitive>(kind, kDirect, g.x, g.weights, g.bias, g.y, g.stride,
                                    g.dilation, g.before, g.after);
}

// One direction: a call for each piece of the batch, and the copy of the weights into or out of
// oneDNN's order, which the first piece chooses for all.
struct Pass {
  std::vector<PrimitiveCall> calls;
  std::optional<PrimitiveCall> reorder;
  memory::desc weights;
  size_t scratchpad_bytes = 0;
  ScratchLayout layout;
  Region weights_region, bias_region, dx_region, scratchpad_region;

  void NeedScratchpad(const memory::desc& desc) {
    scratchpad_bytes = std::max(scratchpad_bytes, desc.get_size());
  }
};

double Products(const ConvolutionShape& s) {
  return static_cast<double>(s.batch) * static_cast<double>(s.y_size()) *
         static_cast<double>(s.channels / s.groups) * static_cast<double>(Product(s.filter_size));
}

}  // namespace

class Convolution::Impl {
 public:
  Impl(const ConvolutionShape& shape, bool training)
      : shape_(shape),
        cut_(shape.batch, kMaxPieces),
        worth_threads_(Products(shape) >= kParallelProducts),
        x_size_(shape.x_size()),
        y_size_(shape.y_size()) {
    const OneThread one_thread;
    PrepareForward(training);
    if (!training) return;
    PrepareBackwardData();
    PrepareBackwardWeights();
  }

  size_t forward_scratch_bytes() const { return forward_.layout.bytes(); }
  size_t backward_scratch_bytes() const {
    return std::max(data_.layout.bytes(), weights_.layout.bytes());
  }

  void RunForward(const float* x, const float* weights, const float* bias, float* y,
                  std::byte* scratch);
  void RunBackwardData(const float* dy, const float* weights, bool add, float* dx,
                       std::byte* scratch);
  void RunBackwardWeights(const float* x, const float* dy, float* dweights, float* dbias,
                          std::byte* scratch);

 private:
  void PrepareForward(bool training);
  void PrepareBackwardData();
  void PrepareBackwardWeights();
  void PlaceOrderedWeights(Pass& pass);
  float* OrderWeights(Pass& pass, const float* weights, std::byte* scratch, OneDnnCall& call);
  void MergePieces(const Region& region, int64_t size, std::byte* scratch);

  // The geometry of a piece, once the first has chosen the order of the weights.
  Geometry PieceGeometry(const Pass& pass, int64_t piece) const {
    return Geometry(shape_, cut_.length(piece),
                    piece == 0 ? WeightsDesc(shape_, true) : pass.weights);
  }

  ConvolutionShape shape_;
  BatchCut cut_;
  bool worth_threads_;
  int64_t x_size_, y_size_;  // of one observation
  Pass forward_, data_, weights_;
};

// Room for weights in the order that the pass has chosen.
void Convolution::Impl::PlaceOrderedWeights(Pass& pass) {
  pass.reorder = MakeReorder(WeightsDesc(shape_, false), pass.weights);
  pass.weights_region = pass.layout.Add(pass.weights.get_size());
  pass.scratchpad_region = pass.layout.Add(pass.scratchpad_bytes, cut_.count());
}

void Convolution::Impl::PrepareForward(bool training) {
  Pass& pass = forward_;
  for (int64_t piece = 0; piece < cut_.count(); ++piece) {
    const Geometry g = PieceGeometry(pass, piece);
    const auto desc = DescribeForward(g, training);
    pass.weights = desc.weights_desc();
    pass.NeedScratchpad(desc.scratchpad_desc());
    pass.calls.push_back(
        PrimitiveCall(ForwardPrimitive(desc), {{DNNL_ARG_SRC, g.x},
                                               {DNNL_ARG_WEIGHTS, pass.weights},
                                               {DNNL_ARG_BIAS, g.bias},
                                               {DNNL_ARG_DST, g.y},
                                               {DNNL_ARG_SCRATCHPAD, desc.scratchpad_desc()}}));
  }
  PlaceOrderedWeights(pass);
}

void Convolution::Impl::PrepareBackwardData() {
  Pass& pass = data_;
  for (int64_t piece = 0; piece < cut_.count(); ++piece) {
    const Geometry g = PieceGeometry(pass, piece);
    const Geometry any(shape_, cut_.length(piece), WeightsDesc(shape_, true));
    const auto desc =
        DescribeBackward<DataPrimitive>(DescribeForward(any, true), kDirect, g.x, g.weights, g.y,
                                        g.stride, g.dilation, g.before, g.after);
    pass.weights = desc.weights_desc();
    pass.NeedScratchpad(desc.scratchpad_desc());
    pass.calls.push_back(
        PrimitiveCall(DataPrimitive(desc), {{DNNL_ARG_DIFF_DST, g.y},
                                            {DNNL_ARG_WEIGHTS, pass.weights},
                                            {DNNL_ARG_DIFF_SRC, g.x},
                                            {DNNL_ARG_SCRATCHPAD, desc.scratchpad_desc()}}));
  }
  PlaceOrderedWeights(pass);
  pass.dx_region =
      pass.layout.Add(static_cast<size_t>(cut_.longest() * x_size_) * sizeof(float), cut_.count());
}

void Convolution::Impl::PrepareBackwardWeights() {
  Pass& pass = weights_;
  for (int64_t piece = 0; piece < cut_.count(); ++piece) {
    const Geometry g = PieceGeometry(pass, piece);
    const Geometry any(shape_, cut_.length(piece), WeightsDesc(shape_, true));
    const auto desc =
        DescribeBackward<WeightsPrimitive>(DescribeForward(any, true), kDirect, g.x, g.weights,
                                           g.bias, g.y, g.stride, g.dilation, g.before, g.after);
    pass.weights = desc.diff_weights_desc();
    pass.NeedScratchpad(desc.scratchpad_desc());
    pass.calls.push_back(
        PrimitiveCall(WeightsPrimitive(desc), {{DNNL_ARG_SRC, g.x},
                                               {DNNL_ARG_DIFF_DST, g.y},
                                               {DNNL_ARG_DIFF_WEIGHTS, pass.weights},
                                               {DNNL_ARG_DIFF_BIAS, g.bias},
                                               {DNNL_ARG_SCRATCHPAD, desc.scratchpad_desc()}}));
  }
  pass.reorder = MakeReorder(pass.weights, WeightsDesc(shape_, false));
  pass.weights_region = pass.layout.Add(pass.weights.get_size(), cut_.count());
  pass.bias_region =
      pass.layout.Add(static_cast<size_t>(shape_.filters) * sizeof(float), cut_.count());
  pass.scratchpad_region = pass.layout.Add(pass.scratchpad_bytes, cut_.count());
}

// The weights of the caller in the order that the pass has chosen.
float* Convolution::Impl::OrderWeights(Pass& pass, const float* weights, std::byte* scratch,
                                       OneDnnCall& call) {
  float* ordered = pass.weights_region.At(scratch);
  {
    const OneThread one_thread;
    call.Note(pass.reorder->Run({weights, ordered}));
  }
  return ordered;
}

void Convolution::Impl::RunForward(const float* x, const float* weights, const float* bias,
                                   float* y, std::byte* scratch) {
  Pass& pass = forward_;
  OneDnnCall call;
  const float* ordered = OrderWeights(pass, weights, scratch, call);
  ParallelFor(cut_.count(), worth_threads_, [&](int64_t i) {
    const OneThread one_thread;
    call.Note(pass.calls[static_cast<size_t>(i)].Run({x + cut_.begin(i) * x_size_, ordered, bias,
                                                      y + cut_.begin(i) * y_size_,
                                                      pass.scratchpad_region.At(scratch, i)}));
  });
  call.Check("convolution forward");
}

void Convolution::Impl::RunBackwardData(const float* dy, const float* weights, bool add, float* dx,
                                        std::byte* scratch) {
  Pass& pass = data_;
  OneDnnCall call;
  const float* ordered = OrderWeights(pass, weights, scratch, call);
  ParallelFor(cut_.count(), worth_threads_, [&](int64_t i) {
    const OneThread one_thread;
    float* target = dx + cut_.begin(i) * x_size_;
    float* piece = add ? pass.dx_region.At(scratch, i) : target;
    call.Note(pass.calls[static_cast<size_t>(i)].Run(
        {dy + cut_.begin(i) * y_size_, ordered, piece, pass.scratchpad_region.At(scratch, i)}));
    if (add)  // while the piece is still in cache
      for (int64_t k = 0; k < cut_.length(i) * x_size_; ++k) target[k] += piece[k];
  });
  call.Check("convolution backward data");
}

void Convolution::Impl::RunBackwardWeights(const float* x, const float* dy, float* dweights,
                                           float* dbias, std::byte* scratch) {
  Pass& pass = weights_;
  OneDnnCall call;
  ParallelFor(cut_.count(), worth_threads_, [&](int64_t i) {
    const OneThread one_thread;
    call.Note(pass.calls[static_cast<size_t>(i)].Run(
        {x + cut_.begin(i) * x_size_, dy + cut_.begin(i) * y_size_,
         pass.weights_region.At(scratch, i), dbias ? pass.bias_region.At(scratch, i) : nullptr,
         pass.scratchpad_region.At(scratch, i)}));
  });
  MergePieces(pass.weights_region, static_cast<int64_t>(pass.weights.get_size() / sizeof(float)),
              scratch);
  {
    const OneThread one_thread;
    call.Note(pass.reorder->Run({pass.weights_region.At(scratch), dweights}));
  }
  if (dbias) {
    MergePieces(pass.bias_region, shape_.filters, scratch);
    std::copy_n(pass.bias_region.At(scratch), shape_.filters, dbias);
  }
  call.Check("convolution backward weights");
}

// Adds the parts of all pieces to the first, in their order.
void Convolution::Impl::MergePieces(const Region& region, int64_t size, std::byte* scratch) {
  ParallelFor((size + kSumElements - 1) / kSumElements, size * cut_.count() >= 8 * kSumElements,
              [&](int64_t block) {
                float* sum = region.At(scratch);
                const int64_t end = std::min(size, (block + 1) * kSumElements);
                for (int64_t piece = 1; piece < cut_.count(); ++piece) {
                  const float* part = region.At(scratch, piece);
                  for (int64_t i = block * kSumElements; i < end; ++i) sum[i] += part[i];
                }
              });
}

Convolution::Convolution(const ConvolutionShape& shape, bool training) try
    : impl_(std::make_unique<Impl>(shape, training)) {
} catch (const dnnl::error& error) {
  Fail("oneDNN: no convolution for [{},{},{}] with {} filters {}: {}", shape.batch,
       fmt::join(shape.size, ","), shape.channels, shape.filters, fmt::join(shape.filter_size, "x"),
       error.what());
}

Convolution::~Convolution() = default;

size_t Convolution::forward_scratch_bytes() const { return impl_->forward_scratch_bytes(); }
size_t Convolution::backward_scratch_bytes() const { return impl_->backward_scratch_bytes(); }

void Convolution::Forward(const float* x, const float* weights, const float* bias, float* y,
                          std::byte* scratch) {
  impl_->RunForward(x, weights, bias, y, scratch);
}

void Convolution::BackwardData(const float* dy, const float* weights, bool add, float* dx,
                               std::byte* scratch) {
  impl_->RunBackwardData(dy, weights, add, dx, scratch);
}

void Convolution::BackwardWeights(const float* x, const float* dy, float* dweights, float* dbias,
                                  std::byte* scratch) {
  impl_->RunBackwardWeights(x, dy, dweights, dbias, scratch);
}

}  // namespace normkit
