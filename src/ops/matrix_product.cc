#include "src/core/fail.h"
#include "src/onednn/inner_product.h"
#include "src/ops/ops.h"
#include "src/products/row_product.h"

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
    product_.BackwardWeights(context.x(0), context.dy(), context.run.reducer, context.dx(1),
                             context.dinputs.size() > 2 ? context.dx(2) : nullptr);
    if (context.dx(0))
      product_.BackwardData(context.dy(), context.x(1), context.add[0], context.dx(0));
  }

 private:
  InnerProduct product_;
};

// Of packed time: rows have the bits they have alone, whatever rows stand around them.
class TimeProductKernel : public Kernel {
 public:
  TimeProductKernel(const InnerProductShape& shape, const RowCut& cut)
      : shape_(shape), product_(shape, cut) {}
  size_t forward_scratch_bytes() const override { return Bytes(shape_.outputs, shape_.inputs); }
  size_t backward_scratch_bytes() const override { return Bytes(shape_.inputs, shape_.outputs); }
  bool needs_input(size_t i) const override { return i < 2; }
  bool adds(size_t i) const override { return i == 0; }

  void Forward(const ForwardContext& context) override {
    const float* bias = context.inputs.size() > 2 ? context.x(2) : nullptr;
    Multiply(products::WeightOrder::Of(shape_.outputs, shape_.inputs), context.x(0), context.x(1),
             bias ? products::Begin::kBias : products::Begin::kZeros, bias, context.y(),
             context.scratch);
  }

  void Backward(const BackwardContext& context) override {
    product_.BackwardWeights(context.x(0), context.dy(), context.run.reducer, context.dx(1),
                             context.dinputs.size() > 2 ? context.dx(2) : nullptr);
    if (context.dx(0))
      Multiply(products::WeightOrder::Back(shape_.outputs, shape_.inputs), context.dy(),
               context.x(1), context.add[0] ? products::Begin::kThere : products::Begin::kZeros,
               nullptr, context.dx(0), context.scratch);
  }

 private:
  static size_t Bytes(int64_t outputs, int64_t inputs) {
    return products::PackedSize(outputs, inputs) * sizeof(float);
  }
  void Multiply(const products::WeightOrder& order, const float* from, const float* weights,
                products::Begin begin, const float* bias, float* to, std::byte* scratch) const {
    auto* packed = reinterpret_cast<float*>(scratch);
    products::PackWeights(weights, order, packed);
    products::RowProduct{packed, order.outputs, order.inputs, begin, bias}.RunAll(
        from, order.inputs, to, order.outputs, shape_.batch);
  }

  InnerProductShape shape_;
  InnerProduct product_;  // for the weights
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
    const Layout& x = inputs[0].type.shape;
    const RowCut cut(x, how.part, how.time);
    if (x.packed()) return std::make_unique<TimeProductKernel>(Shape(inputs), cut);
    return std::make_unique<MatrixProductKernel>(Shape(inputs), cut);
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
