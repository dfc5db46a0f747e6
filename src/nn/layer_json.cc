#include "src/nn/layer_json.h"

#include <string>

#include "src/core/fail.h"
#include "src/nn/layers/attention.h"
#include "src/nn/layers/borders.h"
#include "src/nn/layers/channels.h"
#include "src/nn/layers/convolution.h"
#include "src/nn/layers/fully_connected.h"
#include "src/nn/layers/input.h"
#include "src/nn/layers/normalization.h"
#include "src/nn/layers/plain.h"
#include "src/nn/layers/pooling.h"
#include "src/nn/layers/recurrent.h"
#include "src/nn/layers/time_windows.h"
#include "src/nn/layers/transposed_convolution.h"
#include "src/nn/own_layers.h"
#include "src/nn/properties.h"

namespace normkit {
namespace {

using nlohmann::json;

// Those of the rows `of` that differ from the defaults.
void AddProperties(const PropertyTable& table, const void* options, unsigned of, json& out) {
  for (const Property& property : table.rows) {
    if (!property.Has(of) || SameValue(property, options, table.defaults)) continue;
    if (json value = property.kind->ToJson(property.In(options)); !value.is_null())
      out[std::string(property.name)] = std::move(value);
  }
}

// True where the layer is an L.
template <class L>
bool AddIf(const Layer& layer, json& out, unsigned of = ~0u) {
  const auto* as = dynamic_cast<const L*>(&layer);
  if (as) AddProperties(TableFor(as->options()), &as->options(), of, out);
  return as != nullptr;
}

bool HasNone(const Layer& layer) {
  return dynamic_cast<const NamedLayer*>(&layer) || dynamic_cast<const AdditionLayer*>(&layer) ||
         dynamic_cast<const ConcatenationLayer*>(&layer) ||
         dynamic_cast<const MultiplicationLayer*>(&layer);
}

}  // namespace

json LayerToJson(const Layer& layer) {
  json out{{"type", layer.type()}};
  const auto* norm = dynamic_cast<const NormalizationLayer*>(&layer);
  if (norm) return AddIf<NormalizationLayer>(layer, out, Bit(norm->kind())), out;
  if (AddIf<FeatureInputLayer>(layer, out) || AddIf<SequenceInputLayer>(layer, out)) {
    out["normalization"] = Name(dynamic_cast<const InputLayer&>(layer).normalization());
    return out;
  }
  if (AddIf<FullyConnectedLayer>(layer, out) || AddIf<LstmLayer>(layer, out) ||
      AddIf<GruLayer>(layer, out) || AddIf<Convolution1dLayer>(layer, out) ||
      AddIf<Pooling1dLayer>(layer, out) || AddIf<SelfAttentionLayer>(layer, out) ||
      AddIf<EmbeddingLayer>(layer, out) || AddIf<PositionEmbeddingLayer>(layer, out) ||
      AddIf<ConvolutionLayer>(layer, out) || AddIf<TransposedConvolutionLayer>(layer, out) ||
      AddIf<PoolingLayer>(layer, out) || AddIf<ResizeLayer>(layer, out) ||
      AddIf<PreluLayer>(layer, out) || AddIf<LayerScaleLayer>(layer, out) ||
      AddIf<DynamicTanhLayer>(layer, out) || AddIf<CrossChannelLayer>(layer, out) ||
      dynamic_cast<const SinusoidalLayer*>(&layer) || AddIf<DropoutLayer>(layer, out) ||
      HasNone(layer))
    return out;
  if (const auto* elementwise = dynamic_cast<const ElementwiseLayer*>(&layer)) {
    out["type"] = elementwise->options().row->json;
    AddIf<ElementwiseLayer>(layer, out);
    return out;
  }
  if (const OwnLayer* own = FindOwnLayer(layer.type())) {
    const std::string text = Called(layer, [&] { return own->write(layer); });
    const json properties = json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!properties.is_object())
      Fail("{} '{}': is written as no JSON object, expected one", layer.type(), layer.name());
    for (const char* taken : kLayerWords)
      if (properties.contains(taken))
        Fail("{} '{}': is written with a property '{}', which every layer has", layer.type(),
             layer.name(), taken);
    out.update(properties);
    return out;
  }
  Fail("{} '{}': has no form in JSON", layer.type(), layer.name());
}

}  // namespace normkit
