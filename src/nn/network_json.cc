#include <algorithm>
#include <map>

#include "normkit/nn/networks.h"
#include "src/core/fail.h"
#include "src/core/files.h"
#include "src/core/suggest.h"
#include "src/nn/json_properties.h"

namespace normkit {
namespace {

using nlohmann::json;

constexpr uint64_t kMaxFileBytes = 1 << 24;
constexpr size_t kMaxLayers = 10000;

using Make = LayerPtr (*)(JsonProperties&, const NetworkPurpose&);

LayerPtr MakeImageInput(JsonProperties& p, const NetworkPurpose& purpose) {
  ImageInputOptions options{.name = p.Text("name", "")};
  const bool open = !p.Has("input_size") && purpose.input_size[0] > 0;
  options.input_size = open ? purpose.input_size : p.Triple("input_size");
  options.normalization = ParseInputNormalization(p.Text("normalization", "zerocenter"));
  return ImageInput(options);
}

LayerPtr MakeFeatureInput(JsonProperties& p, const NetworkPurpose&) {
  return FeatureInput({.name = p.Text("name", ""),
                       .num_features = p.Integer("num_features"),
                       .normalization = ParseInputNormalization(p.Text("normalization", "none"))});
}

// The properties that convolution and fully connected share.
template <class Options>
void ReadWeights(JsonProperties& p, Options& options) {
  options.bias = p.Flag("bias", true);
  options.weights_initializer = p.Begin("weights_initializer", Initializer::kGlorot);
  options.bias_initializer = p.Begin("bias_initializer", Initializer::kZeros);
  options.weight_learn_rate_factor = p.Number("weight_learn_rate_factor", 1);
  options.bias_learn_rate_factor = p.Number("bias_learn_rate_factor", 1);
  options.weight_l2_factor = p.Number("weight_l2_factor", 1);
  options.bias_l2_factor = p.Number("bias_l2_factor", 0);
}

LayerPtr MakeConvolution(JsonProperties& p, const NetworkPurpose&) {
  Convolution2dOptions options{.name = p.Text("name", ""),
                               .filter_size = p.Pair("filter_size"),
                               .num_filters = p.Integer("num_filters"),
                               .stride = p.Pair("stride", {1, 1}),
                               .dilation = p.Pair("dilation", {1, 1}),
                               .padding = p.Window("padding"),
                               .num_groups = p.Integer("num_groups", 1)};
  ReadWeights(p, options);
  return Convolution2d(options);
}

LayerPtr MakeFullyConnected(JsonProperties& p, const NetworkPurpose& purpose) {
  FullyConnectedOptions options{.name = p.Text("name", "")};
  const bool open = !p.Has("output_size") && purpose.num_classes > 0;
  options.output_size = open ? purpose.num_classes : p.Integer("output_size");
  ReadWeights(p, options);
  return FullyConnected(options);
}

Pooling2dOptions ReadPooling(JsonProperties& p) {
  return {.name = p.Text("name", ""),
          .pool_size = p.Pair("pool_size"),
          .stride = p.Pair("stride", {1, 1}),
          .padding = p.Window("padding")};
}

// The properties that all normalization layers share.
template <class Options>
Options ReadNorm(JsonProperties& p) {
  Options options;
  options.name = p.Text("name", "");
  options.epsilon = p.Number("epsilon", 1e-5);
  options.num_channels = p.OptionalInteger("num_channels");
  options.scale = p.Floats("scale");
  options.scale_initializer = p.Begin("scale_initializer", Initializer::kOnes);
  options.scale_learn_rate_factor = p.Number("scale_learn_rate_factor", 1);
  options.scale_l2_factor = p.Number("scale_l2_factor", 1);
  if constexpr (requires { options.offset; }) {
    options.offset = p.Floats("offset");
    options.offset_initializer = p.Begin("offset_initializer", Initializer::kZeros);
    options.offset_learn_rate_factor = p.Number("offset_learn_rate_factor", 1);
    options.offset_l2_factor = p.Number("offset_l2_factor", 1);
  }
  return options;
}

LayerPtr MakeBatchNormalization(JsonProperties& p, const NetworkPurpose&) {
  auto options = ReadNorm<BatchNormalizationOptions>(p);
  options.trained_mean = p.Floats("trained_mean");
  options.trained_variance = p.Floats("trained_variance");
  options.mean_decay = p.Number("mean_decay", 0.1);
  options.variance_decay = p.Number("variance_decay", 0.1);
  options.freeze_statistics = p.Flag("freeze_statistics", false);
  options.use_trained_statistics = p.Flag("use_trained_statistics", false);
  return BatchNormalization(options);
}

LayerPtr MakeLayerNormalization(JsonProperties& p, const NetworkPurpose&) {
  auto options = ReadNorm<LayerNormalizationOptions>(p);
  options.operation_dimension =
      ParseOperationDimension(p.Text("operation_dimension", "batch-excluded"));
  return LayerNormalization(options);
}

LayerPtr MakeGroupNormalization(JsonProperties& p, const NetworkPurpose&) {
  auto options = ReadNorm<GroupNormalizationOptions>(p);
  options.num_groups = p.Groups();
  return GroupNormalization(options);
}

// Of a layer that joins several: how many it names.
int NumInputs(JsonProperties& p) { return static_cast<int>(p.Texts("inputs").size()); }

template <LayerPtr (*kMake)(const std::string&)>
LayerPtr MakePlain(JsonProperties& p, const NetworkPurpose&) {
  return kMake(p.Text("name", ""));
}

const std::map<std::string, Make>& Types() {
  static const std::map<std::string, Make> types{
      {"image_input", MakeImageInput},
      {"feature_input", MakeFeatureInput},
      {"convolution2d", MakeConvolution},
      {"fully_connected", MakeFullyConnected},
      {"relu", MakePlain<Relu>},
      {"leaky_relu",
       [](JsonProperties& p, const NetworkPurpose&) {
         return LeakyRelu({.name = p.Text("name", ""), .scale = p.Number("scale", 0.01)});
       }},
      {"tanh", MakePlain<Tanh>},
      {"sigmoid", MakePlain<Sigmoid>},
      {"gelu", MakePlain<Gelu>},
      {"max_pooling2d",
       [](JsonProperties& p, const NetworkPurpose&) { return MaxPooling2d(ReadPooling(p)); }},
      {"average_pooling2d",
       [](JsonProperties& p, const NetworkPurpose&) { return AveragePooling2d(ReadPooling(p)); }},
      {"global_average_pooling2d", MakePlain<GlobalAveragePooling2d>},
      {"dropout",
       [](JsonProperties& p, const NetworkPurpose&) {
         return Dropout({.name = p.Text("name", ""), .probability = p.Number("probability", 0.5)});
       }},
      {"addition",
       [](JsonProperties& p, const NetworkPurpose&) {
         return Addition({.name = p.Text("name", ""), .num_inputs = NumInputs(p)});
       }},
      {"concatenation",
       [](JsonProperties& p, const NetworkPurpose&) {
         return Concatenation({.name = p.Text("name", ""), .num_inputs = NumInputs(p)});
       }},
      {"flatten", MakePlain<Flatten>},
      {"softmax", MakePlain<Softmax>},
      {"batch_normalization", MakeBatchNormalization},
      {"layer_normalization", MakeLayerNormalization},
      {"instance_normalization",
       [](JsonProperties& p, const NetworkPurpose&) {
         return InstanceNormalization(ReadNorm<InstanceNormalizationOptions>(p));
       }},
      {"group_normalization", MakeGroupNormalization},
      {"rms_normalization",
       [](JsonProperties& p, const NetworkPurpose&) {
         return RmsNormalization(ReadNorm<RmsNormalizationOptions>(p));
       }},
      {"norm",  // what the purpose asks for; none: nothing
       [](JsonProperties& p, const NetworkPurpose& purpose) {
         return MakeNorm(purpose.norm, p.Text("name", ""));
       }},
  };
  return types;
}

// Builds the graph layer by layer; names may also stand for a `norm` that came to nothing.
class Builder {
 public:
  Builder(const std::string& where, const NetworkPurpose& purpose)
      : where_(where), purpose_(purpose) {}

