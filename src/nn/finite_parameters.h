// Parameters that no file may hold and no network may run with.
#pragma once

#include <span>
#include <string>

#include "normkit/nn/network.h"

namespace normkit {

// What is wrong with the first value of `arena`, which has the layout of the parameters, that is
// NaN or infinite, or a variance below zero: "batch normalization 'bn1': trained_mean[3] is nan,
// expected a finite number". "" where there is none.
std::string FindBadParameter(const Graph& graph, const Parameters& parameters,
                             std::span<const float> arena);

// Of the parameters themselves.
std::string FindBadParameter(const Graph& graph, const Parameters& parameters);

}  // namespace normkit
