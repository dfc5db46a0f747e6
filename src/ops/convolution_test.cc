// The ways to compute a convolution: which is chosen, how the environment forces one, and that they
// agree. What each computes is tested beside it (src/onednn, src/winograd).
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "src/core/testing.h"
#include "src/onednn/convolution_reference.h"
#include "src/ops/ops.h"

namespace normkit::ops {
namespace {

// As long as it lives, the environment asks for this way.
class WithWay {
 public:
  explicit WithWay(const char* name) { setenv("NORMKIT_CONVOLUTION", name, 1); }
  ~WithWay() { unsetenv("NORMKIT_CONVOLUTION"); }
};

const Window k3x3{.size = {3, 3}, .padding = Padding::Same()};

std::vector<OpInput> Inputs(int64_t channels, int64_t filters, int64_t size) {
  return {{{DType::kF32, Layout::Make("BSSC", std::vector<int64_t>{2, 8, 8, channels})}},
          {{DType::kF32, Layout::Unlabelled(std::vector{filters, channels, size, size})}},
          {{DType::kF32, Layout::Unlabelled(std::vector{filters})}}};
}

std::string WayOf(int64_t channels, const Window& window) {
  return Convolution(window, 1)
      ->Prepare(Inputs(channels, 16, window.size[0]), {.training = true})
      ->way();
}

TEST(ConvolutionWays, SayWhyNotTheOthers) {
  EXPECT_EQ(WayOf(16, k3x3), "winograd");
  EXPECT_EQ(WayOf(3, k3x3),
            "onednn; not winograd: 3 channels and 16 filters, expected multiples of 16");
  EXPECT_EQ(WayOf(16, {.size = {5, 5}}), "onednn; not winograd: filters are 5x5, expected 3x3");
}

TEST(ConvolutionWays, TheEnvironmentForcesOne) {
  {
    const WithWay way("onednn");
    EXPECT_EQ(WayOf(16, k3x3), "onednn");
  }
  {
    const WithWay way("winograd");
    EXPECT_ERROR(WayOf(16, {.size = {5, 5}}),
                 "NORMKIT_CONVOLUTION='winograd' cannot compute it: filters are 5x5, expected 3x3");
  }
  const WithWay way("windograd");
  EXPECT_ERROR(WayOf(16, k3x3),
               "NORMKIT_CONVOLUTION='windograd' is unknown, expected winograd, onednn, reference, "
               "did you mean 'winograd'?");
}

// Small whole numbers, so that f32 holds every sum exactly, Winograd's quarters of them too, and
// any order of additions gives the same bits.
std::vector<float> WholeNumbers(size_t size, uint64_t stream) {
  std::vector<float> numbers = NormalNumbers(size, stream);
  for (float& number : numbers) number = std::round(2 * number);
  return numbers;
}

// y, dx, dweights and dbias of a way, one behind the other; gradients of x are added to ones.
std::vector<float> ResultsOf(const char* name) {
  const WithWay way(name);
  const std::vector<OpInput> types = Inputs(16, 16, 3);
  const OpPtr op = Convolution(k3x3, 1);
  const std::unique_ptr<Kernel> kernel = op->Prepare(types, {.training = true});
  std::vector<std::vector<float>> x, dx;
  for (const OpInput& input : types) {
    const auto size = static_cast<size_t>(input.type.shape.size());
    x.push_back(WholeNumbers(size, x.size() + 1));
    dx.emplace_back(size, 1.f);
  }
  const auto size = static_cast<size_t>(op->Infer(types)[0].shape.size());
  std::vector<float> y(size);
  const std::vector<float> dy = WholeNumbers(size, 9);
  std::vector<std::byte> memory(
      64 + std::max(kernel->forward_scratch_bytes(), kernel->backward_scratch_bytes()));
  const size_t off = reinterpret_cast<uintptr_t>(memory.data()) % 64;
  std::byte* scratch = memory.data() + (off ? 64 - off : 0);
  const void* inputs[] = {x[0].data(), x[1].data(), x[2].data()};
  void* output = y.data();
  ForwardContext forward;
  forward.inputs = inputs;
  forward.outputs = {&output, 1};
  forward.scratch = scratch;
  kernel->Forward(forward);
  const float* doutput = dy.data();
  float* dinputs[] = {dx[0].data(), dx[1].data(), dx[2].data()};
  const bool add[] = {true, false, false};
  BackwardContext backward;
  backward.inputs = inputs;
  backward.doutputs = {&doutput, 1};
  backward.dinputs = dinputs;
  backward.add = add;
  backward.scratch = scratch;
  kernel->Backward(backward);
  for (const auto& gradient : dx) y.insert(y.end(), gradient.begin(), gradient.end());
  return y;
}

TEST(ConvolutionWays, Agree) {
  const std::vector<float> exact = ResultsOf("reference");
  for (const char* way : {"winograd", "onednn"}) EXPECT_EQ(ResultsOf(way), exact) << way;
}

}  // namespace
}  // namespace normkit::ops
