// A reducer whose ranks can give each other what they have.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "normkit/core/reducer.h"

namespace normkit {

// Merge and Sum from Gather, in rank order. Base: Reducer, or one that does more.
template <class Base>
class GatheringBase : public Base {
 public:
  void Merge(std::span<Moments> moments) override {
    Join(moments, [](Moments& into, const Moments& other) { into.Merge(other); });
  }
  void Sum(std::span<double> values) override {
    Join(values, [](double& into, double other) { into += other; });
  }

 private:
  template <class T, class Combine>
  void Join(std::span<T> values, const Combine& combine) {
    std::vector<T> all(values.size() * static_cast<size_t>(this->ranks()));
    this->Gather(std::as_bytes(values), std::as_writable_bytes(std::span(all)));
    std::copy_n(all.begin(), values.size(), values.begin());
    for (size_t i = values.size(); i < all.size(); ++i) combine(values[i % values.size()], all[i]);
  }
};

using GatheringReducer = GatheringBase<Reducer>;

}  // namespace normkit
