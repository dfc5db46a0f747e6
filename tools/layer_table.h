// A network as a table, for people.
#pragma once

#include <cstdint>

#include "normkit/nn/network.h"
#include "normkit/report/report.h"

namespace normkit::tools {

// A row a layer: name, type, output size, learnable parameters, what a normalization's statistics
// are taken over, properties.
Table LayerTable(const Graph& graph, const Parameters& parameters);

// Elements of all trainable parameters.
int64_t CountLearnables(const Parameters& parameters);

}  // namespace normkit::tools
