#include "src/ops/binary.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "src/core/fail.h"
#include "src/core/strided_loops.h"
#include "src/ops/boxes.h"
#include "src/ops/known.h"
#include "src/ops/pieces.h"

namespace normkit::ops {
namespace {

// Whole numbers wrap around, as where shapes are computed they never do.
template <class F>
int64_t Wrapping(int64_t a, int64_t b, const F& f) {
  return static_cast<int64_t>(f(static_cast<uint64_t>(a), static_cast<uint64_t>(b)));
}

// The functions of the rows: Map(a, b), and Gradient<0 or 1>(dy, a, b) of those that have one.

struct AddRow {
  static float Map(float a, float b) { return a + b; }
  static int64_t Map(int64_t a, int64_t b) { return Wrapping(a, b, std::plus<>()); }
  template <int>
  static float Gradient(float dy, float, float) {
    return dy;
  }
};

struct SubtractRow {
  static float Map(float a, float b) { return a - b; }
  static int64_t Map(int64_t a, int64_t b) { return Wrapping(a, b, std::minus<>()); }
  template <int kOf>
  static float Gradient(float dy, float, float) {
    return kOf == 0 ? dy : -dy;
  }
};

struct MultiplyRow {
  static float Map(float a, float b) { return a * b; }
  static int64_t Map(int64_t a, int64_t b) { return Wrapping(a, b, std::multiplies<>()); }
  template <int kOf>
  static float Gradient(float dy, float a, float b) {
    return dy * (kOf == 0 ? b : a);
  }
};

struct DivideRow {
  static float Map(float a, float b) { return a / b; }
  static int64_t Map(int64_t a, int64_t b) {
    if (b == 0) Fail("{} is divided by 0", a);
    return b == -1 ? SubtractRow::Map(int64_t{0}, a) : a / b;
  }
  template <int kOf>
  static float Gradient(float dy, float a, float b) {
    return kOf == 0 ? dy / b : -dy * a / (b * b);
  }
};

struct RemainderRow {  // of the sign of b, as Python's
  static int64_t Map(int64_t a, int64_t b) {
    if (b == 0) Fail("{} is divided by 0", a);
    if (b == -1) return 0;
    const int64_t rest = a % b;
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
  }
};

struct PowerRow {
  static float Map(float a, float b) { return std::pow(a, b); }
  static int64_t Map(int64_t a, int64_t b) {
    return static_cast<int64_t>(std::llround(std::pow(static_cast<long double>(a), b)));
  }
  template <int kOf>
  static float Gradient(float dy, float a, float b) {
    return dy * (kOf == 0 ? b * std::pow(a, b - 1) : std::pow(a, b) * std::log(a));
  }
};

struct MinimumRow {  // NaN where one is
  static float Map(float a, float b) { return a < b || a != a ? a : b; }
  static int64_t Map(int64_t a, int64_t b) { return std::min(a, b); }
  template <int kOf>
  static float Gradient(float dy, float a, float b) {
    return (a < b) == (kOf == 0) ? dy : 0;
  }
};

struct MaximumRow {
  static float Map(float a, float b) { return a > b || a != a ? a : b; }
  static int64_t Map(int64_t a, int64_t b) { return std::max(a, b); }
  template <int kOf>
  static float Gradient(float dy, float a, float b) {
    return (a > b) == (kOf == 0) ? dy : 0;
  }
};

struct EqualRow {
  template <class T>
  static bool Map(T a, T b) {
    return a == b;
  }
};
struct LessRow {
  template <class T>
  static bool Map(T a, T b) {
    return a < b;
  }
};
struct GreaterRow {
  template <class T>
  static bool Map(T a, T b) {
    return a > b;
  }
};
struct LessOrEqualRow {
  template <class T>
  static bool Map(T a, T b) {
    return a <= b;
  }
};
struct GreaterOrEqualRow {
  template <class T>
  static bool Map(T a, T b) {
    return a >= b;
  }
};
struct AndRow {
  static bool Map(bool a, bool b) { return a && b; }
};
struct OrRow {
  static bool Map(bool a, bool b) { return a || b; }
};

template <class F, class T>
void Run(const void* a, int64_t a_stride, const void* b, int64_t b_stride, void* y, int64_t n) {
  const T *p = static_cast<const T*>(a), *q = static_cast<const T*>(b);
  auto* to = static_cast<decltype(F::Map(T{}, T{}))*>(y);
  if (a_stride == 1 && b_stride == 1) {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) to[i] = F::Map(p[i], q[i]);
  } else if (a_stride == 1 && b_stride == 0) {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) to[i] = F::Map(p[i], *q);
  } else {
    for (int64_t i = 0; i < n; ++i) to[i] = F::Map(p[i * a_stride], q[i * b_stride]);
  }
}

template <class F, int kOf>
void RunGradient(const float* dy, const float* a, int64_t a_stride, const float* b,
                 int64_t b_stride, float* to, int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    to[i] = F::template Gradient<kOf>(dy[i], a[i * a_stride], b[i * b_stride]);
}

template <class F>
constexpr Binary Number(std::string_view name) {
  return {name,    Run<F, float>, Run<F, int64_t>,
          nullptr, false,         {RunGradient<F, 0>, RunGradient<F, 1>}};
}
template <class F>
constexpr Binary Whole(std::string_view name) {
  return {name, nullptr, Run<F, int64_t>, nullptr, false, {}};
}
template <class F>
constexpr Binary Comparison(std::string_view name) {
  return {name, Run<F, float>, Run<F, int64_t>, Run<F, bool>, true, {}};
}
template <class F>
constexpr Binary Logic(std::string_view name) {
  return {name, nullptr, nullptr, Run<F, bool>, true, {}};
}

