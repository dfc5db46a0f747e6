#include "src/nn/unet.h"

#include <string>
#include <utility>
#include <vector>

#include "src/core/fail.h"
#include "src/nn/network_chain.h"

namespace normkit {
namespace {

constexpr int64_t kLevels = 3;  // of sizes; each half of the one before

// Ronneberger et al. 2015, Cicek et al. 2016: a way down, a way up, and what the one saw at each
// size beside what the other has there.
class Unet {
 public:
  explicit Unet(const NetworkPurpose& purpose)
      : purpose_(purpose), chain_(purpose), dims_(purpose.input_depth > 0 ? 3 : 2) {}

  Graph Make() {
    std::vector<Value> seen;
    for (int64_t level = 0; level + 1 < kLevels; ++level) {
      seen.push_back(Block(fmt::format("{}", level + 1), purpose_.width << level));
      const PoolingOptions half{
          .name = fmt::format("pool{}", level + 1), .pool_size = {2}, .stride = {2}};
      chain_.graph.Add(dims_ == 3 ? MaxPooling3d(half) : MaxPooling2d(half));
    }
    Block(fmt::format("{}", kLevels), purpose_.width << (kLevels - 1));
    for (int64_t level = kLevels - 1; level-- > 0;) {
      const std::string number = fmt::format("{}up", level + 1);
      const TransposedConvolutionOptions twice{.name = "upconv" + number,
                                               .filter_size = {2},
                                               .num_filters = purpose_.width << level,
                                               .stride = {2}};
      const Value up = chain_.graph.Add(dims_ == 3 ? TransposedConvolution3d(twice)
                                                   : TransposedConvolution2d(twice));
      chain_.graph.Add(Concatenation({.name = "concat" + number}),
                       {seen[static_cast<size_t>(level)], up});
      Block(number, purpose_.width << level);
    }
    Add({.name = "convlast",
         .filter_size = {1},
         .num_filters = purpose_.num_classes,
         .weights_initializer = Initializer::kFanInUniform});
    chain_.graph.Add(Softmax("softmax"));
    return std::move(chain_.graph);
  }

 private:
  Value Add(const ConvolutionOptions& options) {
    return chain_.graph.Add(dims_ == 3 ? Convolution3d(options) : Convolution2d(options));
  }

  Value Block(const std::string& number, int64_t filters) {
    for (const char* part : {"a", "b"}) {
      const Value value = Add({.name = "conv" + number + part,
                               .filter_size = {3},
                               .num_filters = filters,
                               .padding = Padding::Same(),
                               .bias = chain_.NeedsBias(),
                               .weights_initializer = Initializer::kHe});
      chain_.Norm(number + part, value);
      chain_.graph.Add(Relu("relu" + number + part));
    }
    return chain_.graph.output();
  }

  const NetworkPurpose& purpose_;
  Chain chain_;
  int dims_;
};

void CheckHalves(const NetworkPurpose& purpose) {
  constexpr int64_t kDivisor = int64_t{1} << (kLevels - 1);
  const auto& [height, width, channels] = purpose.input_size;
  for (const int64_t size : {purpose.input_depth, height, width})
    if (size % kDivisor != 0)
      Fail("network 'unet': observations are {}{} x {}, expected multiples of {} ({} halvings)",
           purpose.input_depth > 0 ? fmt::format("{} x ", purpose.input_depth) : "", height, width,
           kDivisor, kLevels - 1);
}

}  // namespace

Graph UnetNetwork(const NetworkPurpose& purpose) {
  if (!purpose.answers_each_position)
    Fail("network 'unet' tells the class of each position, expected data with as many labels");
  if (purpose.width < 1 || purpose.width > 4096)
    Fail("network 'unet': width is {}, expected 1 to 4096", purpose.width);
  CheckHalves(purpose);
  return Unet(purpose).Make();
}

}  // namespace normkit
