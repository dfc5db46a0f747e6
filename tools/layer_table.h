// A network as a table, for people.
#pragma once

#include <cstdint>
#include <string>

#include "normkit/nn/network.h"
#include "src/report/report.h"

namespace normkit::tools {

// A row a layer: name, type, output size, learnable parameters, what a normalization's statistics
// are taken over, properties.
Table LayerTable(const Graph& graph, const Parameters& parameters);

// What the statistics of a normalization that reads x are taken over, and how many there are, in
// labels: "B,S,S; one per C (32)" (batch), "S,S,C/4; one per B,G (4 an observation)" (4 groups).
// Empty for other layers.
std::string ReducesText(const Layer& layer, const Layout& x);

// Elements of all trainable parameters.
int64_t CountLearnables(const Parameters& parameters);

}  // namespace normkit::tools
