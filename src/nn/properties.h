// THE TABLES of the properties of layers, one for each structure of normkit/nn/layers.h: files,
// ONNX metadata, checks and docs/network-json.md read them. Names are handled apart.
#pragma once

#include <string_view>
#include <vector>

#include "normkit/nn/layers.h"
#include "src/core/json_properties.h"
#include "src/nn/norm_kinds.h"
#include "src/norm/names.h"
#include "src/ops/elementwise.h"

namespace normkit {

// An elementwise operation and its number.
struct ElementwiseOptions {
  const ops::Elementwise* row = nullptr;
  double number = row ? row->number.otherwise : 0;
};

template <>
struct EnumNames<InputNormalization> {
  static constexpr std::string_view kWhat = "normalization";
  static constexpr std::string_view kNames[] = {"none", "zerocenter", "zscore", "rescale-zero-one",
                                                "rescale-symmetric"};
};

template <>
struct EnumNames<OutputMode> {
  static constexpr std::string_view kWhat = "output mode";
  static constexpr std::string_view kNames[] = {"sequence", "last"};
};

template <>
struct EnumNames<SequenceDirection> {
  static constexpr std::string_view kWhat = "direction";
  static constexpr std::string_view kNames[] = {"forward", "reverse", "bidirectional"};
};

template <>
struct EnumNames<GateActivation> {
  static constexpr std::string_view kWhat = "gate activation";
  static constexpr std::string_view kNames[] = {"sigmoid", "hard-sigmoid"};
};

template <>
struct EnumNames<GateNormalization> {
  static constexpr std::string_view kWhat = "gate normalization";
  static constexpr std::string_view kNames[] = {"none", "layer"};
};

template <>
struct EnumNames<ResetGateMode> {
  static constexpr std::string_view kWhat = "reset gate mode";
  static constexpr std::string_view kNames[] = {"after-multiplication", "before-multiplication",
                                                "recurrent-bias-after-multiplication"};
};

template <>
struct EnumNames<StateActivation> {
  static constexpr std::string_view kWhat = "state activation";
  static constexpr std::string_view kNames[] = {"tanh", "softsign"};
};

template <>
struct EnumNames<AttentionMask> {
  static constexpr std::string_view kWhat = "attention mask";
  static constexpr std::string_view kNames[] = {"none", "causal"};
};

template <>
struct EnumNames<ResizeMethod> {
  static constexpr std::string_view kWhat = "method";
  static constexpr std::string_view kNames[] = {"nearest", "linear"};
};

template <>
const PropertyKind& KindOf<Initializer>();  // by name; a function has none
template <>
const PropertyKind& KindOf<Padding>();  // "same", a number, or [top, bottom, left, right]; of
                                        // volumes front and back first

// Upper bound of every size property: products of a few of them still fit in 64 bits.
inline constexpr int64_t kMaxSize = 1 << 20;

// The table of a structure, whatever stands in it.
const PropertyTable& TableFor(const ImageInputOptions&);
const PropertyTable& TableFor(const FeatureInputOptions&);
const PropertyTable& TableFor(const SequenceInputOptions&);
const PropertyTable& TableFor(const Image3dInputOptions&);
const PropertyTable& TableFor(const TransposedConvolutionOptions&);
const PropertyTable& TableFor(const ResizeOptions&);
const PropertyTable& TableFor(const PreluOptions&);
const PropertyTable& TableFor(const LayerScaleOptions&);
const PropertyTable& TableFor(const DynamicTanhOptions&);
const PropertyTable& TableFor(const CrossChannelNormalizationOptions&);
const PropertyTable& TableFor(const MultiplicationOptions&);
const PropertyTable& TableFor(const ConvolutionOptions&);
const PropertyTable& TableFor(const Convolution1dOptions&);
const PropertyTable& TableFor(const FullyConnectedOptions&);
const PropertyTable& TableFor(const LstmOptions&);
const PropertyTable& TableFor(const GruOptions&);
const PropertyTable& TableFor(const PoolingOptions&);
const PropertyTable& TableFor(const Pooling1dOptions&);
const PropertyTable& TableFor(const SelfAttentionOptions&);
const PropertyTable& TableFor(const EmbeddingOptions&);
const PropertyTable& TableFor(const PositionEmbeddingOptions&);
PropertyTable TableFor(const ElementwiseOptions& options);  // as its row says
const PropertyTable& TableFor(const DropoutOptions&);
const PropertyTable& TableFor(const AdditionOptions&);
const PropertyTable& TableFor(const ConcatenationOptions&);
const PropertyTable& TableFor(const ReflectionPadding2dOptions&);
const PropertyTable& TableFor(const Upsampling2dOptions&);
const PropertyTable& TableFor(const AdaptiveNormalizationOptions&);
const PropertyTable& TableFor(const ConditionalNormalizationOptions&);
const PropertyTable& TableFor(const NormalizationProperties&);  // rows are of NormKinds

// Puts what a file says into `options`.
template <class Options>
void ReadProperties(JsonProperties& properties, Options& options, unsigned of = ~0u) {
  properties.ReadAll(TableFor(options), of, &options);
}

// Throws Error "TYPE 'NAME': scale is -1, expected a number, 0 or more" on the first that is wrong.
void CheckProperties(const Layer& layer, const PropertyTable& table, const void* options,
                     unsigned of);
template <class Options>
void CheckProperties(const Layer& layer, const Options& options, unsigned of = ~0u) {
  CheckProperties(layer, TableFor(options), &options, of);
}

// Which normalizations have a property, for texts: "batch normalization".
std::string NormsWith(const Property& property);

// The table of docs/network-json.md.
std::string DocumentProperties();

}  // namespace normkit
