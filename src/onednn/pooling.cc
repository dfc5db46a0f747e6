#include "src/onednn/pooling.h"

#include <algorithm>

#include "src/core/batch_tree.h"
#include "src/onednn/primitive.h"

namespace normkit {
namespace {

using dnnl::memory;

#if DNNL_VERSION_MAJOR >= 3
using ForwardPrimitive = dnnl::pooling_forward;
using BackwardPrimitive = dnnl::pooling_backward;
#else
using ForwardPrimitive = dnnl::pooling_v2_forward;
using BackwardPrimitive = dnnl::pooling_v2_backward;
#endif

constexpr int64_t kParallelElements = 1 << 15;  // of x; fewer are not worth waking a thread for

// By the number of dimensions of space.
constexpr memory::format_tag kChannelsLast[] = {memory::format_tag::undef, memory::format_tag::nwc,
                                                memory::format_tag::nhwc,
                                                memory::format_tag::ndhwc};

memory::desc ImageDesc(int64_t batch, int64_t channels, const Space& size) {
  memory::dims dims{batch, channels};
  dims.insert(dims.end(), size.begin(), size.end());
  return {dims, memory::data_type::f32, kChannelsLast[size.size()]};
}

}  // namespace

class Pooling::Impl {
 public:
  Impl(PoolingKind kind, const PoolingShape& shape, bool training, const BatchPart& part);

  void RunForward(const float* x, float* y, std::byte* saved, std::byte* scratch);
  void RunBackward(const float* dy, const std::byte* saved, bool add, float* dx,
                   std::byte* scratch);
  size_t saved_bytes() const { return saved_.bytes(); }
  size_t forward_scratch_bytes() const { return forward_scratch_.bytes(); }
  size_t backward_scratch_bytes() const { return backward_scratch_.bytes(); }

 private:
  bool worth_threads() const { return shape_.batch * x_size_ >= kParallelElements; }

