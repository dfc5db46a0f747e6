#include "normkit/graph/parameters.h"

#include <cmath>

#include "src/core/fail.h"
#include "src/graph/memory.h"

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

}  // namespace

double ParameterBytes(const Graph& graph) {
  double floats = 0;
  for (const GraphParameter& parameter : graph.parameters())
    floats += std::ceil(SizeOf(parameter.spec.shape) / kAlignment) * kAlignment;
  return floats * sizeof(float);
}

Parameters::Parameters(const Graph& graph) {
  int64_t end = 0;
  for (const auto& [spec, value] : graph.parameters()) {
    CheckMemory((static_cast<double>(end) + SizeOf(spec.shape)) * sizeof(float),
                "the parameters up to '" + spec.name + "'");
    const auto size = static_cast<int64_t>(SizeOf(spec.shape));
    index_.emplace(spec.name, list_.size());
    list_.push_back({spec.name, value, graph.value(value).layer, spec.shape, end, size,
                     spec.trainable, spec.learn_rate_factor, spec.l2_factor});
    end += (size + kAlignment - 1) / kAlignment * kAlignment;
  }
  values_ = Tensor(Layout({{kC, end}}));
}

void Parameters::Initialize(const Graph& graph, uint64_t seed) {
  if (graph.parameters().size() != list_.size())
    Fail("parameters: made for another graph than the one they are to be initialized for");
  for (size_t i = 0; i < list_.size(); ++i) {
    const ParameterSpec& spec = graph.parameters()[i].spec;
    if (spec.name != list_[i].name || spec.shape != list_[i].shape)
      Fail("parameters: made for another graph than the one they are to be initialized for");
    Random random(seed, StreamOf(spec.name));
    if (spec.initialize) spec.initialize(Get(list_[i]), random);
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

Parameters Parameters::Clone() const {
  Parameters copy;
  copy.list_ = list_;
  copy.index_ = index_;
  copy.values_ = values_.Clone();
  return copy;
}

}  // namespace normkit
