// Which arrays of a call may lie over each other: every pair either gives the same bits as arrays
// apart, or is refused.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <map>
#include <set>
#include <span>

#include "src/core/testing.h"
#include "src/norm/case_data.h"

namespace normkit {
namespace {

using cases::Case;
using cases::Problem;

using Pair = std::pair<std::string, std::string>;  // what is written, what it lies over

// The arrays of a call by name.
class Memory {
 public:
  static constexpr size_t kLine = 64;

  // `room`: bytes that may be used, at least its own.
  void Add(const std::string& name, const void* values, size_t bytes, size_t room) {
    std::vector<std::byte>& storage = storage_[name];
    storage.resize(std::max(bytes, room) + kLine);
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
  bool in_parts = false;  // by leaves of the outermost axis, where it can be cut
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

Normalization::BackwardArgs BackwardArgsOf(const Memory& m) {
  return {.x = m.Get("x"),
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
          .daddend = m.Get("daddend"),
          .gate = m.Get("gate"),
          .dgate = m.Get("dgate")};
}

const std::set<Pair> kPlaces = {{"y", "x"}, {"y", "residual"}, {"y", "addend"}};
const std::set<Pair> kBackwardPlaces = {
    {"dx", "x"},       {"dx", "y"},      {"dx", "dy"},          {"dx", "addend"},
    {"daddend", "dy"}, {"daddend", "y"}, {"daddend", "addend"},
};

std::set<Pair> Both(std::set<Pair> all, std::set<Pair> more) {
  all.merge(more);
  return all;
}

std::vector<Call> WholeCalls() {
  const auto training = [](const Normalization& n, const Memory& m) {
    n.ForwardTraining(ForwardArgsOf(m));
  };
  const auto inference = [](const Normalization& n, const Memory& m) {
    Normalization::ForwardArgs args = ForwardArgsOf(m);
    args.saved = {};
    n.ForwardInference(args, m.Get("given_mean"), m.Get("given_variance"));
  };
  const auto backward = [](const Normalization& n, const Memory& m) {
    n.Backward(BackwardArgsOf(m));
  };
  return {
      {"training",
       {"x", "gamma", "beta", "residual", "addend"},
       {"y", "sum", "mean", "rstd", "variance"},
       Both({{"sum", "x"}, {"sum", "residual"}}, kPlaces),
       training},
      {"training without residual",
       {"x", "gamma", "beta", "addend"},
       {"y", "mean", "rstd", "variance"},
       {{"y", "x"}, {"y", "addend"}},
       training},
      {"inference",
       {"x", "gamma", "beta", "residual", "addend", "given_mean", "given_variance"},
       {"y", "sum"},
       Both({{"sum", "x"},
             {"sum", "residual"},
             {"y", "sum"},
             {"y", "given_mean"},
             {"y", "given_variance"},
             {"sum", "given_mean"},
             {"sum", "given_variance"}},
            kPlaces),
       inference},
      {"backward",
       {"x", "dy", "gamma", "beta", "mean", "rstd", "y", "addend"},
       {"dx", "dgamma", "dbeta", "daddend"},
       kBackwardPlaces,
       backward},
      {"backward without addend",
       {"x", "dy", "gamma", "beta", "mean", "rstd", "y", "addend"},
       {"dx", "dgamma", "dbeta"},
       kBackwardPlaces,
       backward},
      {"backward with a gate",
       {"x", "dy", "gamma", "beta", "mean", "rstd", "y", "gate"},
       {"dx", "dgamma", "dbeta", "dgate"},
       kBackwardPlaces,
       backward},
  };
}

// How many moments Gather gives, and sums GatherGradient.
size_t NumMoments(const Normalization& n) {
  return static_cast<size_t>(n.num_statistics() * (n.joins() ? n.num_leaves(n.whole()) : 1));
}
size_t NumSums(const Normalization& n) {
  return static_cast<size_t>(n.num_sums() * n.num_leaves(n.whole()));
}

// The halves, and what is between them.
std::vector<Call> HalfCalls() {
  const auto gather = [](const Normalization& n, const Memory& m) {
    n.Gather(n.whole(), ForwardArgsOf(m), {m.Get<Moments>("moments"), NumMoments(n)});
  };
  const auto finish = [](const Normalization& n, const Memory& m) {
    n.Finish({m.Get<Moments>("joined"), static_cast<size_t>(n.num_statistics())},
             ForwardArgsOf(m).saved);
  };
  const auto apply = [](const Normalization& n, const Memory& m) {
    Normalization::ForwardArgs args = ForwardArgsOf(m);
    args.residual = args.sum;  // which is read in place of x where there is one
    n.Apply(n.whole(), args);
  };
  const auto gradient = [](const Normalization& n, const Memory& m) {
    const std::span<double> sums(m.Get<double>("sums"), NumSums(n));
    n.GatherGradient(n.whole(), BackwardArgsOf(m), sums);
    n.Join(sums);
    n.ApplyGradient(n.whole(), BackwardArgsOf(m), sums.first(static_cast<size_t>(n.num_sums())));
  };
  return {
      {"gather",
       {"x", "residual", "gamma", "addend"},
       {"sum", "moments"},
       {{"sum", "x"}, {"sum", "residual"}, {"moments", "gamma"}, {"moments", "addend"}},
       gather,
       true},
      {"finish", {"joined"}, {"mean", "rstd", "variance"}, {}, finish, true},
      {"apply",
       {"x", "gamma", "beta", "mean", "rstd", "addend"},
       {"y"},
       {{"y", "x"}, {"y", "addend"}},
       apply,
       true},
      {"apply to a sum",
       {"sum", "gamma", "beta", "mean", "rstd", "addend"},
       {"y"},
       {{"y", "sum"}, {"y", "addend"}},
       apply,
       true},
      {"halves of backward",
       {"x", "dy", "gamma", "beta", "mean", "rstd", "y", "addend"},
       {"dx", "dgamma", "dbeta", "daddend", "sums"},
       kBackwardPlaces,
       gradient,
       true},
  };
}

std::vector<Call> Calls() {
  std::vector<Call> all = WholeCalls();
  std::ranges::move(HalfCalls(), std::back_inserter(all));
  return all;
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
              {.activation = activation, .negative_slope = 0.25}),
        in_parts_(test.spec, test.layout, test.dtype,
                  {.activation = activation, .negative_slope = 0.25, .tree = HasTree(test)}) {
    statistics_.assign(static_cast<size_t>(norm_.num_statistics()), 0.75);
    given_.assign(statistics_.begin(), statistics_.end());
    moments_.assign(statistics_.size(), {.n = 4, .mean = 0.5, .m2 = 3});
  }

  Attempt Run(const Call& call, const std::string& over = "", const std::string& under = "",
              size_t shift = 0) const {
    Memory memory;
    const size_t end = over.empty() ? 0 : shift + Bytes(over);
    const auto room = [&](const std::string& name) { return name == under ? end : 0; };
    for (const auto& name : call.inputs) memory.Add(name, Values(name), Bytes(name), room(name));
    for (const auto& name : call.outputs) memory.Add(name, nullptr, Bytes(name), room(name));
    if (!over.empty()) memory.Over(over, under, shift);
    Attempt attempt{ErrorOf([&] { call.run(call.in_parts ? in_parts_ : norm_, memory); }), {}};
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
  // Parts are cut along the outermost axis, where it has no parameters.
  static bool HasTree(const Case& test) {
    return (test.spec.affine & test.layout.axes()[0].label) == 0;
  }
  const void* Values(const std::string& name) const {
    if (name == "x") return p_.x_tensor.data();
    if (name == "gamma") return p_.gamma_tensor.data();
    if (name == "beta") return p_.beta_tensor.data();
    if (name == "mean" || name == "rstd") return statistics_.data();
    if (name == "joined") return moments_.data();
    if (name.starts_with("given")) return given_.data();
    return p_.dy_tensor.data();  // of which there are residual, sum, addend, gate, dy and a y
  }
  size_t Elements(const std::string& name) const {
    if (name == "mean" || name == "rstd" || name == "variance" || name.starts_with("given"))
      return statistics_.size();
    if (name == "joined") return moments_.size();
    if (name == "moments") return NumMoments(in_parts_);
    if (name == "sums") return NumSums(in_parts_);
    return OfParameters(name) ? p_.gamma.size() : p_.x.size();
  }
  size_t Bytes(const std::string& name) const {
    if (name == "moments" || name == "joined") return Elements(name) * sizeof(Moments);
    const bool saved = name == "mean" || name == "rstd" || name == "variance" || name == "sums";
    if (saved) return Elements(name) * sizeof(double);
    const bool parameter = OfParameters(name) || name.starts_with("given");
    return Elements(name) * SizeOf(parameter ? DType::kF32 : p_.test.dtype);
  }
  static bool OfParameters(const std::string& name) {
    return name == "gamma" || name == "beta" || name == "dgamma" || name == "dbeta";
  }

  Problem p_;
  Normalization norm_, in_parts_;
  std::vector<double> statistics_;
  std::vector<float> given_;
  std::vector<Moments> moments_;
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
  // Read to the end before anything is written, or not at all.
  if (under.starts_with("given") || over == "moments") return;
  for (const size_t shift : {fixture.ElementBytes(over), fixture.HalfBytes(over)}) {
    const Attempt across = fixture.Run(call, over, under, shift);
    EXPECT_NE(across.error.find(word + "the same array or apart"), std::string::npos)
        << across.error;
  }
}

void CheckPairs(const Case& test, Activation activation) {
  const Fixture fixture(test, activation);
  for (const Call& call : Calls()) {
    const Attempt apart = fixture.Run(call);
    ASSERT_EQ(apart.error, "no error") << test.ToString() << ", " << call.name;
    for (size_t i = 0; i < call.outputs.size(); ++i) {
      std::vector<std::string> others = call.inputs;
      others.insert(others.end(), call.outputs.begin(), call.outputs.begin() + i);
      for (const std::string& other : others) {
        const bool swap = i > 0 && other == "y" && call.outputs[i] == "sum";
        const Pair pair = swap ? Pair{"y", "sum"} : Pair{call.outputs[i], other};
        SCOPED_TRACE(fmt::format("{}, {}, activation {}, {}: {} over {}", test.ToString(),
                                 Name(test.dtype), static_cast<int>(activation), call.name,
                                 pair.first, pair.second));
        CheckPair(fixture, call, apart, pair);
      }
    }
  }
}

TEST(Alias, EveryPairIsRightOrRefused) {
  std::vector<Case> all = cases::AllCases(DType::kF32, {.b = 2, .t = 2, .s = 3, .c = 4});
  std::erase_if(all, [](const Case& test) { return test.layout.rank() > 3; });
  for (const Case& test : all)
    for (const Activation activation :
         {Activation::kNone, Activation::kRelu, Activation::kLeakyRelu, Activation::kGelu})
      CheckPairs(test, activation);
}

// Where some channels are written before others are read.
TEST(Alias, EveryPairOfManyChannelsIsRightOrRefused) {
  for (const DType dtype : {DType::kF32, DType::kBF16})
    for (const auto& [b, c] : {std::pair{3, 4096}, {40, 2048}}) {
      const Layout layout = Layout::Make("BC", std::vector<int64_t>{b, c});
      for (const NormSpec& spec : {kBatchNorm, kLayerNorm})
        CheckPairs({spec, layout, dtype}, b < 40 ? Activation::kRelu : Activation::kNone);
    }
}

// A part's arrays are of its own size: those of the next begin behind them.
TEST(Alias, PartsMayLieSideBySide) {
  const Layout layout = Layout::Make("BC", std::vector<int64_t>{32, 3});
  const Problem p({kBatchNorm, layout});
  const Normalization norm(kBatchNorm, layout, DType::kF32, {.tree = true});
  const BatchPart half{norm.whole().whole, 0, BatchPart::kLeaves / 2};
  const size_t n = 16 * 3;
  std::vector<float> arrays(4 * n, 1.0f);
  std::vector<double> mean(3), rstd(3, 1.0), sums(static_cast<size_t>(8 * norm.num_sums()));
  const Normalization::ForwardArgs forward{
      .x = &arrays[0], .y = &arrays[n], .saved = {mean.data(), rstd.data()}};
  EXPECT_EQ(ErrorOf([&] { norm.Apply(half, forward); }), "no error");
  EXPECT_EQ(ErrorOf([&] {
              norm.GatherGradient(half,
                                  {.x = &arrays[0],
                                   .dy = &arrays[n],
                                   .mean = mean.data(),
                                   .rstd = rstd.data(),
                                   .dx = &arrays[2 * n]},
                                  sums);
            }),
            "no error");
  Normalization::ForwardArgs across = forward;
  across.y = &arrays[n - 1];
  EXPECT_EQ(ErrorOf([&] { norm.Apply(half, across); }),
            "batch normalization of BC [32,3]: x and y overlap, expected the same array or apart");
}

// What a call reads once more after it has written.
TEST(Alias, LengthsAndWeightsLieApart) {
  const std::string later = "expected arrays apart: the second is read after the first is written";
  const Layout layout = Layout::Make("BTC", std::vector<int64_t>{2, 3, 4});
  const Normalization norm(kLayerNorm, layout);
  std::vector<float> x(24, 1.5f), y(24), dy(24, 0.5f);
  std::vector<double> mean(2), rstd(2, 1.0);
  auto* lengths = reinterpret_cast<int64_t*>(y.data());
  lengths[0] = 2, lengths[1] = 3;
  const std::string title = "layer normalization of BTC [2,3,4]: ";
  EXPECT_EQ(
      ErrorOf([&] { norm.ForwardTraining({.x = x.data(), .y = y.data(), .lengths = lengths}); }),
      title + "y and lengths overlap, " + later);
  Normalization::BackwardArgs back{.x = x.data(), .dy = dy.data()};
  back.mean = mean.data(), back.rstd = rstd.data(), back.dx = y.data(), back.lengths = lengths;
  EXPECT_EQ(ErrorOf([&] { norm.Backward(back); }), title + "dx and lengths overlap, " + later);

  const Normalization batch(kBatchNorm, layout);
  std::vector<Moments> moments(4);
  const auto* weights = reinterpret_cast<const float*>(moments.data());
  EXPECT_EQ(
      ErrorOf([&] { batch.Gather(batch.whole(), {.x = x.data(), .weights = weights}, moments); }),
      "batch normalization of BTC [2,3,4]: moments and weights overlap, " + later);
}

TEST(Alias, SumsAreReadByTheSecondHalf) {
  const Normalization norm(kBatchNorm, Layout::Make("BC", std::vector<int64_t>{6, 2}));
  std::vector<float> x(12, 1.5f), dy(12, 0.5f);
  std::vector<double> mean(2), rstd(2, 1.0), sums(static_cast<size_t>(norm.num_sums()));
  Normalization::BackwardArgs back{.x = x.data(), .dy = dy.data()};
  back.mean = mean.data(), back.rstd = rstd.data(), back.dgamma = sums.data();
  const std::string overlap =
      "batch normalization of BC [6,2]: dgamma and sums overlap, expected arrays apart: ";
  EXPECT_EQ(ErrorOf([&] { norm.GatherGradient(norm.whole(), back, sums); }),
            overlap + "both are written");
  EXPECT_EQ(ErrorOf([&] { norm.ApplyGradient(norm.whole(), back, sums); }),
            overlap + "the second is read after the first is written");
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
  EXPECT_EQ(fixture.Run(calls[3], "dgamma", "x").error,
            "batch normalization of BC [4,3]: dgamma and x overlap, expected arrays apart: the "
            "second is read after the first is written");
  EXPECT_EQ(fixture.Run(calls[3], "daddend", "x").error,
            "batch normalization of BC [4,3]: daddend and x overlap, expected arrays apart: the "
            "second is read after the first is written");
}

}  // namespace
}  // namespace normkit
