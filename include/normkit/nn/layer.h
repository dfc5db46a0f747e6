// What a layer is: a description without data, and its execution for fixed shapes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "normkit/core/error.h"
#include "normkit/core/export.h"
#include "normkit/core/layout.h"
#include "normkit/core/random.h"

namespace normkit {

// One parameter array of a layer. Non-trainable ones are state that training fills in
// (trained_mean).
struct ParameterSpec {
  std::string name;  // "weights", "bias", "scale", "offset", "trained_mean", "trained_variance"
  std::vector<int64_t> shape;
  std::function<void(std::span<float> values, Random& random)> initialize;
  bool trainable = true;
  double learn_rate_factor = 1;
  double l2_factor = 1;
};

// What a pass over the network is for. Layers keep no such flag.
struct RunMode {
  bool training = false;           // batch statistics, dropout active, Backward may follow
  bool update_statistics = false;  // batch normalization moves its trained statistics
  bool dropout = true;             // with `training`; false: batch statistics, nothing dropped
  uint64_t seed = 0;               // dropout: with the node's index, all of its randomness
  uint64_t iteration = 0;
};

// Arrays of one call. Pointers are 64-byte aligned f32 in the order of the layouts given to
// Prepare. Batch size 0 never comes here.
struct ForwardContext {
  RunMode mode;
  int node = 0;
  std::span<const float* const> inputs;
  float* output = nullptr;
  std::span<float* const> parameters;  // in the order of Layer::Parameters; state may be written
  std::byte* saved = nullptr;          // saved_bytes(), kept until Backward; null outside training
  std::byte* scratch = nullptr;        // forward_scratch_bytes(), only for this call
};
struct BackwardContext {
  RunMode mode;
  int node = 0;
  std::span<const float* const> inputs;  // null where needs_input() is false
  const float* output = nullptr;         // null where needs_output() is false
  const float* doutput = nullptr;
  std::span<float* const> dinputs;      // null: not wanted
  std::span<const bool> add_to_dinput;  // add instead of overwrite; inputs are served in order
  std::span<float* const> parameters;
  std::span<float* const>
      dparameters;  // always overwritten; null where not trainable or not wanted
  const std::byte* saved = nullptr;
  std::byte* scratch = nullptr;  // backward_scratch_bytes()
};

// A layer made ready for fixed input shapes: kernels chosen, library primitives created. Used by
// one thread at a time.
class NORMKIT_API LayerOp {
 public:
  virtual ~LayerOp() = default;
  virtual size_t saved_bytes() const { return 0; }
  virtual size_t forward_scratch_bytes() const { return 0; }
  virtual size_t backward_scratch_bytes() const { return 0; }
  virtual bool needs_input(size_t) const { return true; }  // does Backward read inputs[i]?
  virtual bool needs_output() const { return false; }
  // May the output be inputs[0]? May dinputs[i] be doutput? Of several inputs all for which this
  // holds may be at once, being equal.
  virtual bool forward_in_place() const { return false; }
  virtual bool backward_in_place(size_t) const { return false; }
  virtual void Forward(const ForwardContext& context) = 0;
  virtual void Backward(const BackwardContext& context) = 0;
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

  // Checks the inputs and says what comes out. Image activations are BSSC (channels last), features
  // BC. Input layers take no inputs and give B = 1. Throws Error that begins with "TYPE 'NAME': ".
  virtual Layout OutputLayout(std::span<const Layout> inputs) const = 0;
  virtual std::vector<ParameterSpec> Parameters(std::span<const Layout>) const { return {}; }
  // For an input layer `inputs` holds its own output layout. Backward is only called with
  // `training`.
  virtual std::unique_ptr<LayerOp> Prepare(std::span<const Layout> inputs, bool training) const = 0;

  // One line on what the layer does, for tables: "3x3, 16 filters, stride 1, padding same".
  virtual std::string Description() const { return ""; }

 private:
  std::string name_;
};

}  // namespace normkit