constexpr Binary kTable[] = {
    Number<AddRow>("add"),
    Number<SubtractRow>("subtract"),
    Number<MultiplyRow>("multiply"),
    Number<DivideRow>("divide"),
    Whole<RemainderRow>("remainder"),
    Number<PowerRow>("power"),
    Number<MinimumRow>("minimum"),
    Number<MaximumRow>("maximum"),
    Comparison<EqualRow>("equal"),
    Comparison<LessRow>("less"),
    Comparison<GreaterRow>("greater"),
    Comparison<LessOrEqualRow>("less or equal"),
    Comparison<GreaterOrEqualRow>("greater or equal"),
    Logic<AndRow>("and"),
    Logic<OrRow>("or"),
};

BinaryRun RunOf(const Binary& row, DType dtype) {
  return dtype == DType::kF32    ? row.f32
         : dtype == DType::kI64  ? row.i64
         : dtype == DType::kBool ? row.truth
                                 : nullptr;
}

class BinaryKernel : public Kernel {
 public:
  BinaryKernel(const Binary& row, const Layout& a, const Layout& b, DType dtype)
      : row_(row),
        run_(RunOf(row, dtype)),
        bytes_{static_cast<int64_t>(SizeOf(dtype)),
               static_cast<int64_t>(row.gives_truth ? SizeOf(DType::kBool) : SizeOf(dtype))},
        sizes_{a.size(), b.size()},
        y_(Broadcast(a, b)),
        nest_(y_.shape(), {BroadcastStrides(a.shape(), y_.shape()),
                           BroadcastStrides(b.shape(), y_.shape()), DenseStrides(y_.shape())}) {}
  bool forward_in_place() const override { return sizes_[0] == y_.size() && !row_.gives_truth; }

  void Forward(const ForwardContext& context) override {
    const auto *a = context.x<char>(0), *b = context.x<char>(1);
    auto* y = context.y<char>();
    nest_.ForRuns([&](const std::array<int64_t, 3>& at, int64_t n) {
      run_(a + at[0] * bytes_[0], nest_.stride(0), b + at[1] * bytes_[0], nest_.stride(1),
           y + at[2] * bytes_[1], n);
    });
  }

  void Backward(const BackwardContext& context) override {
    for (size_t of = 0; of < 2; ++of) {
      if (!context.dx(of)) continue;
      if (!row_.gradient[of]) Fail("{}: has no gradient", row_.name);
      if (sizes_[of] == y_.size())
        StoreGradient(context, of);
      else
        SumGradient(context, of);
    }
  }

 private:
  void RunGradientOf(const BackwardContext& context, size_t of, const std::array<int64_t, 3>& at,
                     int64_t n, float* to) const {
    row_.gradient[of](context.dy() + at[2], context.x(0) + at[0], nest_.stride(0),
                      context.x(1) + at[1], nest_.stride(1), to, n);
  }

  void StoreGradient(const BackwardContext& context, size_t of) const {
    nest_.ForRuns([&](const std::array<int64_t, 3>& at, int64_t n) {
      float run[StridedLoops<3>::kMostRun];  // no run has more
      RunGradientOf(context, of, at, n, run);
      Store(context.dx(of) + at[of], 0, n, context.add[of], [&](int64_t i) { return run[i]; });
    });
  }

  // One element of the operand for many of y: summed in order, in f64.
  void SumGradient(const BackwardContext& context, size_t of) const {
    std::vector<double> sums(static_cast<size_t>(sizes_[of]));
    std::vector<float> run(static_cast<size_t>(StridedLoops<3>::kMostRun));
    nest_.ForRuns(
        [&](const std::array<int64_t, 3>& at, int64_t n) {
          RunGradientOf(context, of, at, n, run.data());
          double* to = sums.data() + at[of];
          for (int64_t i = 0; i < n; ++i) to[i * nest_.stride(of)] += run[static_cast<size_t>(i)];
        },
        /*threads=*/false);
    Store(context.dx(of), 0, sizes_[of], context.add[of],
          [&](int64_t i) { return static_cast<float>(sums[static_cast<size_t>(i)]); });
  }

  const Binary& row_;
  BinaryRun run_;
  int64_t bytes_[2];  // of an element of the inputs, of y
  int64_t sizes_[2];
  Layout y_;
  StridedLoops<3> nest_;
};

class BinaryOp : public Op {
 public:
  explicit BinaryOp(const Binary& row) : row_(row) {}
  std::string_view name() const override { return row_.name; }
  std::vector<ArrayType> Infer(std::span<const OpInput> inputs) const override {
    const ArrayType &a = inputs[0].type, &b = inputs[1].type;
    if (a.dtype != b.dtype || !RunOf(row_, a.dtype))
      Fail("inputs are {} and {}, expected both {}", a.ToString(), b.ToString(),
           row_.f32   ? "f32 or i64"
           : row_.i64 ? "i64"
                      : "bool");
    return {{row_.gives_truth ? DType::kBool : a.dtype, Broadcast(a.shape, b.shape)}};
  }
  std::unique_ptr<Kernel> Prepare(std::span<const OpInput> inputs,
                                  const Preparation&) const override {
    return std::make_unique<BinaryKernel>(row_, inputs[0].type.shape, inputs[1].type.shape,
                                          inputs[0].type.dtype);
  }
  std::optional<OpPiece> Piece(std::span<const OpInput> inputs, const Box& y) const override {
    return ElementPiece(inputs, y);
  }

 private:
  const Binary& row_;
};

}  // namespace

std::span<const Binary> BinaryTable() { return kTable; }

const Binary& FindBinary(std::string_view name) {
  return *std::ranges::find(kTable, name, &Binary::name);
}

std::shared_ptr<const Op> MakeBinary(const Binary& row) { return std::make_shared<BinaryOp>(row); }

}  // namespace normkit::ops
