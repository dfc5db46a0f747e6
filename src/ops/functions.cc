#include "src/ops/functions.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "src/core/fail.h"
#include "src/ops/boxes.h"
#include "src/ops/pieces.h"

namespace normkit::ops {
namespace {

float Logistic(float x) { return 1 / (1 + std::exp(-x)); }
// log(1 + exp(x)), for any x.
float SoftPlus(float x) { return std::max(x, 0.f) + std::log1p(std::exp(-std::abs(x))); }

// The functions of the rows: Map(x, a, b) and Derivative(x, a, b).

struct ExpFunction {
  static float Map(float x, float, float) { return std::exp(x); }
  static float Derivative(float x, float, float) { return std::exp(x); }
};
struct LogFunction {
  static float Map(float x, float, float) { return std::log(x); }
  static float Derivative(float x, float, float) { return 1 / x; }
};
struct SqrtFunction {
  static float Map(float x, float, float) { return std::sqrt(x); }
  static float Derivative(float x, float, float) { return 0.5f / std::sqrt(x); }
};
struct ReciprocalFunction {
  static float Map(float x, float, float) { return 1 / x; }
  static float Derivative(float x, float, float) { return -1 / (x * x); }
};
struct NegativeFunction {
  static float Map(float x, float, float) { return -x; }
  static float Derivative(float, float, float) { return -1; }
};
struct AbsoluteFunction {
  static float Map(float x, float, float) { return std::abs(x); }
  static float Derivative(float x, float, float) { return x > 0 ? 1.f : x < 0 ? -1.f : 0.f; }
};
struct AffineFunction {  // a x + b
  static float Map(float x, float a, float b) { return a * x + b; }
  static float Derivative(float, float a, float) { return a; }
};
struct ClampFunction {  // to [a, b]; NaN stays
  static float Map(float x, float a, float b) {
    x = x < a ? a : x;
    return x > b ? b : x;
  }
  static float Derivative(float x, float a, float b) { return x >= a && x <= b ? 1.f : 0.f; }
};
struct EluFunction {  // x where x > 0, a (exp(x) - 1) elsewhere
  static float Map(float x, float a, float) { return x > 0 ? x : a * std::expm1(x); }
  static float Derivative(float x, float a, float) { return x > 0 ? 1 : a * std::exp(x); }
};
struct SeluFunction {  // b times an ELU
  static float Map(float x, float a, float b) { return b * EluFunction::Map(x, a, 0); }
  static float Derivative(float x, float a, float b) {
    return b * EluFunction::Derivative(x, a, 0);
  }
};
struct CeluFunction {  // x where x > 0, a (exp(x / a) - 1) elsewhere
  static float Map(float x, float a, float) { return x > 0 ? x : a * std::expm1(x / a); }
  static float Derivative(float x, float a, float) { return x > 0 ? 1 : std::exp(x / a); }
};
struct ThresholdedFunction {  // x where x > a, else 0
  static float Map(float x, float a, float) { return x > a ? x : 0; }
  static float Derivative(float x, float a, float) { return x > a ? 1.f : 0.f; }
};
struct SoftPlusFunction {
  static float Map(float x, float, float) { return SoftPlus(x); }
  static float Derivative(float x, float, float) { return Logistic(x); }
};
struct SoftSignFunction {
  static float Map(float x, float, float) { return x / (1 + std::abs(x)); }
  static float Derivative(float x, float, float) {
    const float d = 1 + std::abs(x);
    return 1 / (d * d);
  }
};
struct HardSigmoidFunction {  // max(0, min(1, a x + b))
  static float Map(float x, float a, float b) { return ClampFunction::Map(a * x + b, 0, 1); }
  static float Derivative(float x, float a, float b) {
    return a * ClampFunction::Derivative(a * x + b, 0, 1);
  }
};
struct HardSwishFunction {  // x max(0, min(1, a x + b))
  static float Map(float x, float a, float b) { return x * HardSigmoidFunction::Map(x, a, b); }
  static float Derivative(float x, float a, float b) {
    return HardSigmoidFunction::Map(x, a, b) + x * HardSigmoidFunction::Derivative(x, a, b);
  }
};
struct SwishFunction {  // x / (1 + exp(-a x))
  static float Map(float x, float a, float) { return x * Logistic(a * x); }
  static float Derivative(float x, float a, float) {
    const float s = Logistic(a * x);
    return s + a * x * s * (1 - s);
  }
};
struct MishFunction {  // x tanh(log(1 + exp(x)))
  static float Map(float x, float, float) { return x * std::tanh(SoftPlus(x)); }
  static float Derivative(float x, float, float) {
    const float t = std::tanh(SoftPlus(x));
    return t + x * (1 - t * t) * Logistic(x);
  }
};
struct TanhGeluFunction {  // x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))
  static constexpr float kScale = std::numbers::sqrt2_v<float> * std::numbers::inv_sqrtpi_v<float>;
  static constexpr float kCube = 0.044715f;
  static float Map(float x, float, float) {
    return 0.5f * x * (1 + std::tanh(kScale * (x + kCube * x * x * x)));
  }
  static float Derivative(float x, float, float) {
    const float t = std::tanh(kScale * (x + kCube * x * x * x));
    return 0.5f * (1 + t) + 0.5f * x * (1 - t * t) * kScale * (1 + 3 * kCube * x * x);
  }
};
struct ErfFunction {
  static float Map(float x, float, float) { return std::erf(x); }
  static float Derivative(float x, float, float) {
    return 2 * std::numbers::inv_sqrtpi_v<float> * std::exp(-x * x);
  }
};
struct SinFunction {
  static float Map(float x, float, float) { return std::sin(x); }
  static float Derivative(float x, float, float) { return std::cos(x); }
};
struct CosFunction {
  static float Map(float x, float, float) { return std::cos(x); }
  static float Derivative(float x, float, float) { return -std::sin(x); }
};
struct FloorFunction {
  static float Map(float x, float, float) { return std::floor(x); }
};
struct CeilFunction {
  static float Map(float x, float, float) { return std::ceil(x); }
};
struct RoundFunction {  // halves to even
  static float Map(float x, float, float) { return std::nearbyint(x); }
};

template <class F>
void MapFunction(const float* x, float* y, int64_t begin, int64_t end, float a, float b) {
  Store(y, begin, end, false, [=](int64_t i) { return F::Map(x[i], a, b); });
}
template <class F>
void FunctionGradient(const float* dy, const float* x, float* dx, bool add, int64_t begin,
                      int64_t end, float a, float b) {
  Store(dx, begin, end, add, [=](int64_t i) { return dy[i] * F::Derivative(x[i], a, b); });
}
template <class F>
constexpr Function Smooth(std::string_view name) {
  return {name, MapFunction<F>, FunctionGradient<F>};
}
template <class F>
constexpr Function Stepped(std::string_view name) {
  return {name, MapFunction<F>, nullptr};
}

constexpr Function kFunctions[] = {
    Smooth<ExpFunction>("exponential"),
    Smooth<LogFunction>("logarithm"),
    Smooth<SqrtFunction>("square root"),
    Smooth<ReciprocalFunction>("reciprocal"),
    Smooth<NegativeFunction>("negative"),
    Smooth<AbsoluteFunction>("absolute"),
    Smooth<AffineFunction>("affine"),
    Smooth<ClampFunction>("clamp"),
    Smooth<EluFunction>("ELU"),
    Smooth<SeluFunction>("SELU"),
    Smooth<CeluFunction>("CELU"),
    Smooth<ThresholdedFunction>("thresholded ReLU"),
    Smooth<SoftPlusFunction>("softplus"),
    Smooth<SoftSignFunction>("softsign"),
    Smooth<HardSigmoidFunction>("hard sigmoid"),
    Smooth<HardSwishFunction>("hard swish"),
    Smooth<SwishFunction>("swish"),
    Smooth<MishFunction>("mish"),
    Smooth<TanhGeluFunction>("GELU by tanh"),
    Smooth<ErfFunction>("erf"),
    Smooth<SinFunction>("sine"),
    Smooth<CosFunction>("cosine"),
    Stepped<FloorFunction>("floor"),
    Stepped<CeilFunction>("ceil"),
    Stepped<RoundFunction>("round"),
};

class FunctionKernel : public Kernel {
 public:
  FunctionKernel(const Function& row, float a, float b, int64_t size)
      : row_(row), a_(a), b_(b), size_(size) {}
  bool forward_in_place() const override { return true; }
  bool backward_in_place(size_t) const override { return true; }
  void Forward(const ForwardContext& context) override {
    ForPieces(size_, [&](int64_t begin, int64_t end) {
      row_.map(context.x(), context.y(), begin, end, a_, b_);
    });
  }
  void Backward(const BackwardContext& context) override {
    if (!context.dx()) return;
    if (!row_.gradient) Fail("{}: has no gradient", row_.name);
    ForPieces(size_, [&](int64_t begin, int64_t end) {
      row_.gradient(context.dy(), context.x(), context.dx(), context.add[0], begin, end, a_, b_);
    });
  }

