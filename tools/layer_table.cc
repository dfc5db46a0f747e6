#include "tools/layer_table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string>
#include <utility>
#include <vector>

#include "src/nn/layers/normalization.h"
#include "src/norm/statistics.h"

namespace normkit::tools {

std::string ReducesText(const Layer& of, const Layout& x) {
  const auto* layer = dynamic_cast<const NormalizationLayer*>(&of);
  if (!layer) return "";
  const int64_t groups = layer->GroupsFor(x);
  const NormSpec& spec = layer->SpecFor(x);
  const StatisticsCount statistics = StatisticsOf(spec, groups > 1 ? x.SplitChannels(groups) : x);
  return fmt::format("{}; one per {} ({}{})", statistics.over.empty() ? "nothing" : statistics.over,
                     statistics.per, statistics.number, spec.reduce & kB ? "" : " an observation");
}

Table LayerTable(const Graph& graph, const Parameters& parameters) {
  std::vector<int64_t> learnables(static_cast<size_t>(graph.num_layers()));
  for (const Parameter& p : parameters.list())
    if (p.trainable && p.layer >= 0) learnables[static_cast<size_t>(p.layer)] += p.size;
  Table table{{"", "layer", "type", "output", "learnables", "reduces", "properties"}, {}};
  for (int i = 0; i < graph.num_layers(); ++i) {
    const auto k = static_cast<size_t>(i);
    const Layer& layer = *graph.layer(i).layer;
    const Layout& output = graph.layout(graph.layer(i).output());  // a norm's is that of its input
    table.rows.push_back({std::to_string(i + 1), layer.name(), std::string(layer.type()),
                          output.ToString(),
                          learnables[k] ? std::to_string(learnables[k]) : std::string("-"),
                          ReducesText(layer, output), layer.Description()});
  }
  return table;
}

int64_t CountLearnables(const Parameters& parameters) {
  int64_t count = 0;
  for (const Parameter& p : parameters.list())
    if (p.trainable) count += p.size;
  return count;
}

}  // namespace normkit::tools
