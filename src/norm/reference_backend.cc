// The reference as a back-end: slow, serial, any layout; what NORMKIT_BACKEND=reference computes
// with.
#include <algorithm>
#include <cmath>
#include <functional>

#include "src/core/elements.h"
#include "src/norm/activation.h"
#include "src/norm/backend.h"
#include "src/norm/check.h"
#include "src/norm/quantize.h"
#include "src/norm/reference.h"

namespace normkit {
namespace {

using Values = std::vector<double>;

class ReferenceNormalization : public NormImplementation {
 public:
  explicit ReferenceNormalization(const Problem& problem) : p_(problem), moments_of_(problem.spec) {
    moments_of_.divisor = NormDivisor::kDeviation;
  }

  void Forward(const NormForwardArgs& args) const override {
    if (p_.plan.size == 0 && !p_.options.reducer) return;
    const Values gamma = Parameter(args.gamma), beta = Parameter(args.beta), x = Input(args);
    const reference::Inputs in = InputsOf(x, gamma, beta);
    reference::Statistics statistics = StatisticsOf(x);
    const double count = Merge(&statistics);
    p_.WarnOfOneValue(count);
    if (count == 0) return;  // an empty batch leaves everything alone
    Values rstd;             // y is of what is saved, as in Apply
    for (size_t s = 0; s < statistics.mean.size(); ++s) {
      rstd.push_back(RstdOf(statistics.variance[s], p_.epsilon()));
      if (args.saved.mean) args.saved.mean[s] = statistics.mean[s];
      if (args.saved.rstd) args.saved.rstd[s] = rstd[s];
      if (args.saved.variance) args.saved.variance[s] = statistics.variance[s];
    }
    Write(args, reference::Forward(in, StatisticsOf(statistics.mean.data(), rstd.data())));
  }

  void Inference(const NormForwardArgs& args, const GivenStatistics& given) const override {
    const Values gamma = Parameter(args.gamma), beta = Parameter(args.beta), x = Input(args);
    const DType dtype = ParameterDType(p_.dtype);
    reference::Statistics statistics;
    statistics.variance = p_.spec.divisor == NormDivisor::kNone
                              ? Values(static_cast<size_t>(p_.plan.num_stat))
                              : ToDoubles(given.variance, dtype, p_.plan.num_stat);
    statistics.mean = p_.spec.center ? ToDoubles(given.mean, dtype, p_.plan.num_stat)
                                     : Values(statistics.variance.size());
    Write(args, reference::Forward(InputsOf(x, gamma, beta), statistics));
  }

  void Backward(const NormBackwardArgs& args) const override {
    WithGradient(args, /*passed=*/nullptr,
                 [&](const reference::Inputs& in, const Values& dz,
                     const reference::Statistics& statistics) {
                   reference::GradientSums sums = reference::SumGradients(in, statistics, dz);
                   if (!args.fixed_statistics) Share(&sums);
                   const auto gradients =
                       reference::BackwardFrom(in, statistics, dz, sums, args.fixed_statistics);
                   if (args.daddend) FromDoubles(dz, p_.dtype, args.daddend);
                   AddOrStore(gradients.dx, p_.dtype, args.accumulate, args.dx);
                   p_.StoreGradients(args, gradients.dgamma.data(), gradients.dbeta.data());
                 });
  }

  void Gather(const NormForwardArgs& args, Moments* moments) const override {
    const reference::Statistics statistics = StatisticsOf(Input(args));
    const double count = p_.plan.size > 0 ? static_cast<double>(p_.plan.num_reduced) : 0;
    for (size_t s = 0; s < statistics.mean.size(); ++s)
      moments[s] = {count, statistics.mean[s], statistics.variance[s] * count};
  }

  void Apply(const NormForwardArgs& args) const override {
    const Values gamma = Parameter(args.gamma), beta = Parameter(args.beta);
    const Values x = Data(args.residual ? args.sum : args.x);
    Write(args, reference::Forward(InputsOf(x, gamma, beta),
                                   StatisticsOf(args.saved.mean, args.saved.rstd)));
  }

