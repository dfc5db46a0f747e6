#include "src/onnx/import/imported.h"

#include <algorithm>
#include <numeric>
#include <string_view>

#include "src/core/fail.h"

namespace normkit {

std::vector<int> ChannelsLastOrder(int rank) {
  std::vector<int> order(static_cast<size_t>(rank));
  std::iota(order.begin(), order.end(), 0);
  if (rank >= 3) std::rotate(order.begin() + 1, order.begin() + 2, order.end());
  return order;
}

namespace {

// Element by element, so that axes stay where they are.
bool KeepsAxes(const std::string& type) {
  constexpr std::string_view kTypes[] = {"Add", "Sub", "Mul", "Div", "Cast", "Identity"};
  return std::ranges::find(kTypes, type) != std::end(kTypes);
}

bool TurnsChannelsForward(const onnx::NodeProto& node, int rank) {
  const std::vector<int> order = FileOrder(rank);
  for (const onnx::AttributeProto& attribute : node.attribute())
    if (node.op_type() == "Transpose" && attribute.name() == "perm")
      return std::ranges::equal(attribute.ints(), order);
  return false;
}

bool ChannelsLastWithin(const onnx::GraphProto& graph, const std::string& name, int rank,
                        int steps) {
  bool any = false;
  for (const onnx::NodeProto& node : graph.node()) {
    if (std::ranges::find(node.input(), name) == node.input().end()) continue;
    any = true;
    if (TurnsChannelsForward(node, rank)) continue;
    if (steps == 0 || !KeepsAxes(node.op_type()) || node.output_size() != 1 ||
        !ChannelsLastWithin(graph, node.output(0), rank, steps - 1))
      return false;
  }
  return any;
}

}  // namespace

bool HasChannelsLast(const onnx::GraphProto& graph, const std::string& name, int rank) {
  constexpr int kSteps = 4;  // a mean, a deviation, a cast
  return rank >= 3 && ChannelsLastWithin(graph, name, rank, kSteps);
}

std::vector<int> FileOrder(int rank) {
  std::vector<int> order(static_cast<size_t>(rank));
  std::iota(order.begin(), order.end(), 0);
  if (rank >= 3) std::rotate(order.begin() + 1, order.end() - 1, order.end());
  return order;
}

std::string Shown(const std::vector<ImportedArray>& arrays) {
  std::vector<std::string> texts;
  for (const ImportedArray& array : arrays) {
    std::vector<std::string> sizes;
    for (const int64_t size : array.shape) sizes.push_back(size < 0 ? "any" : std::to_string(size));
    texts.push_back(fmt::format("{} [{}]", array.name, fmt::join(sizes, ",")));
  }
  return fmt::format("{}", fmt::join(texts, ", "));
}

}  // namespace normkit
