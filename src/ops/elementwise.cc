#include "src/ops/elementwise.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "src/ops/boxes.h"
#include "src/ops/pieces.h"

namespace normkit::ops {
namespace {

// The functions of the rows: Map(x, p), and Gradient(dy, at, p) = dy f'. p is the number.

struct ReluRow {
  static constexpr bool kReadsOutput = true;
  static float Map(float x, float) { return Relu::Map(x); }
  static float Gradient(float dy, float y, float) { return Relu::Gradient(dy, y); }
};

struct LeakyReluRow {  // x where x > 0, p x elsewhere
  static constexpr bool kReadsOutput = false;
  static float Map(float x, float p) { return x > 0 ? x : p * x; }
  static float Gradient(float dy, float x, float p) { return dy * (x > 0 ? 1.f : p); }
};

struct TanhRow {
  static constexpr bool kReadsOutput = true;
  static float Map(float x, float) { return std::tanh(x); }
  static float Gradient(float dy, float y, float) { return dy * (1 - y * y); }
};

struct SigmoidRow {  // 1 / (1 + exp(-x))
  static constexpr bool kReadsOutput = true;
  static float Map(float x, float) { return 1 / (1 + std::exp(-x)); }
  static float Gradient(float dy, float y, float) { return dy * (y * (1 - y)); }
};

// x Phi(x), Phi the distribution function of the standard normal (Hendrycks & Gimpel 2016), by
// erfc, not 1 + erf: the lower tail keeps its digits.
struct GeluRow {
  static constexpr bool kReadsOutput = false;
  static float Distribution(float x) {
    return 0.5f * std::erfc(x * -std::numbers::sqrt2_v<float> / 2);
  }
  static float Density(float x) {
    constexpr float kScale = std::numbers::inv_sqrtpi_v<float> / std::numbers::sqrt2_v<float>;
    return kScale * std::exp(-0.5f * x * x);
  }
  static float Map(float x, float) { return x * Distribution(x); }
  static float Gradient(float dy, float x, float) {
    return dy * (Distribution(x) + x * Density(x));
  }
};

struct EluRow {  // x where x > 0, p (exp(x) - 1) elsewhere
  static constexpr bool kReadsOutput = false;
  static float Map(float x, float p) { return x > 0 ? x : p * std::expm1(x); }
  static float Gradient(float dy, float x, float p) { return dy * (x > 0 ? 1 : p * std::exp(x)); }
};

struct SoftplusRow {  // log(1 + exp(x))
  static constexpr bool kReadsOutput = false;
  static float Map(float x, float) { return std::max(x, 0.f) + std::log1p(std::exp(-std::abs(x))); }
  static float Gradient(float dy, float x, float) { return dy / (1 + std::exp(-x)); }
};

struct SwishRow {  // x / (1 + exp(-x))
  static constexpr bool kReadsOutput = false;
  static float Map(float x, float) { return x / (1 + std::exp(-x)); }
  static float Gradient(float dy, float x, float) {
    const float s = 1 / (1 + std::exp(-x));
    return dy * (s + x * s * (1 - s));
  }
};

struct ClippedReluRow {  // between 0 and p; NaN stays
  static constexpr bool kReadsOutput = false;
  static float Map(float x, float p) {
    x = x < 0 ? 0 : x;
    return x > p ? p : x;
  }
  static float Gradient(float dy, float x, float p) { return x > 0 && x < p ? dy : 0; }
};

template <class F>
void Map(const float* x, float* y, int64_t begin, int64_t end, float p) {
  Store(y, begin, end, false, [=](int64_t i) { return F::Map(x[i], p); });
}

template <class F>
void Gradient(const float* dy, const float* at, float* dx, bool add, int64_t begin, int64_t end,
              float p) {
  Store(dx, begin, end, add, [=](int64_t i) { return F::Gradient(dy[i], at[i], p); });
}

template <class F>
constexpr Elementwise Row(std::string_view type, std::string_view short_name, std::string_view json,
                          const ElementwiseOnnx& onnx, bool has_kink = false,
                          const ElementwiseNumber& number = {}) {
  return {type, short_name, json, onnx, number, has_kink, F::kReadsOutput, Map<F>, Gradient<F>};
}

constexpr Elementwise kTable[] = {
    Row<ReluRow>("ReLU", "relu", "relu", {"Relu"}, true),
    Row<LeakyReluRow>("leaky ReLU", "leakyrelu", "leaky_relu", {"LeakyRelu", 13, "alpha"}, true,
                      {"scale", "of what is below zero", 0.01}),
    Row<TanhRow>("tanh", "tanh", "tanh", {"Tanh"}),
    Row<SigmoidRow>("sigmoid", "sigmoid", "sigmoid", {"Sigmoid"}),
    Row<GeluRow>("GELU", "gelu", "gelu", {"Gelu", 20, "", "approximate", "none"}),
    Row<EluRow>("ELU", "elu", "elu", {"Elu", 13, "alpha"}, true,
                {"alpha", "what it goes to far below zero", 1}),
    Row<SoftplusRow>("softplus", "softplus", "softplus", {"Softplus"}),
    Row<SwishRow>("swish", "swish", "swish", {""}),
    Row<ClippedReluRow>("clipped ReLU", "clippedrelu", "clipped_relu", {""}, true,
                        {"ceiling", "the most that comes out", 6}),
};

class ElementwiseKernel : public Kernel {
 public:
  ElementwiseKernel(const Elementwise& row, float number, int64_t size)
      : row_(row), number_(number), size_(size) {}
  bool needs_input(size_t) const override { return !row_.gradient_reads_output; }
  bool needs_output(size_t) const override { return row_.gradient_reads_output; }
  bool forward_in_place() const override { return true; }
  bool backward_in_place(size_t) const override { return true; }

  void Forward(const ForwardContext& context) override {
    ForPieces(size_, [&](int64_t begin, int64_t end) {
      row_.map(context.x(), context.y(), begin, end, number_);
    });
  }

  void Backward(const BackwardContext& context) override {
    if (!context.dx()) return;
    const float* at = row_.gradient_reads_output ? context.y() : context.x();
    ForPieces(size_, [&](int64_t begin, int64_t end) {
      row_.gradient(context.dy(), at, context.dx(), context.add[0], begin, end, number_);
    });
  }

 private:
  const Elementwise& row_;
  float number_;
  int64_t size_;
};

class ElementwiseOp : public Op {
 public:
  ElementwiseOp(const Elementwise& row, float number) : row_(row), number_(number) {}
  std::string_view name() const override { return row_.short_name; }
  std::vector<ArrayType> Infer(std::span<const OpInput> inputs) const override {
    return {inputs[0].type};
  }
  std::unique_ptr<Kernel> Prepare(std::span<const OpInput> inputs,
                                  const Preparation&) const override {
    return std::make_unique<ElementwiseKernel>(row_, number_, inputs[0].type.shape.size());
  }
  std::optional<OpPiece> Piece(std::span<const OpInput> inputs, const Box& y) const override {
    return ElementPiece(inputs, y);
  }

 private:
  const Elementwise& row_;
  float number_;
};

}  // namespace

std::span<const Elementwise> ElementwiseTable() { return kTable; }

const Elementwise& FindElementwise(std::string_view short_name) {
  return *std::ranges::find(kTable, short_name, &Elementwise::short_name);
}

std::shared_ptr<const Op> MakeElementwise(const Elementwise& row, float number) {
  return std::make_shared<ElementwiseOp>(row, number);
}

}  // namespace normkit::ops
