#include "src/ops/where.h"

#include "src/core/fail.h"
#include "src/core/strided_loops.h"
#include "src/ops/boxes.h"
#include "src/ops/known.h"

namespace normkit::ops {
namespace {

class WhereKernel : public Kernel {
 public:
  WhereKernel(std::span<const OpInput> inputs, const Layout& y)
      : dtype_(inputs[1].type.dtype),
        nest_(y.shape(), {BroadcastStrides(inputs[0].type.shape.shape(), y.shape()),
                          BroadcastStrides(inputs[1].type.shape.shape(), y.shape()),
                          BroadcastStrides(inputs[2].type.shape.shape(), y.shape()),
                          DenseStrides(y.shape())}) {}

  void Forward(const ForwardContext& context) override {
    if (dtype_ == DType::kF32) return Choose<float>(context);
    if (dtype_ == DType::kI64) return Choose<int64_t>(context);
    Choose<bool>(context);
  }
  void Backward(const BackwardContext& context) override {
    if (context.dx(1) || context.dx(2)) Fail("where: has no gradient yet");
  }

 private:
  template <class T>
  void Choose(const ForwardContext& context) const {
    const bool* condition = context.x<bool>(0);
    const T *a = context.x<T>(1), *b = context.x<T>(2);
    T* y = context.y<T>();
    nest_.ForRuns([&](const std::array<int64_t, 4>& at, int64_t n) {
      for (int64_t i = 0; i < n; ++i)
        y[at[3] + i] = condition[at[0] + i * nest_.stride(0)] ? a[at[1] + i * nest_.stride(1)]
                                                              : b[at[2] + i * nest_.stride(2)];
    });
  }

  DType dtype_;
  StridedLoops<4> nest_;
};

class WhereOp : public Op {
 public:
  std::string_view name() const override { return "where"; }
  std::vector<ArrayType> Infer(std::span<const OpInput> inputs) const override {
    const ArrayType &condition = inputs[0].type, &a = inputs[1].type, &b = inputs[2].type;
    if (condition.dtype != DType::kBool || a.dtype != b.dtype)
      Fail("inputs are {}, {} and {}, expected bool and two of one type", condition.ToString(),
           a.ToString(), b.ToString());
    return {{a.dtype, Broadcast(Broadcast(condition.shape, a.shape), b.shape)}};
  }
  std::unique_ptr<Kernel> Prepare(std::span<const OpInput> inputs,
                                  const Preparation&) const override {
    return std::make_unique<WhereKernel>(inputs, Infer(inputs)[0].shape);
  }
  std::optional<OpPiece> Piece(std::span<const OpInput> inputs, const Box& y) const override {
    return ElementPiece(inputs, y);
  }
};

}  // namespace

OpPtr Where() { return std::make_shared<WhereOp>(); }

}  // namespace normkit::ops
