// What every layer's checks share.
#pragma once

#include <string>
#include <utility>

#include "normkit/graph/graph.h"
#include "normkit/nn/layers.h"
#include "src/graph/fail_layer.h"

namespace normkit {

// What a layer reads, of one observation.
std::vector<Layout> LayoutsOf(const Graph& graph, std::span<const Value> inputs);

// The only input; throws where there are none or several.
const Layout& OnlyInput(const Layer& layer, const Graph& graph, std::span<const Value> inputs);

// The only input, which has to be an image batch, BSSC.
const Layout& OnlyImage(const Layer& layer, const Graph& graph, std::span<const Value> inputs);

// The only input, which has to be packed time.
const Layout& OnlyTime(const Layer& layer, const Graph& graph, std::span<const Value> inputs);
// The same of features, TC.
const Layout& OnlySteps(const Layer& layer, const Graph& graph, std::span<const Value> inputs);

// For a layer that joins `count` inputs.
void CheckInputCount(const Layer& layer, std::span<const Value> inputs, int count);

// The function that fills a parameter with given fans (incoming and outgoing connections of one
// unit).
std::function<void(std::span<float>, Random&)> MakeInitializer(const Initializer& initializer,
                                                               int64_t fan_in, int64_t fan_out);

}  // namespace normkit
