#include "src/nn/norm_sites.h"

#include <algorithm>

namespace normkit {

using Settings = ops::NormalizationSettings;

bool MovesStatistics(const Graph& graph, const Node& node, const Settings& norm) {
  if (norm.statistics != Settings::kBatch || norm.frozen) return false;
  const Value* given = &node.inputs[norm.mean_input()];
  return graph.value(given[0]).parameter >= 0 && graph.value(given[1]).parameter >= 0;
}

std::vector<NormSite> NormSites(const Graph& graph) {
  std::vector<NormSite> sites;
  for (size_t n = 0; n < graph.nodes().size(); ++n) {
    const Node& node = graph.nodes()[n];
    const Settings* settings = ops::NormalizationOf(*node.op);
    if (!settings) continue;
    NormSite site{.node = static_cast<int>(n), .name = node.name, .settings = *settings};
    if (node.layer >= 0) site.name = graph.layer(node.layer).layer->name();
    site.x = node.inputs[0];
    site.y = node.outputs[0];
    const auto parameter = [&](size_t input) { return graph.value(node.inputs[input]).parameter; };
    if (settings->scale) site.scale = parameter(1);
    if (settings->offset) site.offset = parameter(settings->scale ? 2 : 1);
    if (settings->statistics != Settings::kOwn) {
      site.mean = parameter(settings->mean_input());
      site.variance = parameter(settings->mean_input() + 1);
    }
    sites.push_back(std::move(site));
  }
  return sites;
}

std::vector<NormSite> MovingSites(const Graph& graph) {
  std::vector<NormSite> sites = NormSites(graph);
  std::erase_if(sites, [&](const NormSite& site) {
    return !MovesStatistics(graph, graph.node(site.node), site.settings);
  });
  return sites;
}

std::span<float> SiteArray(Parameters& parameters, int place) {
  if (place < 0) return {};
  return parameters.Get(parameters.list()[static_cast<size_t>(place)]);
}

std::span<const float> SiteArray(const Parameters& parameters, int place) {
  if (place < 0) return {};
  return parameters.Get(parameters.list()[static_cast<size_t>(place)]);
}

}  // namespace normkit
