#include "src/nn/finite_parameters.h"

#include <algorithm>

#include "src/core/finite.h"
#include "src/nn/layers/common.h"

namespace normkit {

std::string FindBadParameter(const Graph& graph, const Parameters& parameters,
                             std::span<const float> arena) {
  for (const Parameter& p : parameters.list()) {
    const auto values = arena.subspan(static_cast<size_t>(p.offset), static_cast<size_t>(p.size));
    const bool variance = p.name.ends_with(".trained_variance");
    size_t bad = FirstNonFinite(values);
    if (variance)
      bad = std::min(bad, static_cast<size_t>(std::find_if(values.begin(), values.end(),
                                                           [](float v) { return v < 0; }) -
                                              values.begin()));
    if (bad == values.size()) continue;
    const std::string own = p.name.substr(p.name.rfind('.') + 1);
    return fmt::format("{}: {}[{}] is {}, expected a finite number{}", graph.TitleOf(p.value), own,
                       bad, values[bad], variance ? " >= 0" : "");
  }
  return "";
}

std::string FindBadParameter(const Graph& graph, const Parameters& parameters) {
  return FindBadParameter(graph, parameters, parameters.values());
}

}  // namespace normkit
