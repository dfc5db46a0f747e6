// A layer of this project's own: it doubles, and stands in network files and models.
#include <normkit/normkit.h>

#include <filesystem>
#include <memory>
#include <string>

namespace {

class DoubleKernel : public normkit::Kernel {
 public:
  explicit DoubleKernel(int64_t size) : size_(size) {}
  void Forward(const normkit::ForwardContext& context) override {
    for (int64_t i = 0; i < size_; ++i) context.y()[i] = 2 * context.x()[i];
  }
  void Backward(const normkit::BackwardContext& context) override {
    float* dx = context.dx();
    for (int64_t i = 0; dx && i < size_; ++i)
      dx[i] = 2 * context.dy()[i] + (context.add[0] ? dx[i] : 0);
  }

 private:
  int64_t size_;
};

class DoubleOp : public normkit::Op {
 public:
  std::string_view name() const override { return "double"; }
  std::vector<normkit::ArrayType> Infer(std::span<const normkit::OpInput> inputs) const override {
    return {inputs[0].type};
  }
  std::unique_ptr<normkit::Kernel> Prepare(std::span<const normkit::OpInput> inputs,
                                           const normkit::Preparation&) const override {
    return std::make_unique<DoubleKernel>(inputs[0].type.shape.size());
  }
};

class DoubleLayer : public normkit::Layer {
 public:
  using Layer::Layer;
  std::string_view type() const override { return "doubled"; }
  std::string_view short_name() const override { return "doubled"; }
  std::vector<normkit::Value> Build(normkit::Graph& graph,
                                    std::span<const normkit::Value> inputs) const override {
    return graph.AddNode(std::make_shared<DoubleOp>(), {inputs[0]});
  }
};

}  // namespace

// Whether a network from a file is the same after it was a model.
bool OwnLayerStandsInFiles() {
  normkit::RegisterLayer(
      {.type = "doubled",
       .read = [](const std::string& name, const std::string&) -> normkit::LayerPtr {
         return std::make_shared<DoubleLayer>(name);
       },
       .write = [](const normkit::Layer&) -> std::string { return "{}"; },
       .write_onnx =
           [](const normkit::Layer&, normkit::OnnxLayerNodes& nodes) {
             const std::string& x = nodes.inputs().at(0);
             nodes.set_output(nodes.Node("Add", "", {x, x}));
           }});
  normkit::Network network;
  network.graph = normkit::ParseNetworkJson(
      R"({"layers": [{"type": "feature_input", "num_features": 3}, {"type": "doubled"}]})", "text");
  network.parameters = normkit::Parameters(network.graph);
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() / "normkit_own_layer.onnx";
  normkit::SaveOnnx(network, path.string());
  const normkit::Network read = normkit::LoadOnnx(path.string());
  std::filesystem::remove(path);
  return read.graph.layers().back().layer->type() == "doubled";
}
