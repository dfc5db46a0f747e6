// Products of many matrices, both of them computed.
#include "src/core/fail.h"
#include "src/core/strided_loops.h"
#include "src/onednn/inner_product.h"
#include "src/ops/known.h"
#include "src/ops/ops.h"

namespace normkit::ops {
namespace {

// Where the matrices of each product begin in a and b.
struct Products {
  int64_t m, k, n;
  std::vector<int64_t> batch;  // shape of the axes in front
  Strides a, b;                // of matrices, by axis of the batch
  int64_t count() const { return Layout::Unlabelled(batch).size(); }
  // Of product i: in matrices.
  int64_t Place(const Strides& strides, int64_t i) const {
    int64_t at = 0;
    for (size_t axis = batch.size(); axis-- > 0;) {
      at += i % batch[axis] * strides[axis];
      i /= batch[axis];
    }
    return at;
  }
};

void Turn(const float* from, int64_t rows, int64_t columns, float* to) {
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c) to[c * rows + r] = from[r * columns + c];
}

class MatrixProductsKernel : public Kernel {
 public:
  explicit MatrixProductsKernel(const Products& products) : p_(products) {}
  size_t forward_scratch_bytes() const override { return Floats(p_.k * p_.n); }
  size_t backward_scratch_bytes() const override {
    return std::max(Floats(p_.m * p_.k), Floats(p_.k * p_.n));
  }

  void Forward(const ForwardContext& context) override {
    auto* turned = reinterpret_cast<float*>(context.scratch);
    const InnerProduct product({p_.m, p_.k, p_.n});
    for (int64_t i = 0; i < p_.count(); ++i) {
      Turn(context.x(1) + p_.Place(p_.b, i) * p_.k * p_.n, p_.k, p_.n, turned);
      product.Forward(context.x(0) + p_.Place(p_.a, i) * p_.m * p_.k, turned, nullptr,
                      context.y() + i * p_.m * p_.n);
    }
  }

  // da = dy b^T, db = a^T dy.
  void Backward(const BackwardContext& context) override {
    auto* turned = reinterpret_cast<float*>(context.scratch);
    for (const Strides* strides : {&p_.a, &p_.b})
      for (size_t axis = 0; axis < p_.batch.size(); ++axis)
        if ((*strides)[axis] == 0 && p_.batch[axis] > 1)
          Fail("matrix products: matrices that stand in several have no gradient yet");
    const InnerProduct for_a({p_.m, p_.k, p_.n}), for_b({p_.k, p_.n, p_.m});
    for (int64_t i = 0; i < p_.count(); ++i) {
      const int64_t a = p_.Place(p_.a, i) * p_.m * p_.k, b = p_.Place(p_.b, i) * p_.k * p_.n;
      const float* dy = context.dy() + i * p_.m * p_.n;
      if (context.dx(0)) {
        Turn(context.x(1) + b, p_.k, p_.n, turned);
        for_a.BackwardData(dy, turned, context.add[0], context.dx(0) + a);
      }
      if (context.dx(1)) {
        Turn(context.x(0) + a, p_.m, p_.k, turned);
        for_b.BackwardData(turned, dy, context.add[1], context.dx(1) + b);
      }
    }
  }

 private:
  static size_t Floats(int64_t n) {
    return (static_cast<size_t>(n) + 15) / 16 * 16 * sizeof(float);
  }

  Products p_;
};

class MatrixProductsOp : public Op {
 public:
  std::string_view name() const override { return "matrix products"; }
  std::vector<ArrayType> Infer(std::span<const OpInput> inputs) const override {
    const Products p = Of(inputs);
    std::vector<int64_t> shape = p.batch;
    if (inputs[0].type.shape.rank() > 1) shape.push_back(p.m);
    if (inputs[1].type.shape.rank() > 1) shape.push_back(p.n);
    return {{DType::kF32, Layout::Unlabelled(shape)}};
  }
  std::unique_ptr<Kernel> Prepare(std::span<const OpInput> inputs,
                                  const Preparation&) const override {
    return std::make_unique<MatrixProductsKernel>(Of(inputs));
  }

 private:
  static Products Of(std::span<const OpInput> inputs) {
    std::vector<int64_t> a = inputs[0].type.shape.shape(), b = inputs[1].type.shape.shape();
    if (inputs[0].type.dtype != DType::kF32 || inputs[1].type.dtype != DType::kF32 || a.empty() ||
        b.empty())
      Fail("inputs are {} and {}, expected matrices of f32", inputs[0].type.ToString(),
           inputs[1].type.ToString());
    if (a.size() == 1) a = {1, a[0]};
    if (b.size() == 1) b = {b[0], 1};
    Products p{a.end()[-2], a.back(), b.back(), {}, {}, {}};
    if (b.end()[-2] != p.k)
      Fail("inputs are {} and {}, expected as many rows of the second as the first has columns",
           inputs[0].type.shape.ToString(), inputs[1].type.shape.ToString());
    a.resize(a.size() - 2);
    b.resize(b.size() - 2);
    p.batch = Broadcast(Layout::Unlabelled(a), Layout::Unlabelled(b)).shape();
    p.a = BroadcastStrides(a, p.batch);
    p.b = BroadcastStrides(b, p.batch);
    return p;
  }
};

}  // namespace

OpPtr MatrixProducts() { return std::make_shared<MatrixProductsOp>(); }

}  // namespace normkit::ops
