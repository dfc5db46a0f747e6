// What a training held out of its data, found again by the facts that its model file keeps.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "normkit/data/source.h"
#include "normkit/nn/network.h"
#include "src/core/numbers.h"

namespace normkit {

// A number among the facts of `network`, or `otherwise`.
template <class T>
T Fact(const Network& network, const std::string& name, T otherwise) {
  const auto fact = network.facts.find(name);
  if (fact == network.facts.end()) return otherwise;
  return ParseNumber<T>(fact->second).value_or(otherwise);
}

// The part of `data` that the training of `network` held out: its fraction (Error where that is 0)
// of each class by `seed`. In other data than its own the same split holds what it was trained
// with: that is an Error, or a warning where the network does not say what data it was trained on.
// `model` is what messages call the network.
DataPtr HeldOutPart(const Network& network, const DataPtr& data, uint64_t seed,
                    const std::string& model);

}  // namespace normkit