  void Add(const json& object, size_t index) {
    std::string where = fmt::format("{}: layers[{}]", where_, index);
    if (!object.is_object()) Fail("{}: expected an object", where);
    if (object.contains("name") && object["name"].is_string())
      where += fmt::format(" '{}'", object["name"].get<std::string>());
    JsonProperties properties(object, where);
    try {
      AddLayer(properties, index);
    } catch (const Error& error) {
      const std::string_view what = error.what();
      if (what.substr(0, where.size()) == where) throw;
      Fail("{}: {}", where, what);
    }
  }

  Graph Take() { return std::move(graph_); }

 private:
  void AddLayer(JsonProperties& properties, size_t index) {
    const std::string type = properties.RequiredText("type");
    const auto found = Types().find(type);
    if (found == Types().end()) FailType(properties.where(), type);
    const std::vector<Value> inputs = Inputs(properties, index);
    const LayerPtr layer = found->second(properties, purpose_);
    properties.CheckAllKnown();
    const std::string name = properties.Text("name", "");
    if (layer) {
      last_ = graph_.Add(layer, inputs);
    } else {
      if (inputs.size() != 1)
        Fail("{}: {} inputs given, expected 1", properties.where(), inputs.size());
      last_ = inputs[0];
    }
    if (!name.empty()) names_[name] = last_;
    if (layer) names_[layer->name()] = last_;
  }

