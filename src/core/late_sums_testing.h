// Gradients that ranks add up, for tests of threads and of processes.
#pragma once

#include <cmath>
#include <vector>

#include "normkit/core/random.h"
#include "src/core/late_sums.h"

namespace normkit {

// Of a parameter: what each observation adds to its gradient, so that the sum depends on the order.
struct Addends {
  Addends(int64_t observations, int64_t values, int stream) : size(values) {
    Random random(3, static_cast<uint64_t>(stream));
    for (int64_t i = 0; i < observations * values; ++i)
      of.push_back(static_cast<float>(random.Normal() * std::exp(5 * random.Normal())));
  }
  int64_t size;
  std::vector<float> of;
};

// As a kernel does it, in arrays of T.
template <class T>
void SumTo(const Addends& addends, const BatchPart& part, Reducer* reducer, float* to) {
  std::vector<T> sums(static_cast<size_t>(addends.size * BatchPart::kLeaves));
  LeafArrays<T> leaves{};
  const LeafCut cut(part.rows(), part);
  for (int64_t i = 0; i < cut.count(); ++i) {
    T* sum = leaves[static_cast<size_t>(cut.leaf(i))] = sums.data() + i * addends.size;
    for (int64_t row = cut.begin(i); row < cut.begin(i + 1); ++row)
      for (int64_t k = 0; k < addends.size; ++k)
        sum[k] += T{addends.of[static_cast<size_t>((part.begin() + row) * addends.size + k)]};
  }
  SumLeavesTo(leaves, part, reducer, addends.size, to);
}

// Gradients of small parameters and of one that fills several buckets.
class Gradients {
 public:
  explicit Gradients(int64_t observations) : observations_(observations) {
    for (const int64_t size : {3, 1, 70'001, 7, 64, 2'000}) {
      parameters_.emplace_back(observations, size, static_cast<int>(size));
      total_ += static_cast<size_t>(size);
    }
  }
  // progresses: how often what is under way is asked for after each parameter.
  std::vector<float> Of(Reducer* reducer, LateSums* late, int progresses = 1) const {
    const BatchPart part = reducer
                               ? BatchPart::OfRank(observations_, reducer->rank(), reducer->ranks())
                               : BatchPart{.whole = observations_};
    std::vector<float> gradients(total_);
    if (late) late->Begin(dynamic_cast<TransferReducer&>(*reducer), gradients);
    float* to = gradients.data();
    for (size_t p = 0; p < parameters_.size(); to += parameters_[p++].size) {
      Reducer* const through = late ? late : reducer;
      if (p % 2 == 0)
        SumTo<float>(parameters_[p], part, through, to);
      else
        SumTo<double>(parameters_[p], part, through, to);
      for (int i = 0; late && i < progresses; ++i) late->Progress();
    }
    if (late) late->Finish();
    return gradients;
  }

 private:
  int64_t observations_;
  size_t total_ = 0;
  std::vector<Addends> parameters_;
};

}  // namespace normkit
