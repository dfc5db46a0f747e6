#include "src/core/fail.h"
#include "src/onednn/inner_product.h"
#include "src/ops/ops.h"

namespace normkit::ops {
namespace {

class MatrixProductKernel : public Kernel {
 public:
  MatrixProductKernel(const InnerProductShape& shape, const RowCut& cut) : product_(shape, cut) {}
  bool needs_input(size_t i) const override { return i < 2; }
  bool adds(size_t i) const override { return i == 0; }

  void Forward(const ForwardContext& context) override {
    product_.Forward(context.x(0), context.x(1), context.inputs.size() > 2 ? context.x(2) : nullptr,
                     context.y());
  }

  void Backward(const BackwardContext& context) override {
    if (context.dx(1))
      product_.BackwardWeights(context.x(0), context.dy(), context.run.reducer, context.dx(1),
                               context.dinputs.size() > 2 ? context.dx(2) : nullptr);
    if (context.dx(0))
      product_.BackwardData(context.dy(), context.x(1), context.add[0], context.dx(0));
  }

 private:
  InnerProduct product_;
};

class MatrixProductOp : public Op {
 public:
  std::string_view name() const override { return "matrix product"; }
  std::vector<ArrayType> Infer(std::span<const OpInput> inputs) const override {
    const InnerProductShape shape = Shape(inputs);
    const Layout& weights = inputs[1].type.shape;
    if (weights.axes()[1].size != shape.inputs)
      Fail("weights are {}, expected [{},{}] for x of {}", weights.ToString(), shape.outputs,
           shape.inputs, inputs[0].type.shape.ToString());
    std::vector<Axis> axes = inputs[0].type.shape.axes();
    axes[1].size = shape.outputs;
    return {{DType::kF32, Layout(std::move(axes))}};
  }
  std::unique_ptr<Kernel> Prepare(std::span<const OpInput> inputs,
                                  const Preparation& how) const override {
    return std::make_unique<MatrixProductKernel>(Shape(inputs),
                                                 RowCut(inputs[0].type.shape, how.part, how.time));
  }

 private:
  static InnerProductShape Shape(std::span<const OpInput> inputs) {
    const std::vector<Axis>& x = inputs[0].type.shape.axes();
    return {x[0].size, x[1].size, inputs[1].type.shape.axes()[0].size};
  }
};

}  // namespace

OpPtr MatrixProduct() { return std::make_shared<MatrixProductOp>(); }

}  // namespace normkit::ops
