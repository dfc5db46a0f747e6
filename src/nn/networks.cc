#include "normkit/nn/networks.h"

#include <memory>
#include <optional>
#include <utility>

#include "src/core/fail.h"
#include "src/core/numbers.h"
#include "src/core/suggest.h"
#include "src/core/text.h"
#include "src/nn/layers/normalization.h"

namespace normkit {
namespace {

// NormChoice::Kind is NormKind behind kNone.
static_assert(NormChoice::kBatch == 1 && NormChoice::kRms == 1 + static_cast<int>(NormKind::kRms));

const NormKindRow& RowOf(const NormChoice& norm) {
  return normkit::RowOf(static_cast<NormKind>(norm.kind - 1));
}

// Adds layers with numbered names to a chain.
class Chain {
 public:
  // `weights`: how convolutions begin.
  explicit Chain(const NetworkPurpose& purpose,
                 Initializer::Kind weights = Initializer::kFanInUniform)
      : purpose_(purpose), weights_(weights) {
    graph.Add(ImageInput({.name = "input",
                          .input_size = purpose.input_size,
                          .normalization = InputNormalization::kZscore}));
  }

  // A convolution and its norm; returns the last value. `silent`: that begins at zero, by the
  // norm's scale or, where there is none, by the weights.
  Value Convolution(const std::string& number, int64_t size, int64_t filters, int64_t stride,
                    Value input, Padding padding = Padding::Same(), bool silent = false) {
    const bool zeros = silent && purpose_.norm.kind == NormChoice::kNone;
    const Value value =
        graph.Add(Convolution2d({.name = "conv" + number,
                                 .filter_size = {size, size},
                                 .num_filters = filters,
                                 .stride = {stride, stride},
                                 .padding = padding,
                                 .bias = NeedsBias(),
                                 .weights_initializer = zeros ? Initializer::kZeros : weights_}),
                  {input});
    return Norm(number, value, silent ? Initializer::kZeros : Initializer::kOnes);
  }

  Value FullyConnectedNorm(const std::string& number, int64_t outputs) {
    graph.Add(FullyConnected({.name = "fc" + number, .output_size = outputs, .bias = NeedsBias()}));
    return Norm(number, graph.output());
  }

  // Begins at zero unless told otherwise: the first loss is ln(classes) whatever stands before, and
  // no class has to be unlearned.
  Graph Classify(const std::string& number, const Initializer& weights = Initializer::kZeros) {
    graph.Add(FullyConnected({.name = "fc" + number,
                              .output_size = purpose_.num_classes,
                              .weights_initializer = weights}));
    graph.Add(Softmax("softmax"));
    return std::move(graph);
  }

  Graph graph;

 private:
  bool NeedsBias() const {
    return purpose_.norm.kind == NormChoice::kNone || !RowOf(purpose_.norm).has_offset;
  }
  Value Norm(const std::string& number, Value input,
             const Initializer& scale = Initializer::kOnes) {
    const LayerPtr norm = MakeNorm(purpose_.norm, "norm" + number, scale);
    return norm ? graph.Add(norm, {input}) : input;
  }

