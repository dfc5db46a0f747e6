// The features of a network that others trained, as a part of another graph.
#include <algorithm>
#include <map>

#include "normkit/onnx/import.h"
#include "src/core/fail.h"
#include "src/core/suggest.h"
#include "src/stylize/graph_math.h"
#include "src/stylize/style_features.h"

namespace normkit {
namespace {

constexpr size_t kPlaces = 4;

// A node that gives [1,h,w,C] of a picture.
struct Place {
  std::string name;
  Value value;
  int64_t height;
};

class FeaturesOfOthers : public StyleFeatures {
 public:
  FeaturesOfOthers(const std::string& path, const std::vector<std::string>& style,
                   const std::vector<std::string>& content)
      : path_(path), imported_(ImportOnnx(path)) {
    CheckInput();
    const std::vector<Place> places = Places();
    if (places.empty()) Fail("{}: has no ReLU, expected a network of convolutions", path_);
    style_ = style.empty() ? Usual(places) : Named(places, style);
    content_ = content.empty() ? std::vector<Value>{style_[std::min<size_t>(1, style_.size() - 1)]}
                               : Named(places, content);
    const Value last =
        std::max(*std::ranges::max_element(style_), *std::ranges::max_element(content_));
    last_node_ = imported_.network.graph.value(last).node;
  }

  std::string Description() const override {
    std::vector<std::string> names;
    for (const Place& place : Places())
      if (std::ranges::find(style_, place.value) != style_.end()) names.push_back(place.name);
    const PictureHint& hint = imported_.picture;
    return fmt::format("{} of {} (pixels are {}, 0 to {}{})", fmt::join(names, ", "), path_,
                       hint.channel_order == "bgr" ? "BGR" : "RGB", Largest(),
                       hint.largest > 0 ? "" : ", assumed");
  }
  int64_t SmallestSide() const override { return 32; }

  FeatureValues AddTo(Graph& graph, Value pictures, Of of) const override {
    const Graph& from = imported_.network.graph;
    std::map<Value, Value> copies{{imported_.inputs[0].value, Meant(graph, pictures)}};
    for (int n = 0; n <= last_node_; ++n) {
      const Node& node = from.node(n);
      std::vector<Value> inputs;
      for (const Value input : node.inputs) inputs.push_back(Copy(graph, input, copies));
      const std::vector<Value> outputs = graph.AddNode(node.op, std::move(inputs));
      for (size_t i = 0; i < outputs.size(); ++i) copies[node.outputs[i]] = outputs[i];
    }
    FeatureValues values;
    for (const Value value : content_) values.content.push_back(copies.at(value));
    if (of == kResults)
      for (const Value value : style_) values.style.push_back(copies.at(value));
    return values;
  }

 private:
  void CheckInput() const {
    const auto& inputs = imported_.inputs;
    const bool is_picture = inputs.size() == 1 && inputs[0].channels_last &&
                            imported_.network.graph.layout(inputs[0].value).channels() == 3;
    if (!is_picture) Fail("{}: reads no picture, expected one, [N,3,H,W]", path_);
  }

  // "relu1" of "vgg.onnx: node 'relu1' (Relu)".
  static std::string NameOf(const std::string& title) {
    const size_t begin = title.rfind(" '") + 2, end = title.rfind("' ");
    return title.rfind(" '") == title.npos || end == title.npos ? title
                                                                : title.substr(begin, end - begin);
  }

  // Every ReLU on pictures, in the order of the file.
  std::vector<Place> Places() const {
    const Graph& graph = imported_.network.graph;
    std::vector<Place> places;
    for (const Node& node : graph.nodes()) {
      const Layout& layout = graph.layout(node.outputs[0]);
      if (node.op->name() != "relu" || layout.rank() != 4) continue;
      places.push_back({NameOf(node.title), node.outputs[0], layout.shape()[1]});
    }
    return places;
  }

  // The last of each size, of the first sizes.
  static std::vector<Value> Usual(const std::vector<Place>& places) {
    std::vector<Value> usual;
    for (size_t i = 0; i < places.size() && usual.size() < kPlaces; ++i)
      if (i + 1 == places.size() || places[i + 1].height < places[i].height)
        usual.push_back(places[i].value);
    return usual;
  }

  std::vector<Value> Named(const std::vector<Place>& places,
                           const std::vector<std::string>& names) const {
    std::vector<Value> values;
    std::vector<std::string> known;
    for (const Place& place : places) known.push_back(place.name);
    for (const std::string& name : names) {
      const auto found =
          std::ranges::find_if(places, [&](const Place& place) { return place.name == name; });
      if (found == places.end())
        Fail("{}: node '{}' is no ReLU on pictures of it, expected one of {}{}", path_, name,
             fmt::join(known, ", "), DidYouMean(name, known));
      values.push_back(found->value);
    }
    return values;
  }

  // The value of white; where the file does not say it, 1.
  float Largest() const {
    return imported_.picture.largest > 0 ? static_cast<float>(imported_.picture.largest) : 1.f;
  }

  // Colours as the network wants them.
  Value Meant(Graph& graph, Value pictures) const {
    const GraphMath math(graph);
    const float largest =
        imported_.picture.largest > 0 ? static_cast<float>(imported_.picture.largest) : 1.f;
    Value x = largest == 1 ? pictures : math.Multiply(pictures, math.Number(largest));
    if (imported_.picture.channel_order == "bgr")
      x = math.Apply(ops::Gather(3), {x, math.Numbers({2, 1, 0})});
    return x;
  }

  // What is no result of a node: constants, and parameters, which are constants here.
  Value Copy(Graph& graph, Value value, std::map<Value, Value>& copies) const {
    const auto [at, is_new] = copies.emplace(value, -1);
    if (!is_new) return at->second;
    const Graph& from = imported_.network.graph;
    const ValueInfo& info = from.value(value);
    if (info.parameter < 0) return at->second = graph.AddConstant(info.known->Clone());
    const Parameters& parameters = imported_.network.parameters;
    const Parameter& parameter = parameters.list()[static_cast<size_t>(info.parameter)];
    return at->second = GraphMath(graph).Floats(parameter.shape, parameters.Get(parameter));
  }

  std::string path_;
  ImportedNetwork imported_;
  std::vector<Value> style_, content_;
  int last_node_;
};

}  // namespace

std::shared_ptr<const StyleFeatures> FeaturesOfNetwork(const std::string& path,
                                                       const std::vector<std::string>& style,
                                                       const std::vector<std::string>& content) {
  return std::make_shared<FeaturesOfOthers>(path, style, content);
}

}  // namespace normkit
