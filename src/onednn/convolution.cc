#include "src/onednn/convolution.h"

#include <algorithm>
#include <optional>

#include "src/core/fail.h"
#include "src/core/late_sums.h"
#include "src/onednn/primitive.h"

namespace normkit {
namespace {

using dnnl::memory;

constexpr int64_t kParallelProducts = 1 << 18;  // multiplications worth waking a thread for

struct SecondTag;
struct OrderedTag;

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

// One direction: a call for each leaf, and the copy of the weights into or out of oneDNN's order,
// which the longest leaf of the mini-batch chooses for all, wherever it is computed.
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

void CheckSpace(const Space& sizes) {
  constexpr int64_t kMost = int64_t{1} << 26;
  for (const int64_t size : sizes)
    if (size > kMost)
      Fail("a dimension of space has {} elements, expected at most {}", size, kMost);
}

class Convolution::Impl {
 public:
  Impl(const ConvolutionShape& shape, bool training, const BatchPart& part)
      : shape_(shape),
        cut_(shape.batch, part),
        worth_threads_(Products(shape) >= kParallelProducts),
        x_size_(shape.x_size()),
        y_size_(shape.y_size()) {
    for (int64_t i = 0; i < cut_.count(); ++i)
      if (i == 0 || cut_.leaf(i) / 2 != cut_.leaf(i - 1) / 2) pairs_.push_back(i);
    pairs_.push_back(cut_.count());
    CheckSpace(shape.size);
    CheckSpace(shape.output_size());
    CheckSpace(shape.filter_size);
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
  void RunBackwardWeights(const float* x, const float* dy, Reducer* reducer, float* dweights,
                          float* dbias, std::byte* scratch);

 private:
  void PrepareForward(bool training);
  void PrepareBackwardData();
  void PrepareBackwardWeights();
  void PlaceOrderedWeights(Pass& pass);
  float* OrderWeights(Pass& pass, const float* weights, std::byte* scratch, OneDnnCall& call);
  void RunPair(int64_t pair, const float* x, const float* dy, std::byte* scratch, OneDnnCall& call);
  void StoreWeights(const LeafArrays<float>& sums, Reducer* reducer, float* dweights,
                    OneDnnCall& call);

  Geometry GeometryOf(int64_t batch, const memory::desc& weights) const {
    return Geometry(shape_, batch, weights);
  }
  Geometry GeometryOfAny(int64_t batch) const {
    return GeometryOf(batch, WeightsDesc(shape_, true));
  }
  // Neighbouring leaves that are merged first, of this part: those of pair i are leaves
  // [pair_begin(i), pair_begin(i + 1)) of the cut.
  int64_t num_pairs() const { return static_cast<int64_t>(pairs_.size()) - 1; }
  int64_t pair_begin(int64_t pair) const { return pairs_[static_cast<size_t>(pair)]; }

  ConvolutionShape shape_;
  LeafCut cut_;
  std::vector<int64_t> pairs_;
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
  pass.weights = DescribeForward(GeometryOfAny(cut_.longest()), training).weights_desc();
  for (int64_t leaf = 0; leaf < cut_.count(); ++leaf) {
    const Geometry g = GeometryOf(cut_.length(leaf), pass.weights);
    const auto desc = DescribeForward(g, training);
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
  const auto describe = [&](const Geometry& any, const Geometry& g) {
    return DescribeBackward<DataPrimitive>(DescribeForward(any, true), kDirect, g.x, g.weights, g.y,
                                           g.stride, g.dilation, g.before, g.after);
  };
  const Geometry longest = GeometryOfAny(cut_.longest());
  pass.weights = describe(longest, longest).weights_desc();
  for (int64_t leaf = 0; leaf < cut_.count(); ++leaf) {
    const Geometry g = GeometryOf(cut_.length(leaf), pass.weights);
    const auto desc = describe(GeometryOfAny(cut_.length(leaf)), g);
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
  const auto describe = [&](const Geometry& any, const Geometry& g) {
    return DescribeBackward<WeightsPrimitive>(DescribeForward(any, true), kDirect, g.x, g.weights,
                                              g.bias, g.y, g.stride, g.dilation, g.before, g.after);
  };
  const Geometry longest = GeometryOfAny(cut_.longest());
  pass.weights = describe(longest, longest).diff_weights_desc();
  for (int64_t leaf = 0; leaf < cut_.count(); ++leaf) {
    const Geometry g = GeometryOf(cut_.length(leaf), pass.weights);
    const auto desc = describe(GeometryOfAny(cut_.length(leaf)), g);
    pass.NeedScratchpad(desc.scratchpad_desc());
    pass.calls.push_back(
        PrimitiveCall(WeightsPrimitive(desc), {{DNNL_ARG_SRC, g.x},
                                               {DNNL_ARG_DIFF_DST, g.y},
                                               {DNNL_ARG_DIFF_WEIGHTS, pass.weights},
                                               {DNNL_ARG_DIFF_BIAS, g.bias},
                                               {DNNL_ARG_SCRATCHPAD, desc.scratchpad_desc()}}));
  }
  pass.reorder = MakeReorder(pass.weights, WeightsDesc(shape_, false));
  pass.weights_region = pass.layout.Add(pass.weights.get_size(), num_pairs());
  pass.bias_region =
      pass.layout.Add(static_cast<size_t>(shape_.filters) * sizeof(float), num_pairs());
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
      AddUp()(target, piece, cut_.length(i) * x_size_);
  });
  call.Check("convolution backward data");
}

// Gradients of a pair of leaves, the sum of both: the second is added while it is in the cache.
// oneDNN gives that of the bias whether or not it is wanted.
void Convolution::Impl::RunPair(int64_t pair, const float* x, const float* dy, std::byte* scratch,
                                OneDnnCall& call) {
  const OneThread one_thread;
  Pass& pass = weights_;
  const auto weights = static_cast<int64_t>(pass.weights.get_size() / sizeof(float));
  float* sums[] = {pass.weights_region.At(scratch, pair), pass.bias_region.At(scratch, pair)};
  const int64_t sizes[] = {weights, shape_.bias ? shape_.filters : 0};
  for (int64_t i = pair_begin(pair); i < pair_begin(pair + 1); ++i) {
    const bool second = i > pair_begin(pair);
    float* more =
        second ? Scratch<SecondTag, float>(static_cast<size_t>(weights + sizes[1] + 32)) : nullptr;
    // oneDNN writes whole vectors of a bias, too.
    float* to[] = {second ? more : sums[0], second ? more + (weights + 15) / 16 * 16 : sums[1]};
    call.Note(pass.calls[static_cast<size_t>(i)].Run(
        {x + cut_.begin(i) * x_size_, dy + cut_.begin(i) * y_size_, to[0],
         shape_.bias ? to[1] : nullptr, pass.scratchpad_region.At(scratch, i)}));
    for (int k = 0; second && k < 2; ++k) AddUp()(sums[k], to[k], sizes[k]);
  }
}

void Convolution::Impl::RunBackwardWeights(const float* x, const float* dy, Reducer* reducer,
                                           float* dweights, float* dbias, std::byte* scratch) {
  Pass& pass = weights_;
  OneDnnCall call;
  ParallelFor(num_pairs(), worth_threads_,
              [&](int64_t pair) { RunPair(pair, x, dy, scratch, call); });
  LeafArrays<float> weights{}, biases{};
  const BatchPart& part = cut_.part();
  for (int64_t pair = 0; pair < num_pairs(); ++pair) {
    const int leaf = cut_.leaf(pair_begin(pair)), first = leaf / 2 * 2;
    const bool merged = first >= part.first_leaf && first + 2 <= part.last_leaf;
    const auto node = static_cast<size_t>(merged ? first : leaf);
    weights[node] = pass.weights_region.At(scratch, pair);
    biases[node] = pass.bias_region.At(scratch, pair);
  }
  if (dweights) {
    SumPart(weights, part, static_cast<int64_t>(pass.weights.get_size() / sizeof(float)));
    StoreWeights(weights, reducer, dweights, call);
  }
  if (dbias) SumLeavesTo(biases, part, reducer, shape_.filters, dbias);
  call.Check("convolution backward weights");
}

// From the sums of this part, in oneDNN's order; they meet those of other ranks in the caller's.
void Convolution::Impl::StoreWeights(const LeafArrays<float>& sums, Reducer* reducer,
                                     float* dweights, OneDnnCall& call) {
  const OneThread one_thread;
  if (!reducer || reducer->ranks() == 1) {
    call.Note(weights_.reorder->Run({sums[0], dweights}));
    return;
  }
  const int64_t size = shape_.weights_size();
  float* ordered = Scratch<OrderedTag, float>(static_cast<size_t>(size * BatchPart::kLeaves));
  LeafArrays<float> nodes{};
  for (size_t leaf = 0; leaf < sums.size(); ++leaf) {
    if (!sums[leaf]) continue;
    nodes[leaf] = ordered + static_cast<int64_t>(leaf) * size;
    call.Note(weights_.reorder->Run({sums[leaf], nodes[leaf]}));
  }
  SumNodesTo(nodes, cut_.part(), reducer, size, dweights);
}

Convolution::Convolution(const ConvolutionShape& shape, bool training, const BatchPart& part) try
    : impl_(std::make_unique<Impl>(shape, training, part)) {
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

void Convolution::BackwardWeights(const float* x, const float* dy, Reducer* reducer,
                                  float* dweights, float* dbias, std::byte* scratch) {
  impl_->RunBackwardWeights(x, dy, reducer, dweights, dbias, scratch);
}

}  // namespace normkit
