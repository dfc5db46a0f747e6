#include "tools/layer_table.h"

#include <fmt/format.h>

#include "src/nn/layers/normalization.h"

namespace normkit::tools {
namespace {

// What a normalization's statistics are taken over, in labels: "B,S" (batch), "C/8,S" (8 groups).
std::string Reduces(const Layer& layer, const Layout& x) {
  const auto* norm = dynamic_cast<const NormalizationLayer*>(&layer);
  if (!norm) return "";
  const Dims reduce = norm->SpecFor(x).reduce;
  std::string text;
  const auto add = [&](const std::string& label) { text += (text.empty() ? "" : ",") + label; };
  if ((reduce & kB) && x.Has(kB)) add("B");
  if (reduce & kG)
    add("C");
  else if (reduce & kC)
    add(fmt::format("C/{}", norm->GroupsFor(x)));
  if ((reduce & kS) && x.Has(kS)) add("S");
  if ((reduce & kT) && x.Has(kT)) add("T");
  return text.empty() ? "-" : text;
}

}  // namespace

Table LayerTable(const Graph& graph, const Parameters& parameters) {
  std::vector<int64_t> learnables(static_cast<size_t>(graph.size()));
  for (const Parameter& p : parameters.list())
    if (p.trainable) learnables[static_cast<size_t>(p.node)] += p.size;
  const std::vector<Layout> layouts = graph.Layouts(1);
  Table table{{"", "layer", "type", "output", "learnables", "reduces", "properties"}, {}};
  for (int i = 0; i < graph.size(); ++i) {
    const auto k = static_cast<size_t>(i);
    const Layer& layer = *graph.node(i).layer;
    const std::vector<Value>& inputs = graph.node(i).inputs;
    table.rows.push_back(
        {std::to_string(i + 1), layer.name(), std::string(layer.type()), layouts[k].ToString(),
         learnables[k] ? std::to_string(learnables[k]) : std::string("-"),
         inputs.empty() ? "" : Reduces(layer, layouts[static_cast<size_t>(inputs[0])]),
         layer.Description()});
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
