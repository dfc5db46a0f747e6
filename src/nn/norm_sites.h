// The normalizations of a graph, whoever put them there: layers, or the nodes of an imported file.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "normkit/graph/parameters.h"
#include "src/ops/normalization.h"

namespace normkit {

struct NormSite {
  int node = -1;     // of Graph::nodes()
  std::string name;  // of the layer, or what the file calls the node
  ops::NormalizationSettings settings;
  Value x = -1, y = -1;
  // Places in Graph::parameters(), as in Parameters::list(); -1: it has none, or another node
  // computes it.
  int scale = -1, offset = -1, mean = -1, variance = -1;

  // Whether it predicts with statistics that training fills in.
  bool has_trained() const { return mean >= 0 && variance >= 0; }
};

// In topological order. Of what a layer or node does in several operations each is one.
std::vector<NormSite> NormSites(const Graph& graph);
// Whether training fills in the statistics that it predicts with, from those of each mini-batch,
// which it normalizes with; all that are so.
bool MovesStatistics(const Graph& graph, const Node& node, const ops::NormalizationSettings& norm);
std::vector<NormSite> MovingSites(const Graph& graph);

// An array of a site by its place, empty where it has none.
std::span<float> SiteArray(Parameters& parameters, int place);
std::span<const float> SiteArray(const Parameters& parameters, int place);

}  // namespace normkit
