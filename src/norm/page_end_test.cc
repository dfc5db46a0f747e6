// Arrays between pages that nobody may touch, as files mapped into memory are: nothing beside them
// is read.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "src/norm/case_testing.h"
#include "src/norm/cpu/wanted_schedule.h"
#include "src/simd/target.h"

namespace normkit {
namespace {

using cases::Case;
using cases::Problem;

// Memory between two pages that may neither be read nor written; an array lies at its end or at its
// beginning.
class Fenced {
 public:
  Fenced() {
    void* all = mmap(nullptr, kRoom + 2 * page_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED) throw std::bad_alloc();
    memory_ = static_cast<char*>(all) + page_;
    if (mprotect(memory_, kRoom, PROT_READ | PROT_WRITE) != 0) throw std::bad_alloc();
  }
  Fenced(const Fenced&) = delete;
  Fenced& operator=(const Fenced&) = delete;
  ~Fenced() { munmap(memory_ - page_, kRoom + 2 * page_); }

  // Of zeros where `from` is null.
  void* Place(const void* from, size_t bytes, bool at_end) {
    EXPECT_LE(bytes, kRoom);
    char* at = at_end ? memory_ + kRoom - bytes : memory_;
    if (from)
      std::memcpy(at, from, bytes);
    else
      std::memset(at, 0, bytes);
    return at;
  }

 private:
  static constexpr size_t kRoom = 1 << 18;
  const size_t page_ = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  char* memory_;
};

// Both passes and that of given statistics.
class Fences {
 public:
  void Run(const Problem& p, bool at_end) {
    next_ = 0;
    const auto place = [&](const Tensor& of, bool copy = true) {
      return fenced_[next_++].Place(copy ? of.data() : nullptr, of.bytes(), at_end);
    };
    const Normalization norm(p.test.spec, p.test.layout, p.test.dtype, p.test.Options());
    const auto n = static_cast<size_t>(norm.num_statistics());
    const auto statistics = [&] {
      return static_cast<double*>(fenced_[next_++].Place(nullptr, n * sizeof(double), at_end));
    };
    Normalization::ForwardArgs args{.x = place(p.x_tensor),
                                    .gamma = place(p.gamma_tensor),
                                    .beta = place(p.beta_tensor),
                                    .y = place(p.x_tensor, false),
                                    .saved = {statistics(), statistics()}};
    norm.ForwardTraining(args);
    Normalization::BackwardArgs backward{.x = args.x,
                                         .dy = place(p.dy_tensor),
                                         .gamma = args.gamma,
                                         .beta = args.beta,
                                         .mean = args.saved.mean,
                                         .rstd = args.saved.rstd,
                                         .dx = place(p.dy_tensor),
                                         .dgamma = place(p.gamma_tensor),
                                         .dbeta = place(p.beta_tensor)};
    for (const bool accumulate : {false, true}) {
      backward.accumulate = accumulate;
      norm.Backward(backward);
    }
    if (p.test.spec.reduce & kB) {
      const size_t bytes = n * SizeOf(ParameterDType(p.test.dtype));
      const void* mean = fenced_[next_++].Place(nullptr, bytes, at_end);
      const void* variance = fenced_[next_++].Place(nullptr, bytes, at_end);
      norm.ForwardInference(args, mean, variance);
    }
  }

 private:
  std::array<Fenced, 12> fenced_;
  size_t next_ = 0;
};

std::vector<Case> SmallCases(DType dtype) {
  std::vector<Case> result;
  const auto add = [&](const NormSpec& spec, const char* format, std::vector<int64_t> shape) {
    const Layout layout = cases::InGroups(spec, Layout::Make(format, shape), 2);
    for (const Activation activation : {Activation::kNone, Activation::kRelu, Activation::kElu})
      result.push_back({.spec = spec, .layout = layout, .dtype = dtype, .activation = activation});
  };
  for (const NormSpec& spec : {kInstanceNorm, kGroupNorm, kLayerNorm, kBatchNorm})
    for (const int64_t s : {1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 17, 33, 49})
      for (const int64_t c : {2, 38}) {
        add(spec, "BCS", {2, c, s});
        add(spec, "BSC", {2, s, c});
      }
  for (const NormSpec& spec : {kLayerNorm, kRmsNorm, kBatchNorm})
    for (const int64_t b : {1, 3, 18})
      for (const int64_t c :
           {1, 2, 3, 5, 8, 15, 16, 17, 31, 32, 33, 50, 63, 65, 100, 129, 224, 255, 257, 300, 1001})
        add(spec, "BC", {b, c});
  for (const int64_t b : {1, 3, 18})
    for (int64_t c = 1; c <= 33; ++c) add(kGroupNorm, "BC", {b, 2 * c});
  return result;
}

class PageEnd : public testing::TestWithParam<DType> {
 protected:
  void TearDown() override {
    simd::ForceTarget(simd::AvailableTargets().front());
    norm::cpu::WantSchedule({});
  }
};

// What reads or writes beside an array ends the test.
TEST_P(PageEnd, NothingBesideAnArrayIsTouched) {
  Fences fences;
  for (const Case& test : SmallCases(GetParam())) {
    const Problem p(test);
    for (const std::string& target : simd::AvailableTargets()) {
      ASSERT_TRUE(simd::ForceTarget(target));
      for (const bool stream : {false, true}) {
        norm::cpu::WantSchedule({.stream = stream});
        for (const bool at_end : {false, true}) fences.Run(p, at_end);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Norm, PageEnd, testing::ValuesIn(cases::kDTypes),
                         [](const auto& test) { return std::string(Name(test.param)); });

}  // namespace
}  // namespace normkit
