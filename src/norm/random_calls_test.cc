// Calls with random layers, shapes, numbers and arguments: the same bits on every target, with any
// number of threads, in place or not. What nobody thought of to combine is combined here.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "normkit/core/threads.h"
#include "src/norm/case_data.h"
#include "src/norm/choose.h"
#include "src/simd/target.h"

namespace normkit {
namespace {

constexpr Activation kActivations[] = {Activation::kNone, Activation::kNone, Activation::kRelu,
                                       Activation::kLeakyRelu, Activation::kSilu};

Layout RandomLayout(Random& random) {
  constexpr const char* kFormats[] = {"BC",  "CB",  "BCS", "BSC",  "BTC",
                                      "BCT", "CBT", "SSC", "BCSS", "BSSC"};
  const std::string format = kFormats[random.Below(std::size(kFormats))];
  std::vector<int64_t> shape;
  for (size_t i = 0; i < format.size(); ++i) shape.push_back(1 + random.Below(9));
  shape[static_cast<size_t>(random.Below(std::ssize(shape)))] = 1 + random.Below(300);
  return Layout::Make(format, shape);
}

// Arguments of a forward pass and of the backward pass behind it.
class RandomCall {
 public:
  explicit RandomCall(uint64_t seed) : RandomCall(Random(seed)) {}

  // The bytes of all that both passes give. In place y goes over x and dx over dy.
  std::string Results(bool in_place) const {
    const Tensor kept = x_.Clone();
    Tensor x = x_.Clone(), dy = dy_.Clone(), other = x_.Clone(), other_dx = x_.Clone();
    Tensor sum = x_.Clone(), daddend = x_.Clone(), dgate = x_.Clone();
    Tensor dgamma = gamma_.Clone(), dbeta = beta_.Clone();
    Tensor &y = in_place ? x : other, &dx = in_place ? dy : other_dx;
    std::vector<double> saved(static_cast<size_t>(3 * norm_.num_statistics()));
    double* mean = saved.data();
    double* rstd = mean + norm_.num_statistics();
    Normalization::ForwardArgs args{.x = x.data(), .gamma = gamma(), .beta = beta(), .y = y.data()};
    args.saved = {mean, rstd, rstd + norm_.num_statistics()};
    if (adds_residual_) args.residual = residual_.data(), args.sum = sum.data();
    args.addend = addend(), args.gate = gate(), args.lengths = lengths();
    norm_.ForwardTraining(args);

    Normalization::BackwardArgs back{.x = adds_residual_ ? sum.data() : kept.data(),
                                     .dy = dy.data(),
                                     .gamma = gamma(),
                                     .beta = beta(),
                                     .mean = mean,
                                     .rstd = rstd,
                                     .dx = dx.data()};
    if (gamma()) back.dgamma = dgamma.data(), back.dbeta = dbeta.data();
    back.y = y.data(), back.addend = addend(), back.gate = gate(), back.lengths = lengths();
    if (adds_) back.daddend = daddend.data();
    if (gates_) back.dgate = dgate.data();
    back.fixed_statistics = fixed_;
    norm_.Backward(back);

    std::string bytes(reinterpret_cast<const char*>(mean), saved.size() * sizeof(double));
    for (const Tensor* array : {&y, &sum, &dx, &daddend, &dgate, &dgamma, &dbeta})
      bytes.append(static_cast<const char*>(array->data()), array->bytes());
    return bytes;
  }

  std::string ToString() const {
    return norm_.Describe() + (adds_residual_ ? ", residual" : "") + (adds_ ? ", addend" : "") +
           (gates_ ? ", gate" : "") + (lengths() ? ", lengths" : "") + (fixed_ ? ", fixed" : "");
  }

 private:
  explicit RandomCall(Random random)
      : spec_(NormSpecs()[static_cast<size_t>(random.Below(std::ssize(NormSpecs())))]),
        layout_(RandomLayout(random)),
        dtype_(cases::kDTypes[random.Below(std::ssize(cases::kDTypes))]),
        norm_(spec_, layout_, dtype_, RandomOptions(random)) {
    // Of f16 only numbers whose squares are not far from 1; NaN has any bits.
    constexpr double kScales[] = {1, 1, 1, 1e-20, 1e-39, 1e15};
    const double scale = dtype_ == DType::kF16 ? 1 : kScales[random.Below(std::size(kScales))];
    const auto array = [&](double mean, double deviation) {
      std::vector<double> values = cases::Normals(layout_.size(), random.Bits(), mean, deviation);
      return cases::MakeTensor(layout_, dtype_, values);
    };
    x_ = array(random.Below(3) == 0 ? 5 * scale : 0, scale), dy_ = array(.1, 1);
    residual_ = array(0, scale), addend_ = array(0, 1), gate_ = array(0, 1);
    const Layout parameters({{kC, norm_.num_parameters()}});
    const auto of_parameters = [&](double mean) {
      std::vector<double> values = cases::Normals(parameters.size(), random.Bits(), mean, .5);
      return cases::MakeTensor(parameters, norm_.parameter_dtype(), values);
    };
    gamma_ = of_parameters(1), beta_ = of_parameters(0);
    const auto one_of = [&](int64_t n) { return random.Below(n) == 0; };
    adds_residual_ = one_of(4), adds_ = one_of(4), gates_ = one_of(4), fixed_ = one_of(8);
    plain_ = one_of(4);
    if (layout_.SizeOf(kT) > 1 && one_of(2))
      for (int64_t i = 0; i < layout_.SizeOf(kB); ++i)
        lengths_.push_back(one_of(2) ? 1 : 1 + random.Below(layout_.SizeOf(kT)));
  }

  NormOptions RandomOptions(Random& random) const {
    NormOptions options{.activation = kActivations[random.Below(std::size(kActivations))]};
    if (!IsGrouped(spec_)) return options;
    const int64_t channels = layout_.SizeOf(kC);
    do options.num_groups = 1 + random.Below(channels);
    while (channels % options.num_groups != 0);
    return options;
  }

  const void* gamma() const { return plain_ ? nullptr : gamma_.data(); }
  const void* beta() const { return plain_ ? nullptr : beta_.data(); }
  const void* addend() const { return adds_ ? addend_.data() : nullptr; }
  const void* gate() const { return gates_ ? gate_.data() : nullptr; }
  const int64_t* lengths() const { return lengths_.empty() ? nullptr : lengths_.data(); }

  NormSpec spec_;
  Layout layout_;
  DType dtype_;
  Normalization norm_;
  Tensor x_, dy_, residual_, addend_, gate_, gamma_, beta_;
  bool adds_residual_ = false, adds_ = false, gates_ = false, fixed_ = false;
  bool plain_ = false;  // without gamma and beta
  std::vector<int64_t> lengths_;
};

TEST(RandomCalls, HaveTheSameBitsHoweverTheyAreMade) {
  const std::vector<std::string> targets = simd::AvailableTargets();
  for (uint64_t seed = 0; seed < 600; ++seed) {
    const RandomCall call(seed);
    SetNumThreads(1);
    simd::ForceTarget(targets.back());
    const std::string expected = call.Results(/*in_place=*/false);
    for (const std::string& target : targets) {
      simd::ForceTarget(target);
      for (const int threads : {1, 3}) {
        SetNumThreads(threads);
        for (const bool in_place : {false, true})
          EXPECT_TRUE(call.Results(in_place) == expected)
              << "seed " << seed << ", " << call.ToString() << (in_place ? ", in place" : "");
      }
    }
  }
  SetNumThreads(0);
  simd::ForceTarget(targets.front());
}

}  // namespace
}  // namespace normkit
