// Arithmetic on shapes, i64 vectors that are known before anything runs, and what they are for.
#include <algorithm>

#include "src/core/fail.h"
#include "src/ops/boxes.h"
#include "src/ops/known.h"
#include "src/ops/ops.h"
#include "src/ops/pieces.h"

namespace normkit::ops {
namespace {

ArrayType Vector(size_t size) {
  return {DType::kI64, Layout::Unlabelled(std::vector{static_cast<int64_t>(size)})};
}

// An operation whose output is known where its inputs are, or whatever they are.
class VectorOp : public Op {
 public:
  std::vector<ArrayType> Infer(std::span<const OpInput> inputs) const override {
    return {Vector(Elements(inputs).size())};
  }
  std::vector<Tensor> Known(std::span<const OpInput> inputs) const override {
    const std::vector<int64_t> elements = Elements(inputs);
    std::vector<Tensor> known;
    known.emplace_back(Vector(elements.size()).shape, DType::kI64);
    std::ranges::copy(elements, known[0].values<int64_t>().begin());
    return known;
  }
  std::unique_ptr<Kernel> Prepare(std::span<const OpInput>, const Preparation&) const override {
    Fail("{}: is known before anything runs", name());
  }

 private:
  virtual std::vector<int64_t> Elements(std::span<const OpInput> inputs) const = 0;
};

class ShapeOfOp : public VectorOp {
 public:
  std::string_view name() const override { return "shape"; }

 private:
  std::vector<int64_t> Elements(std::span<const OpInput> inputs) const override {
    return inputs[0].type.shape.shape();
  }
};

class SizeOfOp : public Op {
 public:
  std::string_view name() const override { return "size"; }
  std::vector<ArrayType> Infer(std::span<const OpInput>) const override {
    return {{DType::kI64, Layout()}};
  }
  std::vector<Tensor> Known(std::span<const OpInput> inputs) const override {
    std::vector<Tensor> known;
    known.emplace_back(Layout(), DType::kI64);
    known[0].values<int64_t>()[0] = inputs[0].type.shape.size();
    return known;
  }
  std::unique_ptr<Kernel> Prepare(std::span<const OpInput>, const Preparation&) const override {
    Fail("{}: is known before anything runs", name());
  }
};

class ArithmeticOp : public VectorOp {
 public:
  explicit ArithmeticOp(Arithmetic kind) : kind_(kind) {}
  std::string_view name() const override { return "arithmetic"; }

 private:
  std::vector<int64_t> Elements(std::span<const OpInput> inputs) const override {
    const auto a = KnownVector(inputs[0], "operand 0"), b = KnownVector(inputs[1], "operand 1");
    if (a.size() != b.size() && a.size() != 1 && b.size() != 1)
      Fail("operands have {} and {} elements, expected as many or one", a.size(), b.size());
    std::vector<int64_t> result(std::max(a.size(), b.size()));
    for (size_t i = 0; i < result.size(); ++i)
      result[i] = Apply(a[a.size() == 1 ? 0 : i], b[b.size() == 1 ? 0 : i]);
    return result;
  }
  int64_t Apply(int64_t a, int64_t b) const {
    int64_t result = 0;
    bool overflow = false;
    switch (kind_) {
      case Arithmetic::kAdd:
        overflow = __builtin_add_overflow(a, b, &result);
        break;
      case Arithmetic::kSubtract:
        overflow = __builtin_sub_overflow(a, b, &result);
        break;
      case Arithmetic::kMultiply:
        overflow = __builtin_mul_overflow(a, b, &result);
        break;
      case Arithmetic::kDivide:
        if (b == 0) Fail("{} is divided by 0", a);
        if (b != -1) return a / b;
        overflow = __builtin_sub_overflow(int64_t{0}, a, &result);
        break;
    }
    if (overflow) Fail("{} and {} give more than 64 bits hold", a, b);
    return result;
  }

  Arithmetic kind_;
};

class SliceOp : public VectorOp {
 public:
  SliceOp(int64_t begin, int64_t count) : begin_(begin), count_(count) {}
  std::string_view name() const override { return "slice"; }

 private:
  std::vector<int64_t> Elements(std::span<const OpInput> inputs) const override {
    const auto from = KnownVector(inputs[0], "the vector");
    const auto size = static_cast<int64_t>(from.size());
    const int64_t begin = begin_ < 0 ? size + begin_ : begin_;
    if (begin < 0 || count_ < 0 || begin > size || count_ > size - begin)
      Fail("elements {} to {} of {} asked for", begin_, begin_ + count_ - 1, size);
    return {from.begin() + begin, from.begin() + begin + count_};
  }

