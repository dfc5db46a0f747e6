#include "src/nn/vit.h"

#include "src/nn/network_chain.h"

namespace normkit {
namespace {

constexpr int64_t kWidth = 64, kHeads = 4, kInner = 128, kBlocks = 4;

// Of one side of a picture: up to eight patches.
int64_t PatchOf(int64_t size) { return (size + 7) / 8; }

// A product at each position.
Value Product(Graph& graph, const std::string& name, int64_t outputs, Value x) {
  return graph.Add(Convolution2d({.name = name,
                                  .filter_size = {1, 1},
                                  .num_filters = outputs,
                                  .weights_initializer = Initializer::kGlorot}),
                   {x});
}

}  // namespace

// Dosovitskiy et al. 2021, as transformer-tiny has its blocks, and the mean of all positions
// instead of one that stands for the class.
Graph VitTinyNetwork(const NetworkPurpose& given) {
  NetworkPurpose purpose = given;
  if (purpose.norm.kind == NormChoice::kLayer && !purpose.norm.operation_dimension)
    purpose.norm.operation_dimension = OperationDimension::kChannelOnly;  // each position by itself
  const int64_t height = PatchOf(purpose.input_size[0]), width = PatchOf(purpose.input_size[1]);
  Chain chain(purpose);
  Graph& graph = chain.graph;
  graph.Add(Convolution2d({.name = "patches",
                           .filter_size = {height, width},
                           .num_filters = kWidth,
                           .stride = {height, width},
                           .padding = Padding::Same(),
                           .weights_initializer = Initializer::kGlorot}));
  const Layout& places = graph.layout(graph.output());
  Value x = graph.Add(
      PositionEmbedding({.name = "positions", .max_position = places.size() / places.channels()}));
  for (int number = 1; number <= kBlocks; ++number) {
    const std::string block = std::to_string(number);
    Value y = chain.Norm(block + "a", x);
    y = graph.Add(
        SelfAttention(
            {.name = "attention" + block, .num_heads = kHeads, .num_key_channels = kWidth}),
        {y});
    x = graph.Add(Addition({.name = "add" + block + "a"}), {x, y});
    y = chain.Norm(block + "b", x);
    y = Product(graph, "product" + block + "a", kInner, y);
    y = graph.Add(Gelu("gelu" + block), {y});
    y = Product(graph, "product" + block + "b", kWidth, y);
    x = graph.Add(Addition({.name = "add" + block + "b"}), {x, y});
  }
  chain.Norm(std::to_string(kBlocks + 1), x);
  graph.Add(Gelu("gelu" + std::to_string(kBlocks + 1)));  // as in transformer-tiny
  graph.Add(GlobalAveragePooling2d("mean"));
  graph.Add(Flatten("flatten"));
  return chain.Answer("");
}

}  // namespace normkit
