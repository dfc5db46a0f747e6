// Operations that give the elements of x in another order, some of them, or some often: of any
// type.
#include <limits>

#include "src/core/fail.h"
#include "src/core/strided_loops.h"
#include "src/ops/boxes.h"
#include "src/ops/index_map.h"
#include "src/ops/known.h"
#include "src/ops/ops.h"

namespace normkit::ops {
namespace {

// Where the elements of y lie in x: y[i, j, ..] = x[offset + i strides[0] + j strides[1] + ..].
struct View {
  std::vector<Axis> axes;  // of y
  Strides strides;
  int64_t offset = 0;
  std::vector<int64_t> shape() const { return Layout(axes).shape(); }
};

template <class T>
void CopyRun(const void* x, void* y, const std::array<int64_t, 2>& at, int64_t n, int64_t stride) {
  const T* from = static_cast<const T*>(x) + at[0];
  T* to = static_cast<T*>(y) + at[1];
  if (stride == 1)
    std::copy_n(from, n, to);
  else
    for (int64_t i = 0; i < n; ++i) to[i] = from[i * stride];
}

class ViewKernel : public Kernel {
 public:
  ViewKernel(const View& view, const ArrayType& x)
      : offset_(view.offset),
        x_size_(x.shape.size()),
        bytes_(SizeOf(x.dtype)),
        nest_(view.shape(), {view.strides, DenseStrides(view.shape())}) {
    const std::vector<int64_t> shape = view.shape();
    for (size_t i = 0; i < shape.size(); ++i) repeats_ |= view.strides[i] == 0 && shape[i] > 1;
  }
  bool needs_input(size_t) const override { return false; }

  void Forward(const ForwardContext& context) override {
    const auto* x = context.x<char>() + offset_ * static_cast<int64_t>(bytes_);
    nest_.ForRuns([&](const std::array<int64_t, 2>& at, int64_t n) {
      if (bytes_ == 4) return CopyRun<uint32_t>(x, context.y(), at, n, nest_.stride(0));
      if (bytes_ == 8) return CopyRun<uint64_t>(x, context.y(), at, n, nest_.stride(0));
      if (bytes_ == 2) return CopyRun<uint16_t>(x, context.y(), at, n, nest_.stride(0));
      CopyRun<uint8_t>(x, context.y(), at, n, nest_.stride(0));
    });
  }

  void Backward(const BackwardContext& context) override {
    float* dx = context.dx();
    if (!dx) return;
    if (!context.add[0]) std::fill_n(dx, x_size_, 0.f);
    nest_.ForRuns(
        [&](const std::array<int64_t, 2>& at, int64_t n) {
          const float* dy = context.dy() + at[1];
          float* to = dx + offset_ + at[0];
          for (int64_t i = 0; i < n; ++i) to[i * nest_.stride(0)] += dy[i];
        },
        !repeats_);
  }

 private:
  int64_t offset_, x_size_;
  size_t bytes_;
  StridedLoops<2> nest_;
  bool repeats_ = false;  // elements of x stand in several places
};

class ViewOp : public Op {
 public:
  std::vector<ArrayType> Infer(std::span<const OpInput> inputs) const override {
    return {{inputs[0].type.dtype, Layout(Of(inputs).axes)}};
  }
  std::unique_ptr<Kernel> Prepare(std::span<const OpInput> inputs,
                                  const Preparation&) const override {
    return std::make_unique<ViewKernel>(Of(inputs), inputs[0].type);
  }

 private:
  virtual View Of(std::span<const OpInput> inputs) const = 0;
};

class TransposeOp : public ViewOp {
 public:
  explicit TransposeOp(std::vector<int> order) : order_(std::move(order)) {}
  std::string_view name() const override { return "transpose"; }
  std::optional<OpPiece> Piece(std::span<const OpInput>, const Box& y) const override {
    Box x = y;
    for (size_t i = 0; i < order_.size(); ++i) {
      x.begin[static_cast<size_t>(order_[i])] = y.begin[i];
      x.size[static_cast<size_t>(order_[i])] = y.size[i];
    }
    return OpPiece{nullptr, y, {{0, std::move(x)}}};
  }