  int64_t begin_, count_;
};

class RangeOp : public VectorOp {
 public:
  std::string_view name() const override { return "range"; }

 private:
  std::vector<int64_t> Elements(std::span<const OpInput> inputs) const override {
    constexpr int64_t kMost = 1 << 20;
    const auto number = [&](size_t i) {
      const auto one = KnownVector(inputs[i], "a number");
      if (one.size() != 1 || one[0] > kMost || one[0] < -kMost)
        Fail("number {} of a range is one of {}, expected {} to {}", i, one.size(), -kMost, kMost);
      return one[0];
    };
    const int64_t begin = number(0), end = number(1), step = number(2);
    if (step == 0) Fail("a range has step 0, expected another");
    std::vector<int64_t> elements;
    for (int64_t i = begin; step > 0 ? i < end : i > end; i += step) elements.push_back(i);
    return elements;
  }
};

class JoinOp : public VectorOp {
 public:
  std::string_view name() const override { return "join"; }

 private:
  std::vector<int64_t> Elements(std::span<const OpInput> inputs) const override {
    std::vector<int64_t> joined;
    for (const OpInput& input : inputs) {
      const auto part = KnownVector(input, "a part");
      joined.insert(joined.end(), part.begin(), part.end());
    }
    return joined;
  }
};

// The same elements, of any type.
class ReshapeKernel : public Kernel {
 public:
  explicit ReshapeKernel(const ArrayType& x)
      : size_(x.shape.size()), bytes_(static_cast<int64_t>(x.bytes())) {}
  bool needs_input(size_t) const override { return false; }
  bool forward_in_place() const override { return true; }
  bool backward_in_place(size_t i) const override { return i == 0; }
  void Forward(const ForwardContext& context) override {
    const auto* x = context.x<char>();
    auto* y = context.y<char>();
    if (x == y) return;
    ForPieces(bytes_,
              [&](int64_t begin, int64_t end) { std::copy(x + begin, x + end, y + begin); });
  }
  void Backward(const BackwardContext& context) override {
    if (!context.dx() || context.dx() == context.dy()) return;
    ForPieces(size_, [&](int64_t begin, int64_t end) {
      Store(context.dx(), begin, end, context.add[0],
            [dy = context.dy()](int64_t i) { return dy[i]; });
    });
  }

 private:
  int64_t size_, bytes_;
};

class ReshapeOp : public Op {
 public:
  ReshapeOp(std::string format, bool zero_keeps)
      : format_(std::move(format)), zero_keeps_(zero_keeps) {}
  std::string_view name() const override { return "reshape"; }
  std::vector<ArrayType> Infer(std::span<const OpInput> inputs) const override {
    const Layout& x = inputs[0].type.shape;
    const auto wanted = KnownOfAxes(inputs[1], "the shape");
    std::vector<int64_t> shape(wanted.begin(), wanted.end());
    for (size_t i = 0; zero_keeps_ && i < shape.size(); ++i)
      if (shape[i] == 0 && i < x.axes().size()) shape[i] = x.axes()[i].size;
    Open(shape, x.size());
    const Layout y = format_.empty() ? Layout::Unlabelled(shape) : Layout::Make(format_, shape);
    if (y.size() != x.size())
      Fail("shape [{}] does not hold the {} elements of x ({})", fmt::join(wanted, ","), x.size(),
           x.ToString());
    return {{inputs[0].type.dtype, y}};
  }
  std::unique_ptr<Kernel> Prepare(std::span<const OpInput> inputs,
                                  const Preparation&) const override {
    return std::make_unique<ReshapeKernel>(inputs[0].type);
  }

 private:
  // In place of the -1: whatever fits.
  static void Open(std::vector<int64_t>& shape, int64_t size) {
    const auto open = std::ranges::find(shape, -1);
    if (open == shape.end()) return;
    *open = 1;
    const int64_t others = Layout::Unlabelled(shape).size();
    *open = others > 0 ? size / others : -1;
  }

