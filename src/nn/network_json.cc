#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <set>

#include "normkit/nn/networks.h"
#include "src/core/fail.h"
#include "src/core/files.h"
#include "src/core/suggest.h"
#include "src/nn/layer_json.h"
#include "src/nn/layers/normalization.h"
#include "src/nn/layers/plain.h"
#include "src/nn/network_chain.h"
#include "src/nn/own_layers.h"
#include "src/nn/properties.h"

namespace normkit {
namespace {

using nlohmann::json;

constexpr uint64_t kMaxFileBytes = 1 << 24;
constexpr size_t kMaxLayers = 10000;

using Make = std::function<LayerPtr(JsonProperties&, const NetworkPurpose&)>;

// The options of a layer as the file has them, where `options` says what it may leave open.
template <class Options>
Options ReadOptions(JsonProperties& p, Options options = {}, unsigned of = ~0u) {
  options.name = p.Text("name", "");
  ReadProperties(p, options, of);
  return options;
}

template <class Options, LayerPtr (*kMake)(const Options&)>
LayerPtr MakeWithOptions(JsonProperties& p, const NetworkPurpose&) {
  return kMake(ReadOptions<Options>(p));
}

LayerPtr MakeImageInput(JsonProperties& p, const NetworkPurpose& purpose) {
  return ImageInput(ReadOptions<ImageInputOptions>(p, {.input_size = purpose.input_size}));
}

LayerPtr MakeImage3dInput(JsonProperties& p, const NetworkPurpose& purpose) {
  const auto& [height, width, channels] = purpose.input_size;
  return Image3dInput(ReadOptions<Image3dInputOptions>(
      p, {.input_size = {purpose.input_depth, height, width, channels}}));
}

LayerPtr MakeFeatureInput(JsonProperties& p, const NetworkPurpose& purpose) {
  return FeatureInput(ReadOptions<FeatureInputOptions>(p, {.num_features = purpose.num_features}));
}

LayerPtr MakeSequenceInput(JsonProperties& p, const NetworkPurpose& purpose) {
  return SequenceInput(ReadOptions<SequenceInputOptions>(p, StepsFor(purpose)));
}

LayerPtr MakeFullyConnected(JsonProperties& p, const NetworkPurpose& purpose) {
  const int64_t outputs = purpose.num_targets > 0 ? purpose.num_targets : purpose.num_classes;
  return FullyConnected(ReadOptions<FullyConnectedOptions>(p, {.output_size = outputs}));
}

LayerPtr MakeNormalization(NormKind kind, JsonProperties& p) {
  return std::make_shared<NormalizationLayer>(
      kind, ReadOptions<NormalizationProperties>(p, {}, Bit(kind)));
}

// Of a layer that joins as many values as it names.
template <class Options, LayerPtr (*kMake)(const Options&)>
LayerPtr MakeJoin(JsonProperties& p, const NetworkPurpose&) {
  return kMake(
      {.name = p.Text("name", ""), .num_inputs = static_cast<int>(p.Texts("inputs").size())});
}

template <LayerPtr (*kMake)(const std::string&)>
LayerPtr MakePlain(JsonProperties& p, const NetworkPurpose&) {
  return kMake(p.Text("name", ""));
}

// What the purpose asks for; none: nothing.
LayerPtr MakeChosenNorm(JsonProperties& p, const NetworkPurpose& purpose) {
  return MakeNorm(NormFor(purpose), p.Text("name", ""));
}

LayerPtr MakeElementwise(const ops::Elementwise& row, JsonProperties& p) {
  ElementwiseOptions options{&row};
  ReadProperties(p, options);
  return std::make_shared<ElementwiseLayer>(p.Text("name", ""), options);
}

std::map<std::string, Make> MakeTypes() {
  std::map<std::string, Make> types{
      {"image_input", MakeImageInput},
      {"image3d_input", MakeImage3dInput},
      {"feature_input", MakeFeatureInput},
      {"sequence_input", MakeSequenceInput},
      {"convolution2d", MakeWithOptions<Convolution2dOptions, Convolution2d>},
      {"convolution3d", MakeWithOptions<Convolution3dOptions, Convolution3d>},
      {"transposed_convolution2d",
       MakeWithOptions<TransposedConvolutionOptions, TransposedConvolution2d>},
      {"transposed_convolution3d",
       MakeWithOptions<TransposedConvolutionOptions, TransposedConvolution3d>},
      {"convolution1d", MakeWithOptions<Convolution1dOptions, Convolution1d>},
      {"fully_connected", MakeFullyConnected},
      {"lstm", MakeWithOptions<LstmOptions, Lstm>},
      {"gru", MakeWithOptions<GruOptions, Gru>},
      {"max_pooling2d", MakeWithOptions<Pooling2dOptions, MaxPooling2d>},
      {"average_pooling2d", MakeWithOptions<Pooling2dOptions, AveragePooling2d>},
      {"max_pooling3d", MakeWithOptions<Pooling3dOptions, MaxPooling3d>},
      {"average_pooling3d", MakeWithOptions<Pooling3dOptions, AveragePooling3d>},
      {"max_pooling1d", MakeWithOptions<Pooling1dOptions, MaxPooling1d>},
      {"average_pooling1d", MakeWithOptions<Pooling1dOptions, AveragePooling1d>},
      {"reflection_padding2d", MakeWithOptions<ReflectionPadding2dOptions, ReflectionPadding2d>},
      {"upsampling2d", MakeWithOptions<Upsampling2dOptions, Upsampling2d>},
      {"adaptive_instance_normalization",
       MakeWithOptions<AdaptiveNormalizationOptions, AdaptiveInstanceNormalization>},
      {"conditional_instance_normalization",
       MakeWithOptions<ConditionalNormalizationOptions, ConditionalInstanceNormalization>},
      {"global_average_pooling2d", MakePlain<GlobalAveragePooling2d>},
      {"global_average_pooling3d", MakePlain<GlobalAveragePooling3d>},
      {"resize", MakeWithOptions<ResizeOptions, Resize>},
      {"prelu", MakeWithOptions<PreluOptions, Prelu>},
      {"layer_scale", MakeWithOptions<LayerScaleOptions, LayerScale>},
      {"dynamic_tanh", MakeWithOptions<DynamicTanhOptions, DynamicTanh>},
      {"cross_channel_normalization",
       MakeWithOptions<CrossChannelNormalizationOptions, CrossChannelNormalization>},
      {"global_average_pooling1d", MakePlain<GlobalAveragePooling1d>},
      {"self_attention", MakeWithOptions<SelfAttentionOptions, SelfAttention>},
      {"embedding", MakeWithOptions<EmbeddingOptions, Embedding>},
      {"position_embedding", MakeWithOptions<PositionEmbeddingOptions, PositionEmbedding>},
      {"sinusoidal_position_encoding", MakePlain<SinusoidalPositionEncoding>},
      {"global_max_pooling1d", MakePlain<GlobalMaxPooling1d>},
      {"last_step", MakePlain<LastStep>},
      {"dropout", MakeWithOptions<DropoutOptions, Dropout>},
      {"addition", MakeJoin<AdditionOptions, Addition>},
      {"multiplication", MakeJoin<MultiplicationOptions, Multiplication>},
      {"concatenation", MakeJoin<ConcatenationOptions, Concatenation>},
      {"flatten", MakePlain<Flatten>},
      {"softmax", MakePlain<Softmax>},
      {"norm", MakeChosenNorm},
  };
  for (const NormKindRow& row : NormKinds())
    types.emplace(row.json, [&row](JsonProperties& p, const NetworkPurpose&) {
      return MakeNormalization(row.kind, p);
    });
  for (const ops::Elementwise& row : ops::ElementwiseTable())
    types.emplace(row.json, [&row](JsonProperties& p, const NetworkPurpose&) {
      return MakeElementwise(row, p);
    });
  return types;
}

const std::map<std::string, Make>& Types() {
  static const std::map<std::string, Make> types = MakeTypes();
  return types;
}

// What the toolbox calls otherwise.
constexpr std::pair<std::string_view, std::string_view> kToolboxNames[] = {
    {"depthConcatenation", "concatenation"},
    {"transposedConv2d", "transposed_convolution2d"},
    {"transposedConv3d", "transposed_convolution3d"},
    {"resize2d", "resize"},
    {"resize3d", "resize"}};

// By its name, or by what the toolbox calls it: "fullyConnectedLayer".
Make FindType(const std::string& type) {
  if (const auto found = Types().find(type); found != Types().end()) return found->second;
  for (const auto& [name, make] : Types())
    if (SameStem(type, name)) return make;
  for (const auto& [given, name] : kToolboxNames)
    if (SameStem(type, given)) return Types().at(std::string(name));
  return nullptr;
}

// Of a layer that a program has registered: what it throws is an error of the file.
Make MakeOwn(const OwnLayer& own) {
  return [&own](JsonProperties& p, const NetworkPurpose&) {
    const std::string name = p.Text("name", ""), properties = p.Others(kLayerWords).dump();
    LayerPtr layer;
    try {
      layer = own.read(name, properties);
    } catch (const std::exception& error) {
      Fail("{}: {}", p.where(), error.what());
    }
    if (!layer) Fail("{}: no layer is made of {}", p.where(), properties);
    if (layer->type() != own.type || layer->name() != name)
      Fail("{}: is read as {} '{}', expected {} '{}'", p.where(), layer->type(), layer->name(),
           own.type, name);
    return layer;
  };
}

Make FindAnyType(const std::string& type) {
  if (const Make make = FindType(type)) return make;
  const OwnLayer* own = FindOwnLayer(type);
  return own ? MakeOwn(*own) : nullptr;
}

[[noreturn]] void FailType(const std::string& where, const std::string& type) {
  std::vector<std::string> known;
  for (const auto& [name, make] : Types()) known.push_back(name);
  for (const OwnLayer& own : OwnLayers()) known.push_back(own.type);
  const std::string nearest = DidYouMean(type, known);
  Fail("{}: type '{}' is unknown{}", where, type,
       nearest.empty() ? fmt::format(", expected one of {}", fmt::join(known, ", ")) : nearest);
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
    const Make make = FindAnyType(type);
    if (!make) FailType(properties.where(), type);
    const LayerPtr layer = make(properties, purpose_);
    const std::vector<Value> inputs =
        Inputs(properties, index == 0 || (layer && layer->is_input()));
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

  std::vector<Value> Inputs(JsonProperties& properties, bool may_have_none) {
    const std::vector<std::string> names = properties.Texts("inputs");
    if (names.empty()) return may_have_none ? std::vector<Value>{} : std::vector{last_};
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

bool IsLayerType(const std::string& type) { return FindType(type) != nullptr; }

LayerPtr LayerFromJson(const json& object, const std::string& name, size_t inputs,
                       const std::string& where) {
  json named = object;
  named["name"] = name;
  if (inputs > 1) named["inputs"] = std::vector<std::string>(inputs);  // joins count them
  JsonProperties properties(named, where);
  const std::string type = properties.RequiredText("type");
  const Make make = FindAnyType(type);
  if (!make) FailType(where, type);
  const LayerPtr layer = make(properties, {});
  properties.Texts("inputs");
  properties.CheckAllKnown();
  if (!layer) Fail("{}: type '{}' is no layer", where, type);
  return layer;
}

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