 private:
  View Of(std::span<const OpInput> inputs) const override {
    const Layout& x = inputs[0].type.shape;
    if (static_cast<size_t>(x.rank()) != order_.size())
      Fail("x is {}, expected {} axes", x.ToString(), order_.size());
    const Strides strides = DenseStrides(x.shape());
    View view;
    for (const int axis : order_) {
      view.axes.push_back(x.axes()[static_cast<size_t>(axis)]);
      view.strides.push_back(strides[static_cast<size_t>(axis)]);
    }
    return view;
  }

  std::vector<int> order_;
};

// begin, end and perhaps axes and steps: i64 vectors that are known; as NumPy's slices.
class SliceAxesOp : public ViewOp {
 public:
  std::string_view name() const override { return "slice of axes"; }
  std::optional<OpPiece> Piece(std::span<const OpInput> inputs, const Box& y) const override {
    const View view = Of(inputs), whole = Whole(inputs[0].type.shape);
    int64_t offset = view.offset;
    IndexMaps maps;
    for (size_t i = 0; i < y.begin.size(); ++i) {
      const int64_t first = whole.strides[i] > 0 ? offset / whole.strides[i] : 0,
                    step = view.strides[i] / std::max<int64_t>(1, whole.strides[i]);
      offset -= first * whole.strides[i];
      maps.emplace_back();
      for (int64_t k = y.begin[i]; k < y.end(i); ++k) maps.back().push_back(first + k * step);
    }
    return IndexMapPiece(std::move(maps), inputs.first(1), y);
  }

 private:
  static View Whole(const Layout& x) { return {x.axes(), DenseStrides(x.shape()), 0}; }

  View Of(std::span<const OpInput> inputs) const override {
    View view = Whole(inputs[0].type.shape);
    const auto begins = KnownOfAxes(inputs[1], "begin"), ends = KnownOfAxes(inputs[2], "end");
    const auto axes = Optional(inputs, 3, "axes"), steps = Optional(inputs, 4, "steps");
    if (ends.size() != begins.size() || (!axes.empty() && axes.size() != begins.size()) ||
        (!steps.empty() && steps.size() != begins.size()))
      Fail("{} begins, {} ends, {} axes and {} steps given, expected as many of each",
           begins.size(), ends.size(), axes.size(), steps.size());
    for (size_t i = 0; i < begins.size(); ++i) {
      const int axis = AxisOf(axes.empty() ? static_cast<int64_t>(i) : axes[i],
                              static_cast<int>(view.axes.size()));
      Cut(begins[i], ends[i], steps.empty() ? 1 : steps[i], static_cast<size_t>(axis), view);
    }
    return view;
  }

  static std::span<const int64_t> Optional(std::span<const OpInput> inputs, size_t i,
                                           std::string_view what) {
    return i < inputs.size() ? KnownOfAxes(inputs[i], what) : std::span<const int64_t>();
  }

  static void Cut(int64_t begin, int64_t end, int64_t step, size_t axis, View& view) {
    const int64_t size = view.axes[axis].size;
    if (step == 0 || step == std::numeric_limits<int64_t>::min())
      Fail("step of axis {} is {}, expected another", axis, step);
    const int64_t low = step > 0 ? 0 : -1, high = step > 0 ? size : size - 1;
    const auto placed = [&](int64_t at) { return std::clamp(at < 0 ? at + size : at, low, high); };
    begin = placed(begin);
    end = placed(end);
    const int64_t way = step > 0 ? end - begin : begin - end, stride = std::abs(step);
    view.axes[axis].size = way > 0 ? (way - 1) / stride + 1 : 0;
    if (view.axes[axis].size > 0) view.offset += begin * view.strides[axis];
    view.strides[axis] *= view.axes[axis].size > 1 ? step : 1;
  }
};

class ExpandOp : public ViewOp {
 public:
  std::string_view name() const override { return "expand"; }

 private:
  View Of(std::span<const OpInput> inputs) const override {
    const Layout& x = inputs[0].type.shape;
    const auto wanted = KnownOfAxes(inputs[1], "the shape");
    const Layout y = Broadcast(x, Layout::Unlabelled(wanted));
    return {y.axes(), BroadcastStrides(x.shape(), y.shape()), 0};
  }
};

}  // namespace

OpPtr Transpose(std::vector<int> order) { return std::make_shared<TransposeOp>(std::move(order)); }
OpPtr SliceAxes() { return std::make_shared<SliceAxesOp>(); }
OpPtr Expand() { return std::make_shared<ExpandOp>(); }

}  // namespace normkit::ops