  void GatherGradient(const NormBackwardArgs& args, const GradientSums& to) const override {
    WithGradient(args, /*passed=*/nullptr,
                 [&](const reference::Inputs& in, const Values& dz,
                     const reference::Statistics& statistics) {
                   const reference::GradientSums sums = reference::SumGradients(in, statistics, dz);
                   const auto gradients =
                       reference::BackwardFrom(in, statistics, dz, sums, args.fixed_statistics);
                   for (size_t s = 0; s < sums.w.size(); ++s) {
                     to.w[s] = args.fixed_statistics ? 0 : static_cast<double>(sums.w[s]);
                     to.w_xhat[s] = args.fixed_statistics ? 0 : static_cast<double>(sums.w_xhat[s]);
                   }
                   std::ranges::copy(gradients.dgamma, to.dgamma);
                   std::ranges::copy(gradients.dbeta, to.dbeta);
                   if (args.daddend) FromDoubles(dz, p_.dtype, args.daddend);
                 });
  }

  void ApplyGradient(const NormBackwardArgs& args, const GradientSums& from,
                     double count) const override {
    WithGradient(args, args.daddend,
                 [&](const reference::Inputs& in, const Values& dz,
                     const reference::Statistics& statistics) {
                   reference::GradientSums sums;
                   sums.count.assign(static_cast<size_t>(p_.plan.num_stat), count);
                   sums.w.assign(from.w, from.w + p_.plan.num_stat);
                   sums.w_xhat.assign(from.w_xhat, from.w_xhat + p_.plan.num_stat);
                   AddOrStore(
                       reference::BackwardFrom(in, statistics, dz, sums, args.fixed_statistics).dx,
                       p_.dtype, args.accumulate, args.dx);
                 });
  }

  void BackwardWithSums(const NormBackwardArgs& args, double* dgamma, double* dbeta,
                        bool add) const override {
    WithGradient(args, /*passed=*/nullptr,
                 [&](const reference::Inputs& in, const Values& dz,
                     const reference::Statistics& statistics) {
                   const auto gradients =
                       reference::Backward(in, statistics, dz, args.fixed_statistics);
                   if (args.daddend) FromDoubles(dz, p_.dtype, args.daddend);
                   AddOrStore(gradients.dx, p_.dtype, args.accumulate, args.dx);
                   const auto give = [&](const std::vector<double>& sums, double* to) {
                     if (add)
                       std::transform(sums.begin(), sums.end(), to, to, std::plus());
                     else
                       std::ranges::copy(sums, to);
                   };
                   give(gradients.dgamma, dgamma);
                   give(gradients.dbeta, dbeta);
                 });
  }

  bool TakesStrided(NormArray) const override { return false; }

  std::string_view Form() const override { return "long double"; }

  std::string Describe(NormPass) const override { return "reference, long double"; }

 private:
  Values Data(const void* array) const { return ToDoubles(array, p_.dtype, p_.layout.size()); }
  Values Parameter(const void* array) const {
    return array ? ToDoubles(array, ParameterDType(p_.dtype), p_.plan.num_param) : Values();
  }
  reference::Inputs InputsOf(const Values& x, const Values& gamma, const Values& beta) const {
    return {p_.spec, p_.layout, x, gamma, beta, p_.options.epsilon};
  }

  // x, or the sum of x and residual as it is stored.
  Values Input(const NormForwardArgs& args) const {
    Values x = Data(args.x);
    if (!args.residual) return x;
    const Values residual = Data(args.residual);
    const bool f64 = p_.dtype == DType::kF64;
    for (size_t i = 0; i < x.size(); ++i) {
      const double sum = x[i] + residual[i];
      x[i] = Rounded(f64 ? sum : static_cast<float>(sum), p_.dtype);
    }
    if (args.sum) FromDoubles(x, p_.dtype, args.sum);
    return x;
  }