 private:
  const Function& row_;
  float a_, b_;
  int64_t size_;
};

class FunctionOp : public Op {
 public:
  FunctionOp(const Function& row, float a, float b) : row_(row), a_(a), b_(b) {}
  std::string_view name() const override { return row_.name; }
  std::vector<ArrayType> Infer(std::span<const OpInput> inputs) const override {
    if (inputs[0].type.dtype != DType::kF32)
      Fail("x is {}, expected f32", inputs[0].type.ToString());
    return {inputs[0].type};
  }
  std::unique_ptr<Kernel> Prepare(std::span<const OpInput> inputs,
                                  const Preparation&) const override {
    return std::make_unique<FunctionKernel>(row_, a_, b_, inputs[0].type.shape.size());
  }
  std::optional<OpPiece> Piece(std::span<const OpInput> inputs, const Box& y) const override {
    return ElementPiece(inputs, y);
  }

 private:
  const Function& row_;
  float a_, b_;
};

}  // namespace

std::span<const Function> FunctionTable() { return kFunctions; }

const Function& FindFunction(std::string_view name) {
  return *std::ranges::find(kFunctions, name, &Function::name);
}

std::shared_ptr<const Op> MakeFunction(const Function& row, float a, float b) {
  return std::make_shared<FunctionOp>(row, a, b);
}

}  // namespace normkit::ops
