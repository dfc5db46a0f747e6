#include "normkit/nn/networks.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>

#include "src/core/fail.h"
#include "src/core/numbers.h"
#include "src/core/suggest.h"
#include "src/core/text.h"
#include "src/nn/layers/normalization.h"
#include "src/nn/network_chain.h"
#include "src/nn/sequence_networks.h"
#include "src/nn/unet.h"
#include "src/nn/vit.h"

namespace normkit {
namespace {

Graph SmallCnn(const NetworkPurpose& purpose) {
  Chain chain(purpose);
  for (int block = 1; block <= 3; ++block) {
    const std::string number = std::to_string(block);
    chain.Convolution(number, 3, int64_t{8} << block, 1, chain.graph.output());
    chain.graph.Add(Relu("relu" + number));
    const bool volumes = purpose.input_depth > 0;
    const std::vector<int64_t> half(volumes ? 3 : 2, 2);
    const PoolingOptions pool{
        .name = "pool" + number, .pool_size = half, .stride = half, .padding = Padding::Same()};
    chain.graph.Add(volumes ? MaxPooling3d(pool) : MaxPooling2d(pool));
  }
  chain.graph.Add(Flatten("flatten"));
  return chain.Answer("");
}

Graph Mlp(const NetworkPurpose& purpose) {
  Chain chain(purpose);
  if (purpose.num_features == 0) chain.graph.Add(Flatten("flatten"));
  for (int layer = 1; layer <= 3; ++layer) {
    const std::string number = std::to_string(layer);
    chain.FullyConnectedNorm(number, 100);
    chain.graph.Add(Sigmoid("sigmoid" + number));
  }
  return chain.Answer("4", Initializer::kGlorot);
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
  return chain.Answer("5");
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
  return chain.Answer("");
}

constexpr std::string_view kRenorm = "renorm";

}  // namespace

std::string NormChoices() {
  std::string text = "none";
  for (const NormKindRow& row : NormKinds())
    text += fmt::format("{}{}{}", &row == &NormKinds().back() ? " or " : ", ", row.name,
                        row.kind == NormKind::kBatch   ? "[:renorm]"
                        : row.kind == NormKind::kLayer ? "[:DIMENSION]"
                        : row.grouped()                ? ":G"
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
  const bool grouped = norm.kind != NormChoice::kNone && RowOf(norm).grouped();
  if (grouped) {
    constexpr NumberRange<int64_t> kGroups{1, 1'000'000'000};
    const std::optional<int64_t> groups = ParseNumber<int64_t>(value);
    if (!groups || !kGroups.Contains(*groups))
      Fail("norm {}: {} groups given, expected {}:G with G {}", Quoted(text),
           value.empty() ? "no" : Quoted(value), RowOf(norm).name, kGroups.ToString());
    norm.num_groups = *groups;
  } else if (norm.kind == NormChoice::kLayer && colon != text.npos) {
    norm.operation_dimension = ParseOperationDimension(value);
  } else if (norm.kind == NormChoice::kBatch && colon != text.npos) {
    if (!SameStem(value, kRenorm))
      Fail("norm {}: {} given after the colon, expected batch or batch:{}", Quoted(text),
           Quoted(value), kRenorm);
    norm.renormalize = true;
  } else if (colon != text.npos) {
    Fail("norm '{}': '{}' given after the colon, expected nothing", text, value);
  }
  return norm;
}

std::string Name(const NormChoice& norm) {
  if (norm.kind == NormChoice::kNone) return "none";
  std::string name(RowOf(norm).name);
  if (norm.kind == NormChoice::kBatch && norm.renormalize) name += fmt::format(":{}", kRenorm);
  if (RowOf(norm).grouped()) name += fmt::format(":{}", norm.num_groups);
  if (norm.kind == NormChoice::kLayer && norm.operation_dimension)
    name += fmt::format(":{}", Name(*norm.operation_dimension));
  return name;
}

LayerPtr MakeNorm(const NormChoice& norm, const std::string& name, const Initializer& scale) {
  if (norm.kind == NormChoice::kNone) return nullptr;
  NormalizationProperties properties{.name = name, .scale_initializer = scale};
  properties.renormalize = norm.kind == NormChoice::kBatch && norm.renormalize;
  if (RowOf(norm).grouped()) properties.num_groups = norm.num_groups;
  if (norm.kind == NormChoice::kLayer && norm.operation_dimension)
    properties.operation_dimension = *norm.operation_dimension;
  return std::make_shared<NormalizationLayer>(RowOf(norm).kind, std::move(properties));
}

namespace {

// What a network reads.
enum class Reads { kPictures, kSequences, kPicturesOfSteps, kPicturesOrFeatures, kPositions };

struct NamedNetwork {
  const char* name;
  Reads reads;
  Graph (*make)(const NetworkPurpose& purpose);
  bool volumes = false;  // as well as pictures
};
constexpr NamedNetwork kNetworks[] = {
    {"small-cnn", Reads::kPictures, SmallCnn, true},
    {"mlp", Reads::kPicturesOrFeatures, Mlp, true},
    {"lenet", Reads::kPictures, Lenet},
    {"resnet-tiny", Reads::kPictures, ResnetTiny},
    {"lstm", Reads::kSequences, LstmNetwork},
    {"layer-norm-lstm", Reads::kSequences, LayerNormLstmNetwork},
    {"gru", Reads::kSequences, GruNetwork},
    {"tcn", Reads::kSequences, TcnNetwork},
    {"transformer-tiny", Reads::kSequences, TransformerTinyNetwork},
    {"cnn-lstm", Reads::kPicturesOfSteps, CnnLstmNetwork},
    {"vit-tiny", Reads::kPictures, VitTinyNetwork},
    {"unet", Reads::kPositions, UnetNetwork},
};

bool Fits(const NamedNetwork& network, const NetworkPurpose& purpose) {
  const Reads reads = network.reads;
  if (purpose.sequences)
    return purpose.input_depth == 0 &&
           reads == (purpose.input_size[0] > 0 ? Reads::kPicturesOfSteps : Reads::kSequences);
  if (purpose.answers_each_position || reads == Reads::kPositions)
    return purpose.answers_each_position && reads == Reads::kPositions;
  if (purpose.input_depth > 0) return network.volumes;
  return purpose.num_features > 0 ? reads == Reads::kPicturesOrFeatures
                                  : reads != Reads::kSequences && reads != Reads::kPicturesOfSteps;
}

[[noreturn]] void FailFit(const NamedNetwork& network, const NetworkPurpose& purpose) {
  std::vector<std::string> names;
  for (const NamedNetwork& other : kNetworks)
    if (Fits(other, purpose)) names.emplace_back(other.name);
  names.emplace_back("a .json file");
  const char* reads =
      network.reads == Reads::kPictures    ? network.volumes ? "pictures or volumes" : "pictures"
      : network.reads == Reads::kPositions ? "pictures or volumes with a class for each position"
      : network.reads == Reads::kSequences ? "sequences"
      : network.reads == Reads::kPicturesOfSteps ? "sequences of pictures"
                                                 : "pictures, volumes or features";
  Fail("network '{}' takes {}, expected one for {}: {}", network.name, reads,
       purpose.answers_each_position                    ? "a class for each position"
       : purpose.sequences && purpose.input_depth > 0   ? "sequences of volumes"
       : purpose.input_depth > 0                        ? "volumes"
       : purpose.sequences && purpose.input_size[0] > 0 ? "sequences of pictures"
       : purpose.sequences                              ? "sequences"
       : purpose.num_features > 0                       ? "features"
                                                        : "pictures",
       fmt::join(names, ", "));
}

}  // namespace

NormChoice NormFor(const NetworkPurpose& purpose) {
  NormChoice norm = purpose.norm;
  if (purpose.sequences && norm.kind == NormChoice::kLayer && !norm.operation_dimension)
    norm.operation_dimension =
        purpose.input_size[0] > 0 ? OperationDimension::kSpatialChannel : OperationDimension::kAuto;
  return norm;
}

const std::vector<std::string>& NetworkNames() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const NamedNetwork& network : kNetworks) all.emplace_back(network.name);
    return all;
  }();
  return names;
}

Graph MakeNetwork(std::string_view name, const NetworkPurpose& purpose) {
  const auto network = std::ranges::find(kNetworks, name, &NamedNetwork::name);
  if (network == std::end(kNetworks))
    Fail("network '{}' is unknown, expected {} or a .json file{}", name,
         fmt::join(NetworkNames(), ", "), DidYouMean(name, NetworkNames()));
  if (purpose.num_classes < 1 && purpose.num_targets < 1)
    Fail("network '{}': {} classes given, expected at least 1", name, purpose.num_classes);
  if (!Fits(*network, purpose)) FailFit(*network, purpose);
  NetworkPurpose whole = purpose;
  whole.norm = NormFor(purpose);
  return network->make(whole);
}

}  // namespace normkit