  void Write(const NormForwardArgs& args, Values z) const {
    const Values addend = args.addend ? Data(args.addend) : Values();
    const Values gate = args.gate ? Data(args.gate) : Values();
    for (size_t i = 0; i < z.size(); ++i) {
      z[i] = Activated(p_.options, addend.empty() ? z[i] : z[i] + addend[i]);
      if (!gate.empty()) z[i] *= gate[i];
    }
    if (p_.quantizes()) return Quantize(args, z);
    FromDoubles(z, p_.dtype, args.y);
  }

  // In the arithmetic's type, of y as it would be stored.
  void Quantize(const NormForwardArgs& args, Values& y) const {
    for (double& value : y) value = Rounded(value, p_.dtype);
    p_.dtype == DType::kF64 ? QuantizeAs<double>(args, y) : QuantizeAs<float>(args, y);
  }
  template <class R>
  void QuantizeAs(const NormForwardArgs& args, const Values& y) const {
    const OutputType type = p_.options.output;
    const auto stat = reference::IndexOver(p_.layout, static_cast<Dims>(~p_.spec.reduce));
    const bool own = type == OutputType::kInt8PerStatistic;
    std::vector<R> largest(own ? static_cast<size_t>(p_.plan.num_stat) : 0);
    for (size_t i = 0; own && i < y.size(); ++i) {
      R& most = largest[static_cast<size_t>(stat[i])];
      const auto magnitude = static_cast<R>(std::abs(y[i]));
      if (magnitude > most || magnitude != magnitude) most = magnitude;
    }
    for (size_t s = 0; s < largest.size(); ++s) args.scales[s] = ScaleFor8Bits(largest[s]);
    for (size_t i = 0; i < y.size(); ++i) {
      const auto scale =
          static_cast<R>(own ? static_cast<double>(args.scales[stat[i]]) : p_.options.output_scale);
      const auto zero_point = static_cast<R>(p_.options.output_zero_point);
      const auto value = static_cast<R>(y[i]);
      if (type == OutputType::kFloat8E4M3)
        static_cast<uint8_t*>(args.y)[i] = ToFloat8(value / scale);
      else if (type == OutputType::kUint8)
        static_cast<uint8_t*>(args.y)[i] =
            static_cast<uint8_t>(QuantizedTo(value, scale, zero_point, R(0), R(255)));
      else
        static_cast<int8_t*>(args.y)[i] =
            static_cast<int8_t>(QuantizedTo(value, scale, zero_point, R(-128), R(127)));
    }
  }

  // Means, and means of squares whatever they are to be divided by.
  reference::Statistics StatisticsOf(const Values& x) const {
    const Values none;
    return reference::ComputeStatistics(
        {moments_of_, p_.layout, x, none, none, p_.options.epsilon});
  }

  // With those of the other ranks, and what epsilon is added to for the variance; gives how many
  // values each is of.
  double Merge(reference::Statistics* statistics) const {
    const auto count = static_cast<double>(p_.plan.num_reduced);
    const size_t n = statistics->variance.size();
    std::vector<Moments> moments(n);
    for (size_t s = 0; s < n; ++s)
      moments[s] = {count, statistics->mean[s], statistics->variance[s] * count};
    if (p_.options.reducer) p_.options.reducer->Merge(moments);
    for (size_t s = 0; s < n; ++s) {
      statistics->mean[s] = moments[s].mean;
      statistics->variance[s] = VarianceOf(moments[s], p_.spec.divisor);
    }
    return moments.empty() ? 0 : moments[0].n;
  }
  void Share(reference::GradientSums* sums) const {
    if (!p_.options.reducer) return;
    Values values;
    for (const auto* part : {&sums->count, &sums->w, &sums->w_xhat})
      for (const long double value : *part) values.push_back(static_cast<double>(value));
    p_.options.reducer->Sum(values);
    auto from = values.begin();
    for (auto* part : {&sums->count, &sums->w, &sums->w_xhat})
      for (long double& value : *part) value = *from++;
  }

