// Layers of a program's own in files: network files and ONNX models.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "normkit/core/error.h"
#include "normkit/core/export.h"
#include "normkit/core/layout.h"
#include "normkit/nn/layers.h"

namespace normkit {

// What writes one layer as ONNX nodes. Images are [N,C,H,W] there (layouts say BSSC), volumes
// [N,C,D,H,W], features [N,C]; sequences [N,T,C] with anything in their padding, so that only what
// looks at each step by itself has a form.
class NORMKIT_API OnnxLayerNodes {
 public:
  virtual ~OnnxLayerNodes() = default;
  virtual const std::vector<std::string>& inputs() const = 0;  // names of what the layer reads
  virtual const std::vector<Layout>& layouts() const = 0;      // of one observation, of each
  // Constants: the layer's parameter of that name, in a shape of as many elements; and numbers.
  // Give their names.
  virtual std::string ParameterConstant(std::string_view name, std::vector<int64_t> shape) = 0;
  virtual std::string Constant(std::string_view name, std::vector<int64_t> shape,
                               std::span<const float> values) = 0;
  virtual std::string Constant(std::string_view name, std::vector<int64_t> shape,
                               std::span<const int64_t> values) = 0;
  // A node with one output, whose name it gives. `part` tells the nodes of a layer apart; "": the
  // last one. Attributes are of the node before.
  virtual std::string Node(std::string_view op_type, std::string_view part,
                           std::vector<std::string> inputs) = 0;
  virtual void Int(std::string_view name, int64_t value) = 0;
  virtual void Float(std::string_view name, double value) = 0;
  virtual void Ints(std::string_view name, std::vector<int64_t> values) = 0;
  virtual void Text(std::string_view name, std::string value) = 0;
  // What the layer gives, and the oldest opset that has all nodes (13 unless said, 23 at most).
  virtual void set_output(std::string name) = 0;
  virtual void NeedOpset(int opset) = 0;
};

// How a kind of layer stands in files.
struct OwnLayer {
  std::string type = {};  // its Layer::type(): letters, digits, _
  // The layer called `name`, which may be "", of its properties, a JSON object: {"slope": 2}. What
  // it throws where they are not its own is an Error that says where they stand.
  std::function<LayerPtr(const std::string& name, const std::string& properties)> read = {};
  std::function<std::string(const Layer& layer)> write = {};  // the inverse: a JSON object
  // Its nodes, which follow from the layer and its inputs alone: models are read by writing the
  // layer again and comparing. Empty: it has no form in ONNX.
  std::function<void(const Layer& layer, OnnxLayerNodes& nodes)> write_onnx = {};
};

// From now on network files, SaveOnnx and LoadOnnx know it; before threads begin. Throws Error
// where the type is no such name or is known already.
NORMKIT_API void RegisterLayer(OwnLayer layer);

}  // namespace normkit