  PoolingShape shape_;
  LeafCut cut_;
  int64_t x_size_, y_size_;                                     // of one observation
  std::vector<PrimitiveCall> inference_, training_, backward_;  // of each piece
  ScratchLayout saved_, forward_scratch_, backward_scratch_;
  Region workspace_, forward_pad_, backward_pad_, dx_;
};

Pooling::Impl::Impl(PoolingKind kind, const PoolingShape& s, bool training, const BatchPart& part)
    : shape_(s),
      cut_(s.batch, part),
      x_size_(Product(s.size) * s.channels),
      y_size_(Product(s.output_size()) * s.channels) {
  CheckSpace(s.size);
  CheckSpace(s.pool_size);
  const OneThread one_thread;
  const auto algorithm = kind == PoolingKind::kMax ? dnnl::algorithm::pooling_max
                         : kind == PoolingKind::kAverage
                             ? dnnl::algorithm::pooling_avg_include_padding
                             : dnnl::algorithm::pooling_avg_exclude_padding;
  const memory::dims stride = s.stride, size = s.pool_size, before = s.before, after = s.after;
  memory::dims dilation = s.dilations();
  for (auto& d : dilation) --d;  // oneDNN counts what is between
  size_t workspace_bytes = 0, forward_bytes = 0, backward_bytes = 0;
  for (int64_t piece = 0; piece < cut_.count(); ++piece) {
    const int64_t batch = cut_.length(piece);
    const memory::desc x = ImageDesc(batch, s.channels, s.size);
    const memory::desc y = ImageDesc(batch, s.channels, s.output_size());
    const auto describe = [&](dnnl::prop_kind pass) {
      return Describe<ForwardPrimitive>(pass, algorithm, x, y, stride, size, dilation, before,
                                        after);
    };
    const auto call = [&](const ForwardPrimitive::primitive_desc& desc) {
      forward_bytes = std::max(forward_bytes, desc.scratchpad_desc().get_size());
      return PrimitiveCall(ForwardPrimitive(desc), {{DNNL_ARG_SRC, x},
                                                    {DNNL_ARG_DST, y},
                                                    {DNNL_ARG_WORKSPACE, desc.workspace_desc()},
                                                    {DNNL_ARG_SCRATCHPAD, desc.scratchpad_desc()}});
    };
    inference_.push_back(call(describe(dnnl::prop_kind::forward_inference)));
    if (!training) continue;
    const auto forward = describe(dnnl::prop_kind::forward_training);
    training_.push_back(call(forward));
    const auto backward = DescribeBackward<BackwardPrimitive>(forward, algorithm, x, y, stride,
                                                              size, dilation, before, after);
    workspace_bytes = std::max(workspace_bytes, forward.workspace_desc().get_size());
    backward_bytes = std::max(backward_bytes, backward.scratchpad_desc().get_size());
    backward_.push_back(PrimitiveCall(BackwardPrimitive(backward),
                                      {{DNNL_ARG_DIFF_DST, y},
                                       {DNNL_ARG_DIFF_SRC, x},
                                       {DNNL_ARG_WORKSPACE, backward.workspace_desc()},
                                       {DNNL_ARG_SCRATCHPAD, backward.scratchpad_desc()}}));
  }
  workspace_ = saved_.Add(workspace_bytes, cut_.count());
  forward_pad_ = forward_scratch_.Add(forward_bytes, cut_.count());
  if (!training) return;
  backward_pad_ = backward_scratch_.Add(backward_bytes, cut_.count());
  dx_ = backward_scratch_.Add(static_cast<size_t>(cut_.longest() * x_size_) * sizeof(float),
                              cut_.count());
}

void Pooling::Impl::RunForward(const float* x, float* y, std::byte* saved, std::byte* scratch) {
  OneDnnCall call;
  auto& calls = saved ? training_ : inference_;
  ParallelFor(cut_.count(), worth_threads(), [&](int64_t i) {
    const OneThread one_thread;
    call.Note(calls[static_cast<size_t>(i)].Run(
        {x + cut_.begin(i) * x_size_, y + cut_.begin(i) * y_size_,
         saved ? workspace_.At(saved, i) : nullptr, forward_pad_.At(scratch, i)}));
  });
  call.Check("pooling forward");
}

void Pooling::Impl::RunBackward(const float* dy, const std::byte* saved, bool add, float* dx,
                                std::byte* scratch) {
  OneDnnCall call;
  ParallelFor(cut_.count(), worth_threads(), [&](int64_t i) {
    const OneThread one_thread;
    float* target = dx + cut_.begin(i) * x_size_;
    float* piece = add ? dx_.At(scratch, i) : target;
    call.Note(backward_[static_cast<size_t>(i)].Run(
        {dy + cut_.begin(i) * y_size_, piece, workspace_.At(const_cast<std::byte*>(saved), i),
         backward_pad_.At(scratch, i)}));
    if (add)
      for (int64_t k = 0; k < cut_.length(i) * x_size_; ++k) target[k] += piece[k];
  });
  call.Check("pooling backward");
}

Pooling::Pooling(PoolingKind kind, const PoolingShape& shape, bool training,
                 const BatchPart& part) try
    : impl_(std::make_unique<Impl>(kind, shape, training, part)) {
} catch (const dnnl::error& error) {
  Fail("oneDNN: no pooling for [{},{},{}] with windows of {}: {}", shape.batch,
       fmt::join(shape.size, ","), shape.channels, fmt::join(shape.pool_size, "x"), error.what());
}

Pooling::~Pooling() = default;

size_t Pooling::saved_bytes() const { return impl_->saved_bytes(); }
size_t Pooling::forward_scratch_bytes() const { return impl_->forward_scratch_bytes(); }
size_t Pooling::backward_scratch_bytes() const { return impl_->backward_scratch_bytes(); }

void Pooling::Forward(const float* x, float* y, std::byte* saved, std::byte* scratch) {
  impl_->RunForward(x, y, saved, scratch);
}

void Pooling::Backward(const float* dy, const std::byte* saved, bool add, float* dx,
                       std::byte* scratch) {
  impl_->RunBackward(dy, saved, add, dx, scratch);
}

}  // namespace normkit