  // Calls use(in, dz, statistics), dz what of dy passes the activation; `passed` where that is
  // known.
  template <class Use>
  void WithGradient(const NormBackwardArgs& args, const void* passed, const Use& use) const {
    const Values gamma = Parameter(args.gamma), beta = Parameter(args.beta);
    const reference::Statistics statistics = StatisticsOf(args.x ? args.mean : nullptr, args.rstd);
    const Values x = args.x ? Data(args.x) : XFromY(args, statistics);
    reference::Inputs in = InputsOf(x, gamma, beta);
    Values dz = Data(passed ? passed : args.dy);
    if (!passed && (args.gate || !ToldFromY(p_.options.activation)))
      PassAgain(reference::Forward(in, statistics), args, dz);
    else if (!passed && p_.options.activation != Activation::kNone && args.y)
      PassBack(Data(args.y), dz);
    else
      in.relu = !passed && p_.options.activation == Activation::kRelu;  // computed again from x
    use(in, dz, statistics);
  }

  // As saved: rstd says what the variance was. A null mean is 0.
  reference::Statistics StatisticsOf(const double* mean, const double* rstd) const {
    reference::Statistics statistics;
    for (int64_t s = 0; s < p_.plan.num_stat; ++s) {
      statistics.mean.push_back(mean ? mean[s] : 0);
      statistics.variance.push_back(1 / (rstd[s] * rstd[s]) - p_.epsilon());
    }
    return statistics;
  }

  // An x of mean 0 that gives y: xhat / rstd with xhat = (z - beta) / gamma.
  Values XFromY(const NormBackwardArgs& args, const reference::Statistics& statistics) const {
    Values x = Data(args.y);
    const Values gamma = Parameter(args.gamma), beta = Parameter(args.beta);
    const auto stat = reference::IndexOver(p_.layout, static_cast<Dims>(~p_.spec.reduce));
    const auto param = reference::IndexOver(p_.layout, p_.spec.affine);
    for (size_t i = 0; i < x.size(); ++i) {
      const auto s = static_cast<size_t>(stat[i]), c = static_cast<size_t>(param[i]);
      const bool below = p_.options.activation == Activation::kLeakyRelu && x[i] < 0;
      const double z = below ? x[i] / p_.options.negative_slope : x[i];
      const double xhat = (z - (beta.empty() ? 0 : beta[c])) / (gamma.empty() ? 1 : gamma[c]);
      x[i] = xhat * std::sqrt(statistics.variance[s] + p_.epsilon());
    }
    return x;
  }

  // What of dy passes the activation that wrote y; rounded where it is scaled, as it is stored.
  void PassBack(const Values& y, Values& dy) const {
    const double slope = p_.options.activation == Activation::kRelu ? 0 : p_.options.negative_slope;
    for (size_t i = 0; i < dy.size(); ++i)
      if (y[i] <= 0) dy[i] = slope == 0 ? 0 : Rounded(dy[i] * slope, p_.dtype);
  }

  // What of dy passes the gate and the activation of z and an array that was added.
  void PassAgain(Values z, const NormBackwardArgs& args, Values& dy) const {
    if (args.addend) {
      const Values addend = Data(args.addend);
      for (size_t i = 0; i < z.size(); ++i) z[i] += addend[i];
    }
    const Values gate = args.gate ? Data(args.gate) : Values(dy.size(), 1);
    Values dgate(args.dgate ? dy.size() : 0);
    for (size_t i = 0; i < dgate.size(); ++i) dgate[i] = dy[i] * Activated(p_.options, z[i]);
    if (args.dgate) FromDoubles(dgate, p_.dtype, args.dgate);
    for (size_t i = 0; i < dy.size(); ++i)
      dy[i] = Rounded(dy[i] * gate[i] * ActivationSlope(p_.options, z[i]), p_.dtype);
  }

  const Problem& p_;
  NormSpec moments_of_;
};

}  // namespace

const NormBackend kReferenceBackend = {
    "reference", [](const Problem&) { return std::string(); },
    [](const Problem& problem) -> std::unique_ptr<NormImplementation> {
      return std::make_unique<ReferenceNormalization>(problem);
    }};

}  // namespace normkit
