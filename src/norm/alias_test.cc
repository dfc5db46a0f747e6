// Which arrays of a call may lie over each other: every pair either gives the same bits as arrays
// apart, or is refused.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <set>

#include "src/core/testing.h"
#include "src/norm/case_data.h"

namespace normkit {
namespace {

using cases::Case;
using cases::Problem;

using Pair = std::pair<std::string, std::string>;  // what is written, what it lies over

// The arrays of a call by name, each with room for any of them.
class Memory {
 public:
  static constexpr size_t kLine = 64;

  void Add(const std::string& name, const void* values, size_t bytes) {
    std::vector<std::byte>& storage = storage_[name];
    storage.resize(kBytes);
    pointers_[name] = Aligned(storage);
    bytes_[name] = bytes;
    if (values) std::memcpy(pointers_[name], values, bytes);
  }
  void Over(const std::string& name, const std::string& other, size_t shift) {
    pointers_[name] = pointers_.at(other) + shift;
  }
  template <class T = void>
  T* Get(const std::string& name) const {
    const auto found = pointers_.find(name);
    return found == pointers_.end() ? nullptr : reinterpret_cast<T*>(found->second);
  }
  std::string Bytes(const std::string& name) const {
    return {reinterpret_cast<const char*>(pointers_.at(name)), bytes_.at(name)};
  }

 private:
  static constexpr size_t kBytes = 1 << 16;
  static std::byte* Aligned(std::vector<std::byte>& storage) {
    const auto address = reinterpret_cast<uintptr_t>(storage.data());
    return storage.data() + (kLine - address % kLine) % kLine;
  }
  std::map<std::string, std::vector<std::byte>> storage_;
  std::map<std::string, std::byte*> pointers_;
  std::map<std::string, size_t> bytes_;
};

// A kind of call: what it is given, what it writes, and which of these may be the same array.
struct Call {
  std::string name;
  std::vector<std::string> inputs, outputs;
  std::set<Pair> same;  // allowed
  std::function<void(const Normalization&, const Memory&)> run;
};

Normalization::ForwardArgs ForwardArgsOf(const Memory& m) {
  return {.x = m.Get("x"),
          .gamma = m.Get("gamma"),
          .beta = m.Get("beta"),
          .y = m.Get("y"),
          .saved = {m.Get<double>("mean"), m.Get<double>("rstd"), m.Get<double>("variance")},
          .residual = m.Get("residual"),
          .sum = m.Get("sum"),
          .addend = m.Get("addend")};
}

void RunBackward(const Normalization& norm, const Memory& m) {
  norm.Backward({.x = m.Get("x"),
                 .dy = m.Get("dy"),
                 .gamma = m.Get("gamma"),
                 .beta = m.Get("beta"),
                 .mean = m.Get<double>("mean"),
                 .rstd = m.Get<double>("rstd"),
                 .dx = m.Get("dx"),
                 .dgamma = m.Get("dgamma"),
                 .dbeta = m.Get("dbeta"),
                 .y = m.Get("y"),
                 .addend = m.Get("addend"),
                 .daddend = m.Get("daddend")});
}

std::vector<Call> Calls() {
  const std::set<Pair> parameters_last = {
      // The gradients of parameters are written when everything has been read.
      {"dgamma", "x"},      {"dgamma", "y"},     {"dgamma", "dy"},   {"dgamma", "gamma"},
      {"dgamma", "addend"}, {"dbeta", "addend"}, {"dgamma", "beta"}, {"dgamma", "mean"},
      {"dgamma", "rstd"},   {"dbeta", "x"},      {"dbeta", "y"},     {"dbeta", "dy"},
      {"dbeta", "gamma"},   {"dbeta", "beta"},   {"dbeta", "mean"},  {"dbeta", "rstd"}};
  const auto with = [](std::set<Pair> all, std::set<Pair> more) {
    all.merge(more);
    return all;
  };
  const auto training = [](const Normalization& n, const Memory& m) {
    n.ForwardTraining(ForwardArgsOf(m));
  };
  const auto inference = [](const Normalization& n, const Memory& m) {
    Normalization::ForwardArgs args = ForwardArgsOf(m);
    args.saved = {};
    n.ForwardInference(args, m.Get("given_mean"), m.Get("given_variance"));
  };
  const std::set<Pair> place = {{"y", "x"}, {"y", "residual"}, {"y", "addend"}};
  return {
      {"training",
       {"x", "gamma", "beta", "residual", "addend"},
       {"y", "sum", "mean", "rstd", "variance"},
       with({{"sum", "x"}, {"sum", "residual"}}, place),
       training},
      {"training without residual",
       {"x", "gamma", "beta", "addend"},
       {"y", "mean", "rstd", "variance"},
       {{"y", "x"}, {"y", "addend"}},
       training},
      {"inference",
       {"x", "gamma", "beta", "residual", "addend", "given_mean", "given_variance"},
       {"y", "sum"},
       with({{"sum", "x"},
             {"sum", "residual"},
             {"y", "sum"},
             {"y", "given_mean"},
             {"y", "given_variance"},
             {"sum", "given_mean"},
             {"sum", "given_variance"}},
            place),
       inference},
      {"backward",
       {"x", "dy", "gamma", "beta", "mean", "rstd", "y", "addend"},
       {"dx", "dgamma", "dbeta", "daddend"},
       with({{"dx", "x"},
             {"dx", "y"},
             {"dx", "dy"},
             {"dx", "addend"},
             {"daddend", "dy"},
             {"daddend", "y"},
             {"daddend", "addend"}},
            parameters_last),
       RunBackward},
      {"backward without addend",
       {"x", "dy", "gamma", "beta", "mean", "rstd", "y", "addend"},
       {"dx", "dgamma", "dbeta"},
       with({{"dx", "x"}, {"dx", "y"}, {"dx", "dy"}, {"dx", "addend"}}, parameters_last),
       RunBackward},
  };
}

// What a call gives in fresh memory, with `over` lying over `under`.
struct Attempt {
  std::string error;
  std::map<std::string, std::string> outputs;
};

class Fixture {
 public:
  explicit Fixture(const Case& test, Activation activation = Activation::kLeakyRelu)
      : p_(test),
        norm_(test.spec, test.layout, test.dtype,
              {.activation = activation, .negative_slope = 0.25}) {
    statistics_.assign(static_cast<size_t>(norm_.num_statistics()), 0.75);
    given_.assign(statistics_.begin(), statistics_.end());
  }