  std::vector<Value> Inputs(JsonProperties& properties, size_t index) {
    const std::vector<std::string> names = properties.Texts("inputs");
    if (names.empty()) return index == 0 ? std::vector<Value>{} : std::vector{last_};
    std::vector<Value> inputs;
    for (const std::string& name : names) {
      const auto found = names_.find(name);
      if (found == names_.end()) FailInput(properties.where(), name);
      inputs.push_back(found->second);
    }
    return inputs;
  }

  [[noreturn]] void FailInput(const std::string& where, const std::string& input) const {
    std::vector<std::string> known;
    for (const auto& [name, value] : names_) known.push_back(name);
    Fail("{}: input '{}' is not the name of an earlier layer{}", where, input,
         DidYouMean(input, known));
  }

  [[noreturn]] static void FailType(const std::string& where, const std::string& type) {
    std::vector<std::string> known;
    for (const auto& [name, make] : Types()) known.push_back(name);
    const std::string nearest = DidYouMean(type, known);
    Fail("{}: type '{}' is unknown{}", where, type,
         nearest.empty() ? fmt::format(", expected one of {}", fmt::join(known, ", ")) : nearest);
  }

  std::string where_;
  const NetworkPurpose& purpose_;
  Graph graph_;
  Value last_ = 0;
  std::map<std::string, Value> names_;
};

// "3:14" for a byte of the text.
std::string LineAndColumn(std::string_view text, size_t byte) {
  const std::string_view before = text.substr(0, std::min(text.size(), byte > 0 ? byte - 1 : 0));
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const size_t start = before.rfind('\n');
  return fmt::format("{}:{}", line, before.size() - (start == before.npos ? 0 : start + 1) + 1);
}

// Refuses what the parser would pass over: a name that stands twice in one object.
json Parse(std::string_view text, const std::string& where) {
  std::vector<std::set<std::string>> names;
  const json::parser_callback_t check = [&](int, json::parse_event_t event, json& value) {
    if (event == json::parse_event_t::object_start) names.emplace_back();
    if (event == json::parse_event_t::object_end) names.pop_back();
    if (event == json::parse_event_t::key && !names.back().insert(value).second)
      Fail("{}: '{}' stands twice in one object", where, value.get<std::string>());
    return true;
  };
  try {
    return json::parse(text, check);
  } catch (const json::parse_error& error) {
    Fail("{}:{}: not JSON: {}", where, LineAndColumn(text, error.byte),
         std::string_view(error.what()).substr(std::string_view(error.what()).rfind(": ") + 2));
  } catch (const json::out_of_range& error) {  // which has no position
    Fail("{}: {}, expected numbers up to 1.8e308", where,
         std::string_view(error.what()).substr(std::string_view(error.what()).find("] ") + 2));
  }
}

}  // namespace

Graph ParseNetworkJson(std::string_view text, const std::string& where,
                       const NetworkPurpose& purpose) {
  const json root = Parse(text, where);
  if (!root.is_object() || !root.contains("layers") || !root["layers"].is_array())
    Fail("{}: expected an object with a list 'layers'", where);
  for (const auto& [name, value] : root.items())
    if (name != "layers")
      Fail("{}: property '{}' is unknown, expected layers{}", where, name,
           DidYouMean(name, {"layers"}));
  const json& layers = root["layers"];
  if (layers.empty() || layers.size() > kMaxLayers)
    Fail("{}: {} layers given, expected 1 to {}", where, layers.size(), kMaxLayers);
  Builder builder(where, purpose);
  for (size_t i = 0; i < layers.size(); ++i) builder.Add(layers[i], i);
  return builder.Take();
}

Graph ReadNetworkJson(const std::string& path, const NetworkPurpose& purpose) {
  return ParseNetworkJson(ReadFile(path, kMaxFileBytes), path, purpose);
}

}  // namespace normkit
