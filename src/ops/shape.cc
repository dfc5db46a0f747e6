// Arithmetic on shapes, i64 vectors that are known before anything runs, and what they are for.
#include <algorithm>
#include <functional>
#include <numeric>

#include "src/core/fail.h"
#include "src/ops/ops.h"
#include "src/ops/pieces.h"

namespace normkit::ops {
namespace {

std::span<const int64_t> KnownVector(const OpInput& input, std::string_view what) {
  if (input.type.dtype != DType::kI64 || input.type.shape.rank() > 1)
    Fail("{} is {}, expected an i64 vector", what, input.type.ToString());
  if (!input.known) Fail("{} is not known before anything runs, expected a constant", what);
  return {static_cast<const int64_t*>(input.known), static_cast<size_t>(input.type.shape.size())};
}

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

class ReshapeKernel : public Kernel {
 public:
  explicit ReshapeKernel(int64_t size) : size_(size) {}
  bool needs_input(size_t) const override { return false; }
  bool forward_in_place() const override { return true; }
  bool backward_in_place(size_t i) const override { return i == 0; }
  void Forward(const ForwardContext& context) override {
    if (context.x() == context.y()) return;
    ForPieces(size_, [&](int64_t begin, int64_t end) {
      std::copy(context.x() + begin, context.x() + end, context.y() + begin);
    });
  }
  void Backward(const BackwardContext& context) override {
    if (!context.dx() || context.dx() == context.dy()) return;
    ForPieces(size_, [&](int64_t begin, int64_t end) {
      Store(context.dx(), begin, end, context.add[0],
            [dy = context.dy()](int64_t i) { return dy[i]; });
    });
  }

 private:
  int64_t size_;
};

class ReshapeOp : public Op {
 public:
  explicit ReshapeOp(std::string format) : format_(std::move(format)) {}
  std::string_view name() const override { return "reshape"; }
  std::vector<ArrayType> Infer(std::span<const OpInput> inputs) const override {
    const Layout& x = inputs[0].type.shape;
    const auto wanted = KnownVector(inputs[1], "the shape");
    std::vector<int64_t> shape(wanted.begin(), wanted.end());
    const auto open = std::ranges::find(shape, -1);
    if (open != shape.end()) {
      *open = 1;
      const int64_t others =
          std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
      *open = others > 0 ? x.size() / others : -1;
    }
    const Layout y = format_.empty() ? Layout::Unlabelled(shape) : Layout::Make(format_, shape);
    if (y.size() != x.size())
      Fail("shape [{}] does not hold the {} elements of x ({})", fmt::join(wanted, ","), x.size(),
           x.ToString());
    return {{inputs[0].type.dtype, y}};
  }
  std::unique_ptr<Kernel> Prepare(std::span<const OpInput> inputs,
                                  const Preparation&) const override {
    return std::make_unique<ReshapeKernel>(inputs[0].type.shape.size());
  }

 private:
  std::string format_;
};

}  // namespace

OpPtr ShapeOf() { return std::make_shared<ShapeOfOp>(); }
OpPtr MakeArithmetic(Arithmetic kind) { return std::make_shared<ArithmeticOp>(kind); }
OpPtr Slice(int64_t begin, int64_t count) { return std::make_shared<SliceOp>(begin, count); }
OpPtr Join() { return std::make_shared<JoinOp>(); }
OpPtr Reshape(const std::string& format) { return std::make_shared<ReshapeOp>(format); }

}  // namespace normkit::ops
