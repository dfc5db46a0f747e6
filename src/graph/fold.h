// What of a graph is known before anything runs: constants, shapes, and what follows from them.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "normkit/core/tensor.h"
#include "normkit/ops/op.h"

namespace normkit {

// The outputs of an operation, where they follow from its inputs' types or from inputs all of which
// are known; else empty.
std::vector<std::shared_ptr<const Tensor>> Fold(const Op& op, std::span<const OpInput> inputs,
                                                std::span<const ArrayType> outputs);

// The same where all inputs are known, of any operation.
std::vector<std::shared_ptr<const Tensor>> Compute(const Op& op, std::span<const OpInput> inputs,
                                                   std::span<const ArrayType> outputs);

}  // namespace normkit
