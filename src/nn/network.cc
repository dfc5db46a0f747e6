#include "normkit/nn/network.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "src/core/fail.h"
#include "src/nn/memory.h"

namespace normkit {
namespace {

// 16 floats: a parameter begins on a cache line.
constexpr int64_t kAlignment = 16;

// FNV-1a. A parameter's random stream follows from its name, so that two networks that differ in
// their normalization layers begin with the same weights.
uint64_t StreamOf(std::string_view name) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : name) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3u;
  return hash;
}

// Elements; a double, because a hostile network file has any product.
double SizeOf(const std::vector<int64_t>& shape) {
  double size = 1;
  for (const int64_t n : shape) size *= static_cast<double>(n);
  return size;
}

std::vector<ParameterSpec> SpecsOf(const Graph& graph, const std::vector<Layout>& layouts,
                                   int node) {
  std::vector<Layout> inputs;
  for (const Value input : graph.node(node).inputs)
    inputs.push_back(layouts[static_cast<size_t>(input)]);
  return graph.node(node).layer->Parameters(inputs);
}

}  // namespace

double ParameterBytes(const Graph& graph) {
  const std::vector<Layout> layouts = graph.Layouts(1);
  double floats = 0;
  for (int node = 0; node < graph.size(); ++node)
    for (const ParameterSpec& spec : SpecsOf(graph, layouts, node))
      floats += std::ceil(SizeOf(spec.shape) / kAlignment) * kAlignment;
  return floats * sizeof(float);
}

Parameters::Parameters(const Graph& graph) {
  const std::vector<Layout> layouts = graph.Layouts(1);
  int64_t end = 0;
  for (int node = 0; node < graph.size(); ++node) {
    for (const ParameterSpec& spec : SpecsOf(graph, layouts, node)) {
      const std::string name = graph.node(node).layer->name() + "." + spec.name;
      CheckMemory((static_cast<double>(end) + SizeOf(spec.shape)) * sizeof(float),
                  "the parameters up to '" + name + "'");
      const auto size = static_cast<int64_t>(SizeOf(spec.shape));
      index_.emplace(name, list_.size());
      list_.push_back({name, node, spec.shape, end, size, spec.trainable, spec.learn_rate_factor,
                       spec.l2_factor});
      end += (size + kAlignment - 1) / kAlignment * kAlignment;
    }
  }
  values_ = Tensor(Layout({{kC, end}}));
}

void Parameters::Initialize(const Graph& graph, uint64_t seed) {
  const std::vector<Layout> layouts = graph.Layouts(1);
  size_t index = 0;
  for (int node = 0; node < graph.size(); ++node) {
    for (const ParameterSpec& spec : SpecsOf(graph, layouts, node)) {
      if (index >= list_.size() || list_[index].node != node)
        Fail("parameters: made for another graph than the one they are to be initialized for");
      const Parameter& parameter = list_[index++];
      Random random(seed, StreamOf(parameter.name));
      if (spec.initialize) spec.initialize(Get(parameter), random);
    }
  }
}

std::span<float> Parameters::Get(const Parameter& p) {
  return values().subspan(static_cast<size_t>(p.offset), static_cast<size_t>(p.size));
}

std::span<const float> Parameters::Get(const Parameter& p) const {
  return values().subspan(static_cast<size_t>(p.offset), static_cast<size_t>(p.size));
}

const Parameter* Parameters::Find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &list_[found->second];
}

std::vector<float*> Parameters::OfNode(int node) {
  std::vector<float*> pointers;
  for (const Parameter& parameter : std::ranges::equal_range(list_, node, {}, &Parameter::node))
    pointers.push_back(Get(parameter).data());
  return pointers;
}

Parameters Parameters::Clone() const {
  Parameters copy;
  copy.list_ = list_;
  copy.index_ = index_;
  copy.values_ = values_.Clone();
  return copy;
}

}  // namespace normkit