  std::string format_;
  bool zero_keeps_;
};

class CopyOp : public Op {
 public:
  std::string_view name() const override { return "copy"; }
  bool folds() const override { return false; }
  std::vector<ArrayType> Infer(std::span<const OpInput> inputs) const override {
    return {inputs[0].type};
  }
  std::unique_ptr<Kernel> Prepare(std::span<const OpInput> inputs,
                                  const Preparation&) const override {
    return std::make_unique<ReshapeKernel>(inputs[0].type);
  }
  std::optional<OpPiece> Piece(std::span<const OpInput> inputs, const Box& y) const override {
    return ElementPiece(inputs, y);
  }
};

// Axes of one element, in or out of the shape.
class OneElementAxesOp : public Op {
 public:
  OneElementAxesOp(std::vector<int64_t> axes, bool add) : axes_(std::move(axes)), add_(add) {}
  std::string_view name() const override { return add_ ? "axes of one element" : "without axes"; }
  std::vector<ArrayType> Infer(std::span<const OpInput> inputs) const override {
    const ArrayType& x = inputs[0].type;
    return {{x.dtype, Layout(add_ ? Added(x.shape) : Removed(x.shape))}};
  }
  std::unique_ptr<Kernel> Prepare(std::span<const OpInput> inputs,
                                  const Preparation&) const override {
    return std::make_unique<ReshapeKernel>(inputs[0].type);
  }

 private:
  // Which axes of `rank` are meant.
  std::vector<bool> Chosen(int rank) const {
    std::vector<bool> chosen(static_cast<size_t>(rank));
    for (const int64_t axis : axes_) {
      const auto i = static_cast<size_t>(AxisOf(axis, rank));
      if (chosen[i]) Fail("axis {} stands twice, expected once", axis);
      chosen[i] = true;
    }
    return chosen;
  }
  std::vector<Axis> Added(const Layout& x) const {
    const std::vector<bool> chosen = Chosen(x.rank() + static_cast<int>(axes_.size()));
    std::vector<Axis> axes;
    auto next = x.axes().begin();
    for (const bool one : chosen) axes.push_back(one ? Axis{kNoLabel, 1} : *next++);
    return axes;
  }
  std::vector<Axis> Removed(const Layout& x) const {
    const std::vector<bool> chosen = Chosen(x.rank());
    std::vector<Axis> axes;
    for (size_t i = 0; i < chosen.size(); ++i) {
      const bool removed = axes_.empty() ? x.axes()[i].size == 1 : chosen[i];
      if (!removed)
        axes.push_back(x.axes()[i]);
      else if (x.axes()[i].size != 1)
        Fail("axis {} of x ({}) has {} elements, expected 1", i, x.ToString(), x.axes()[i].size);
    }
    return axes;
  }

  std::vector<int64_t> axes_;
  bool add_;
};

// [before the axis, the axis and what is behind it].
class FlattenAtOp : public Op {
 public:
  explicit FlattenAtOp(int64_t axis) : axis_(axis) {}
  std::string_view name() const override { return "flatten"; }
  std::vector<ArrayType> Infer(std::span<const OpInput> inputs) const override {
    const Layout& x = inputs[0].type.shape;
    const int64_t axis = axis_ == x.rank() ? axis_ : AxisOf(axis_, x.rank());
    std::vector<Axis> axes{{kNoLabel, 1}, {kNoLabel, 1}};
    for (int64_t i = 0; i < x.rank(); ++i)
      axes[i < axis ? 0 : 1].size *= x.axes()[static_cast<size_t>(i)].size;
    if (axis == 1) axes[0].label = x.axes()[0].label;
    return {{inputs[0].type.dtype, Layout(std::move(axes))}};
  }
  std::unique_ptr<Kernel> Prepare(std::span<const OpInput> inputs,
                                  const Preparation&) const override {
    return std::make_unique<ReshapeKernel>(inputs[0].type);
  }

 private:
  int64_t axis_;
};

}  // namespace

OpPtr ShapeOf() { return std::make_shared<ShapeOfOp>(); }
OpPtr SizeOf() { return std::make_shared<SizeOfOp>(); }
OpPtr MakeArithmetic(Arithmetic kind) { return std::make_shared<ArithmeticOp>(kind); }
OpPtr Slice(int64_t begin, int64_t count) { return std::make_shared<SliceOp>(begin, count); }
OpPtr Range() { return std::make_shared<RangeOp>(); }
OpPtr Join() { return std::make_shared<JoinOp>(); }
OpPtr Reshape(const std::string& format, bool zero_keeps) {
  return std::make_shared<ReshapeOp>(format, zero_keeps);
}
OpPtr AddAxes(std::vector<int64_t> axes) {
  return std::make_shared<OneElementAxesOp>(std::move(axes), true);
}
OpPtr RemoveAxes(std::vector<int64_t> axes) {
  return std::make_shared<OneElementAxesOp>(std::move(axes), false);
}
OpPtr Copy() { return std::make_shared<CopyOp>(); }
OpPtr FlattenAt(int64_t axis) { return std::make_shared<FlattenAtOp>(axis); }

}  // namespace normkit::ops
