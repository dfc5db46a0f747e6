// A layer: the user's word for a few operations and the arrays that they train.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "normkit/core/error.h"
#include "normkit/core/export.h"
#include "normkit/core/random.h"

namespace normkit {

class Graph;

// Names an array of a graph: its index in Graph::values().
using Value = int;

// One parameter array. Not trainable: what training fills in (trained_mean), or given states.
struct ParameterSpec {
  std::string name;  // "weights", "bias", "scale", "offset", "trained_mean", "trained_variance"
  std::vector<int64_t> shape;
  std::function<void(std::span<float> values, Random& random)> initialize;
  bool trainable = true;
  double learn_rate_factor = 1;
  double l2_factor = 1;
};

// A description: properties only. The same layer object may stand in several graphs.
class NORMKIT_API Layer {
 public:
  explicit Layer(std::string name) : name_(std::move(name)) {}
  virtual ~Layer() = default;

  virtual std::string_view type()
      const = 0;  // "convolution 2-D", "batch normalization": for tables and errors
  virtual std::string_view short_name() const = 0;  // "conv": what the graph names the unnamed by
  const std::string& name() const { return name_; }
  void set_name(std::string name) { name_ = std::move(name); }  // the graph names the unnamed

  // Whether it is where observations come in, and reads nothing.
  virtual bool is_input() const { return false; }

  // Checks what it is to read and adds its parameters and operations to the graph: Graph::Add calls
  // it. Images are BSSC (channels last), features BC. Returns what it gives, the first of which
  // the layer behind it reads. Throws Error that begins with "TYPE 'NAME': ".
  virtual std::vector<Value> Build(Graph& graph, std::span<const Value> inputs) const = 0;

  // One line on what the layer does, for tables: "3x3, 16 filters, stride 1, padding same".
  virtual std::string Description() const { return ""; }

 private:
  std::string name_;
};

// "convolution 2-D 'conv1'".
NORMKIT_API std::string Title(const Layer& layer);

}  // namespace normkit
