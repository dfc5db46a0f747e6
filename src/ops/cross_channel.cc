// Normalization across neighbouring channels, and of the weights of each output.
#include <cmath>
#include <vector>

#include "src/core/fail.h"
#include "src/core/scratch.h"
#include "src/ops/boxes.h"
#include "src/ops/ops.h"
#include "src/ops/pieces.h"

namespace normkit::ops {
namespace {

struct CrossTag;

class CrossChannelKernel : public Kernel {
 public:
  CrossChannelKernel(const CrossChannelSettings& settings, const Layout& x)
      : settings_(settings),
        channels_(x.axes().back().size),
        rows_(x.size() / std::max<int64_t>(1, channels_)),
        weight_(settings.alpha / static_cast<double>(settings.size)) {}

  void Forward(const ForwardContext& context) override {
    ForRowPieces(rows_, channels_, [&](int64_t row) {
      const float* x = context.x() + row * channels_;
      double* denominators = Denominators(x);
      float* y = context.y() + row * channels_;
      for (int64_t c = 0; c < channels_; ++c)
        y[c] = static_cast<float>(x[c] * std::pow(denominators[c], -settings_.beta));
    });
  }

  // With s the denominator and n the window: dx_i = dy_i s_i^-beta
  //   - 2 alpha beta / n x_i sum over the j that see i of dy_j x_j s_j^(-beta - 1).
  void Backward(const BackwardContext& context) override {
    if (!context.dx()) return;
    ForRowPieces(rows_, channels_, [&](int64_t row) {
      const float *x = context.x() + row * channels_, *dy = context.dy() + row * channels_;
      float* dx = context.dx() + row * channels_;
      double *s = Denominators(x), *shared = s + channels_;
      for (int64_t c = 0; c < channels_; ++c) {
        const double power = std::pow(s[c], -settings_.beta);
        shared[c] = dy[c] * x[c] * power / s[c];
        s[c] = power;
      }
      for (int64_t c = 0; c < channels_; ++c) {
        double sum = 0;
        for (int64_t j = std::max<int64_t>(0, c - after());
             j <= std::min(channels_ - 1, c + before()); ++j)
          sum += shared[j];
        const auto g = static_cast<float>(dy[c] * s[c] - 2 * weight_ * settings_.beta * x[c] * sum);
        dx[c] = context.add[0] ? dx[c] + g : g;
      }
    });
  }

 private:
  int64_t before() const { return (settings_.size - 1) / 2; }
  int64_t after() const { return settings_.size / 2; }

  double* Denominators(const float* x) const {
    double* s = Scratch<CrossTag, double>(static_cast<size_t>(2 * channels_));
    for (int64_t c = 0; c < channels_; ++c) {
      double sum = 0;
      for (int64_t j = std::max<int64_t>(0, c - before());
           j <= std::min(channels_ - 1, c + after()); ++j)
        sum += static_cast<double>(x[j]) * x[j];
      s[c] = settings_.bias + weight_ * sum;
    }
    return s;
  }

  CrossChannelSettings settings_;
  int64_t channels_, rows_;
  double weight_;
};

class CrossChannelOp : public Op {
 public:
  explicit CrossChannelOp(const CrossChannelSettings& settings) : settings_(settings) {}
  std::string_view name() const override { return "cross-channel normalization"; }
  std::vector<ArrayType> Infer(std::span<const OpInput> inputs) const override {
    if (const Layout& x = inputs[0].type.shape; x.rank() < 2)
      Fail("input is {}, expected channels last", x.ToString());
    return {inputs[0].type};
  }
  std::unique_ptr<Kernel> Prepare(std::span<const OpInput> inputs,
                                  const Preparation&) const override {
    return std::make_unique<CrossChannelKernel>(settings_, inputs[0].type.shape);
  }
  std::optional<OpPiece> Piece(std::span<const OpInput> inputs, const Box& y) const override {
    if (!IsWhole(y, inputs[0].type.shape, y.size.size() - 1)) return std::nullopt;
    return FirstPiece(inputs, y);
  }

 private:
  CrossChannelSettings settings_;
};

class StandardizationKernel : public Kernel {
 public:
  StandardizationKernel(double epsilon, int64_t outputs, int64_t each)
      : epsilon_(epsilon), outputs_(outputs), each_(each) {}
  bool forward_in_place() const override { return true; }

  void Forward(const ForwardContext& context) override {
    ForRowPieces(outputs_, each_, [&](int64_t o) {
      const float* w = context.x() + o * each_;
      const auto [mean, rstd] = Statistics(w);
      Store(context.y() + o * each_, 0, each_, false,
            [=](int64_t i) { return static_cast<float>((w[i] - mean) * rstd); });
    });
  }

  void Backward(const BackwardContext& context) override {
    if (!context.dx()) return;
    ForRowPieces(outputs_, each_, [&](int64_t o) {
      const float *w = context.x() + o * each_, *dy = context.dy() + o * each_;
      const auto [mean, rstd] = Statistics(w);
      double sum = 0, along = 0;
      for (int64_t i = 0; i < each_; ++i) {
        sum += dy[i];
        along += dy[i] * ((w[i] - mean) * rstd);
      }
      const double n = static_cast<double>(each_);
      Store(context.dx() + o * each_, 0, each_, context.add[0],
            [=, mean = mean, rstd = rstd](int64_t i) {
              return static_cast<float>(rstd *
                                        (dy[i] - sum / n - (w[i] - mean) * rstd * (along / n)));
            });
    });
  }

 private:
  std::pair<double, double> Statistics(const float* w) const {
    const double n = static_cast<double>(each_);
    double mean = 0, m2 = 0;
    for (int64_t i = 0; i < each_; ++i) mean += w[i];
    mean /= n;
    for (int64_t i = 0; i < each_; ++i) m2 += (w[i] - mean) * (w[i] - mean);
    return {mean, 1 / std::sqrt(m2 / n + epsilon_)};
  }

  double epsilon_;
  int64_t outputs_, each_;
};

class StandardizationOp : public Op {
 public:
  explicit StandardizationOp(double epsilon) : epsilon_(epsilon) {}
  std::string_view name() const override { return "weight standardization"; }
  std::vector<ArrayType> Infer(std::span<const OpInput> inputs) const override {
    return {inputs[0].type};
  }
  std::unique_ptr<Kernel> Prepare(std::span<const OpInput> inputs,
                                  const Preparation&) const override {
    const Layout& weights = inputs[0].type.shape;
    const int64_t outputs = weights.axes()[0].size;
    return std::make_unique<StandardizationKernel>(epsilon_, outputs, weights.size() / outputs);
  }

 private:
  double epsilon_;
};

}  // namespace

OpPtr CrossChannelNormalization(const CrossChannelSettings& settings) {
  return std::make_shared<CrossChannelOp>(settings);
}

OpPtr WeightStandardization(double epsilon) { return std::make_shared<StandardizationOp>(epsilon); }

}  // namespace normkit::ops
