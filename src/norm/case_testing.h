// A case with everything fused, in arrays that lie as it says.
#pragma once

#include <gtest/gtest.h>

#include <initializer_list>
#include <map>
#include <string>
#include <vector>

#include "src/norm/case_data.h"

namespace normkit::cases {

// All arrays of both passes, each lying as `lie` says with a seed of its own; null: dense.
class LyingArrays {
 public:
  explicit LyingArrays(const Problem& p) : LyingArrays(p, p.test.lie) {}
  // Where `only` names one of them, all others are dense.
  LyingArrays(const Problem& p, const Lie* lie, std::string only = "")
      : p_(p), lie_(lie), only_(std::move(only)) {}

  StridedMemory& operator[](const std::string& name) { return arrays_.at(name); }
  void* Add(const std::string& name, const void* dense, Strides* strides) {
    const Layout& layout = p_.test.layout;
    const auto seed = static_cast<int64_t>(arrays_.size()) % 3 + 1;
    const Strides lies = lie_ && (only_.empty() || only_ == name)
                             ? lie_->strides(layout, seed)
                             : WithGaps(layout, [](int) { return 0; });
    *strides = lies;
    return arrays_.emplace(name, StridedMemory(layout, p_.test.dtype, lies, dense))
        .first->second.data();
  }
  std::string Results(std::initializer_list<const char*> names) {
    std::string all;
    for (const char* name : names) {
      EXPECT_TRUE(arrays_.at(name).OthersAreLeftAlone()) << name;
      all += arrays_.at(name).Dense();
    }
    return all;
  }

 private:
  const Problem& p_;
  const Lie* lie_;
  const std::string only_;
  std::map<std::string, StridedMemory> arrays_;
};

// What of memory is looked at.
template <class T>
std::string BytesOf(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

// The bytes of all that a case writes: forward with a residual, an array added, one that gates y in
// 8 bits, its activation, its parameters; then backward on top of what is there.
class RunOfCase {
 public:
  explicit RunOfCase(const Problem& p) : p_(p), arrays_(p), options_(p.test.Options()) {}

  std::string Results() { return p_.test.output == OutputType::kSame ? BothPasses() : In8Bits(); }

 private:
  const void* Read(const char* name, const Tensor& values, Strides& strides) {
    return arrays_.Add(name, values.data(), &strides);
  }
  // With its x, residual, addend and sum; y is the caller's.
  Normalization::ForwardArgs Fused() {
    ArrayStrides& strides = options_.strides;
    return {.x = Read("x", p_.x_tensor, strides.x),
            .gamma = p_.gamma_tensor.data(),
            .beta = p_.beta_tensor.data(),
            .residual = Read("residual", p_.dy_tensor, strides.residual),
            .sum = arrays_.Add("sum", nullptr, &strides.sum),
            .addend = Read("addend", p_.dy_tensor, strides.addend)};
  }
  Normalization Make() {
    Normalization norm(p_.test.spec, p_.test.layout, p_.test.dtype, options_);
    for (auto* saved : {&mean_, &rstd_, &variance_})
      saved->resize(static_cast<size_t>(norm.num_statistics()));
    return norm;
  }
  SavedStatistics Saved() { return {mean_.data(), rstd_.data(), variance_.data()}; }
  std::string BytesOfSaved() const { return BytesOf(mean_) + BytesOf(rstd_) + BytesOf(variance_); }

  // y is dense.
  std::string In8Bits() {
    Normalization::ForwardArgs args = Fused();
    args.gate = Read("gate", p_.dy_tensor, options_.strides.gate);
    const Normalization norm = Make();
    std::vector<char> y(static_cast<size_t>(p_.test.layout.size()));
    std::vector<float> scales(mean_.size());
    args.y = y.data(), args.saved = Saved(), args.scales = scales.data();
    norm.ForwardTraining(args);
    return BytesOf(y) + BytesOf(scales) + arrays_.Results({"sum"}) + BytesOfSaved();
  }

  std::string BothPasses() {
    ArrayStrides& strides = options_.strides;
    Normalization::ForwardArgs args = Fused();
    args.y = arrays_.Add("y", nullptr, &strides.y);
    const void* dy = Read("dy", p_.dy_tensor, strides.dy);
    void* dx = arrays_.Add("dx", p_.x_tensor.data(), &strides.dx);
    void* daddend = arrays_.Add("daddend", nullptr, &strides.daddend);
    const Normalization norm = Make();
    args.saved = Saved();
    norm.ForwardTraining(args);
    std::vector<double> ones(p_.gamma.size(), 1);
    Tensor dgamma = MakeTensor(p_.gamma_tensor.layout(), p_.gamma_tensor.dtype(), ones);
    Tensor dbeta = dgamma.Clone();
    const Normalization::BackwardArgs fixed{.x = args.x,
                                            .dy = dy,
                                            .gamma = args.gamma,
                                            .beta = args.beta,
                                            .mean = mean_.data(),
                                            .rstd = rstd_.data(),
                                            .dx = dx,
                                            .y = args.y,
                                            .fixed_statistics = true};
    Normalization::BackwardArgs whole = fixed;
    whole.dgamma = dgamma.data(), whole.dbeta = dbeta.data();
    whole.addend = args.addend, whole.daddend = daddend;
    whole.accumulate = true, whole.fixed_statistics = false;
    norm.Backward(whole);
    std::string all = arrays_.Results({"y", "sum", "dx", "daddend"}) + BytesOfSaved() +
                      BytesOf(ToDoubles(dgamma)) + BytesOf(ToDoubles(dbeta));
    // Plain, and with constant statistics.
    norm.ForwardTraining({.x = args.x, .gamma = args.gamma, .y = args.y});
    all += arrays_.Results({"y"});
    norm.Backward(fixed);
    return all + arrays_.Results({"dx"});
  }

  const Problem& p_;
  LyingArrays arrays_;
  NormOptions options_;
  std::vector<double> mean_, rstd_, variance_;
};

inline std::string ResultsOf(const Problem& p) { return RunOfCase(p).Results(); }

}  // namespace normkit::cases