  const NetworkPurpose& purpose_;
  Initializer::Kind weights_;
};

Graph SmallCnn(const NetworkPurpose& purpose) {
  Chain chain(purpose);
  for (int block = 1; block <= 3; ++block) {
    const std::string number = std::to_string(block);
    chain.Convolution(number, 3, int64_t{8} << block, 1, chain.graph.output());
    chain.graph.Add(Relu("relu" + number));
    chain.graph.Add(MaxPooling2d({.name = "pool" + number,
                                  .pool_size = {2, 2},
                                  .stride = {2, 2},
                                  .padding = Padding::Same()}));
  }
  chain.graph.Add(Flatten("flatten"));
  return chain.Classify("");
}

Graph Mlp(const NetworkPurpose& purpose) {
  Chain chain(purpose);
  chain.graph.Add(Flatten("flatten"));
  for (int layer = 1; layer <= 3; ++layer) {
    const std::string number = std::to_string(layer);
    chain.FullyConnectedNorm(number, 100);
    chain.graph.Add(Sigmoid("sigmoid" + number));
  }
  return chain.Classify("4", Initializer::kGlorot);
}

Graph Lenet(const NetworkPurpose& purpose) {
  Chain chain(purpose);
  const std::array<int64_t, 2> filters{6, 16}, padding{2, 0};
  for (size_t block = 0; block < 2; ++block) {
    const std::string number = std::to_string(block + 1);
    chain.Convolution(number, 5, filters[block], 1, chain.graph.output(),
                      Padding::All(padding[block]));
    chain.graph.Add(Relu("relu" + number));
    chain.graph.Add(MaxPooling2d({.name = "pool" + number, .pool_size = {2, 2}, .stride = {2, 2}}));
  }
  chain.graph.Add(Flatten("flatten"));
  for (const int64_t outputs : {120, 84}) {
    const std::string number = outputs == 120 ? "3" : "4";
    chain.graph.Add(FullyConnected(
        {.name = "fc" + number, .output_size = outputs, .weights_initializer = Initializer::kHe}));
    chain.graph.Add(Relu("relu" + number));
  }
  return chain.Classify("5");
}

// relu(x + norm(conv(relu(norm(conv(x)))))), which begins as relu(x), the shortcut a 1x1
// convolution where sizes change.
Value ResidualBlock(Chain& chain, const std::string& number, int64_t filters, int64_t stride,
                    bool project, Value x) {
  Value y = chain.Convolution(number + "a", 3, filters, stride, x);
  y = chain.graph.Add(Relu("relu" + number + "a"), {y});
  y = chain.Convolution(number + "b", 3, filters, 1, y, Padding::Same(), true);
  const Value shortcut = project ? chain.Convolution(number + "s", 1, filters, stride, x) : x;
  y = chain.graph.Add(Addition({.name = "add" + number}), {y, shortcut});
  return chain.graph.Add(Relu("relu" + number), {y});
}

Graph ResnetTiny(const NetworkPurpose& purpose) {
  if (purpose.width < 1 || purpose.width > 4096)
    Fail("network 'resnet-tiny': width is {}, expected 1 to 4096", purpose.width);
  if (purpose.blocks < 1 || purpose.blocks > 100)
    Fail("network 'resnet-tiny': blocks is {}, expected 1 to 100", purpose.blocks);
  Chain chain(purpose, Initializer::kHe);
  Value x = chain.Convolution("1", 3, purpose.width, 1, chain.graph.output());
  x = chain.graph.Add(Relu("relu1"), {x});
  for (int64_t stage = 0; stage < 3; ++stage) {
    for (int64_t block = 0; block < purpose.blocks; ++block) {
      const bool first = stage > 0 && block == 0;  // halves the image, doubles the filters
      x = ResidualBlock(chain, fmt::format("{}_{}", stage + 2, block + 1), purpose.width << stage,
                        first ? 2 : 1, first, x);
    }
  }
  chain.graph.Add(GlobalAveragePooling2d("gap"));
  chain.graph.Add(Flatten("flatten"));
  return chain.Classify("");
}

}  // namespace

std::string NormChoices() {
  std::string text = "none";
  for (const NormKindRow& row : NormKinds())
    text += fmt::format("{}{}{}", &row == &NormKinds().back() ? " or " : ", ", row.name,
                        row.kind == NormKind::kLayer   ? "[:DIMENSION]"
                        : row.kind == NormKind::kGroup ? ":G"
                                                       : "");
  return text;
}

NormChoice ParseNormChoice(std::string_view text) {
  const size_t colon = text.find(':');
  const std::string_view name = text.substr(0, colon);
  const std::string_view value = colon == text.npos ? "" : text.substr(colon + 1);
  NormChoice norm{.kind = NormChoice::kNone};
  if (const NormKindRow* row = FindNormKind(name)) {
    norm.kind = static_cast<NormChoice::Kind>(static_cast<int>(row->kind) + 1);
  } else if (!SameStem(name, "none")) {
    std::vector<std::string> names{"none"};
    for (const NormKindRow& known : NormKinds()) names.emplace_back(known.name);
    Fail("norm {} is unknown, expected {}{}", Quoted(text), NormChoices(), DidYouMean(name, names));
  }
  if (norm.kind == NormChoice::kGroup) {
    constexpr NumberRange<int64_t> kGroups{1, 1'000'000'000};
    const std::optional<int64_t> groups = ParseNumber<int64_t>(value);
    if (!groups || !kGroups.Contains(*groups))
      Fail("norm {}: {} groups given, expected group:G with G {}", Quoted(text),
           value.empty() ? "no" : Quoted(value), kGroups.ToString());
    norm.num_groups = *groups;
  } else if (norm.kind == NormChoice::kLayer && colon != text.npos) {
    norm.operation_dimension = ParseOperationDimension(value);
  } else if (colon != text.npos) {
    Fail("norm '{}': '{}' given after the colon, expected nothing", text, value);
  }
  return norm;
}

std::string Name(const NormChoice& norm) {
  if (norm.kind == NormChoice::kNone) return "none";
  std::string name(RowOf(norm).name);
  if (norm.kind == NormChoice::kGroup) name += fmt::format(":{}", norm.num_groups);
  if (norm.kind == NormChoice::kLayer &&
      norm.operation_dimension != OperationDimension::kBatchExcluded)
    name += fmt::format(":{}", Name(norm.operation_dimension));
  return name;
}

LayerPtr MakeNorm(const NormChoice& norm, const std::string& name, const Initializer& scale) {
  if (norm.kind == NormChoice::kNone) return nullptr;
  NormalizationProperties properties{.name = name, .scale_initializer = scale};
  if (norm.kind == NormChoice::kGroup) properties.num_groups = norm.num_groups;
  if (norm.kind == NormChoice::kLayer) properties.operation_dimension = norm.operation_dimension;
  return std::make_shared<NormalizationLayer>(RowOf(norm).kind, std::move(properties));
}

const std::vector<std::string>& NetworkNames() {
  static const std::vector<std::string> names{"small-cnn", "mlp", "lenet", "resnet-tiny"};
  return names;
}

Graph MakeNetwork(std::string_view name, const NetworkPurpose& purpose) {
  if (purpose.num_classes < 1)
    Fail("network '{}': {} classes given, expected at least 1", name, purpose.num_classes);
  if (name == "small-cnn") return SmallCnn(purpose);
  if (name == "mlp") return Mlp(purpose);
  if (name == "lenet") return Lenet(purpose);
  if (name == "resnet-tiny") return ResnetTiny(purpose);
  Fail("network '{}' is unknown, expected {} or a .json file{}", name,
       fmt::join(NetworkNames(), ", "), DidYouMean(name, NetworkNames()));
}

}  // namespace normkit