  Attempt Run(const Call& call, const std::string& over = "", const std::string& under = "",
              size_t shift = 0) const {
    Memory memory;
    for (const auto& name : call.inputs) memory.Add(name, Values(name), Bytes(name));
    for (const auto& name : call.outputs) memory.Add(name, nullptr, Bytes(name));
    if (!over.empty()) memory.Over(over, under, shift);
    Attempt attempt{ErrorOf([&] { call.run(norm_, memory); }), {}};
    for (const auto& name : call.outputs) attempt.outputs[name] = memory.Bytes(name);
    return attempt;
  }
  size_t ElementBytes(const std::string& name) const {
    return Bytes(name) / std::max<size_t>(1, Elements(name));
  }
  // Half of an array's elements.
  size_t HalfBytes(const std::string& name) const {
    return Elements(name) / 2 * ElementBytes(name);
  }

 private:
  const void* Values(const std::string& name) const {
    if (name == "x") return p_.x_tensor.data();
    if (name == "gamma") return p_.gamma_tensor.data();
    if (name == "beta") return p_.beta_tensor.data();
    if (name == "mean" || name == "rstd") return statistics_.data();
    if (name.starts_with("given")) return given_.data();
    return p_.dy_tensor.data();  // of which there are residual, addend, dy and a y
  }
  size_t Elements(const std::string& name) const {
    if (name == "mean" || name == "rstd" || name == "variance" || name.starts_with("given"))
      return statistics_.size();
    const bool parameter = name == "gamma" || name == "beta" || name == "dgamma" || name == "dbeta";
    return parameter ? p_.gamma.size() : p_.x.size();
  }
  size_t Bytes(const std::string& name) const {
    const bool saved = name == "mean" || name == "rstd" || name == "variance";
    return Elements(name) * (saved ? sizeof(double) : sizeof(float));
  }

  Problem p_;
  Normalization norm_;
  std::vector<double> statistics_;
  std::vector<float> given_;
};

void CheckPair(const Fixture& fixture, const Call& call, const Attempt& apart, const Pair& pair) {
  const auto& [over, under] = pair;
  const Attempt attempt = fixture.Run(call, over, under);
  const std::string word = " overlap, expected ";
  if (!call.same.contains(pair)) {
    EXPECT_NE(attempt.error.find(word), std::string::npos) << attempt.error;
    const Attempt half = fixture.Run(call, over, under, fixture.HalfBytes(under));
    EXPECT_NE(half.error.find(word), std::string::npos) << "half over: " << half.error;
    return;
  }
  EXPECT_EQ(attempt.error, "no error");
  for (const auto& [name, bytes] : attempt.outputs)
    EXPECT_TRUE(name == under || bytes == apart.outputs.at(name)) << name << " differs";
  if (over.starts_with("dgamma") || over.starts_with("dbeta") || under.starts_with("given")) return;
  for (const size_t shift : {fixture.ElementBytes(over), fixture.HalfBytes(over)}) {
    const Attempt across = fixture.Run(call, over, under, shift);
    EXPECT_NE(across.error.find(word + "the same array or apart"), std::string::npos)
        << across.error;
  }
}

std::vector<std::pair<Case, Activation>> WithActivations(const std::vector<Case>& tests) {
  std::vector<std::pair<Case, Activation>> all;
  for (const Case& test : tests)
    for (const Activation activation :
         {Activation::kNone, Activation::kRelu, Activation::kLeakyRelu, Activation::kGelu})
      all.emplace_back(test, activation);
  return all;
}

TEST(Alias, EveryPairIsRightOrRefused) {
  std::vector<Case> all = cases::AllCases(DType::kF32, {.b = 2, .t = 2, .s = 3, .c = 4});
  std::erase_if(all, [](const Case& test) { return test.layout.rank() > 3; });
  for (const auto& [test, activation] : WithActivations(all)) {
    const Fixture fixture(test, activation);
    for (const Call& call : Calls()) {
      const Attempt apart = fixture.Run(call);
      ASSERT_EQ(apart.error, "no error");
      for (size_t i = 0; i < call.outputs.size(); ++i) {
        std::vector<std::string> others = call.inputs;
        others.insert(others.end(), call.outputs.begin(), call.outputs.begin() + i);
        for (const std::string& other : others) {
          const bool swap = i > 0 && other == "y" && call.outputs[i] == "sum";
          const Pair pair = swap ? Pair{"y", "sum"} : Pair{call.outputs[i], other};
          SCOPED_TRACE(fmt::format("{}, activation {}, {}: {} over {}", test.ToString(),
                                   static_cast<int>(activation), call.name, pair.first,
                                   pair.second));
          CheckPair(fixture, call, apart, pair);
        }
      }
    }
  }
}

TEST(Alias, InferenceNeedsNoSum) {
  for (const Case& test : cases::AllCases(DType::kF32)) {
    const Fixture fixture(test);
    Call call = Calls()[2];
    const Attempt with = fixture.Run(call);
    call.outputs = {"y"};
    const Attempt without = fixture.Run(call);
    EXPECT_EQ(without.error, "no error") << test.ToString();
    EXPECT_EQ(without.outputs.at("y"), with.outputs.at("y")) << test.ToString();
    for (const char* place : {"x", "residual"})
      EXPECT_EQ(fixture.Run(call, "y", place).outputs.at("y"), with.outputs.at("y"))
          << test.ToString() << " over " << place;
    // y holds the sum until it is normalized: what is added then is needed longer.
    EXPECT_NE(fixture.Run(call, "y", "addend").error.find("y and addend overlap, expected"),
              std::string::npos);
  }
}

TEST(Alias, SaysWhy) {
  const Fixture fixture({kBatchNorm, Layout::Make("BC", std::vector<int64_t>{4, 3})});
  const std::vector<Call> calls = Calls();
  EXPECT_EQ(fixture.Run(calls[0], "y", "sum").error,
            "batch normalization of BC [4,3]: sum and y overlap, expected arrays apart: the "
            "backward pass reads the first");
  EXPECT_EQ(fixture.Run(calls[0], "sum", "addend").error,
            "batch normalization of BC [4,3]: sum and addend overlap, expected arrays apart: the "
            "second is read after the first is written");
  EXPECT_EQ(fixture.Run(calls[0], "rstd", "mean").error,
            "batch normalization of BC [4,3]: saved mean and saved rstd overlap, expected arrays "
            "apart: both are written");
  EXPECT_EQ(fixture.Run(calls[3], "daddend", "x").error,
            "batch normalization of BC [4,3]: daddend and x overlap, expected arrays apart: the "
            "second is read after the first is written");
}

}  // namespace
}  // namespace normkit
