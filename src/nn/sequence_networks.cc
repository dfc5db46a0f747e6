#include "src/nn/sequence_networks.h"

#include "src/nn/network_chain.h"

namespace normkit {
namespace {

// Of what is told once, from rows to sequences.
void LastOfRows(Chain& chain, const NetworkPurpose& purpose) {
  if (!purpose.answers_each_row) chain.graph.Add(LastStep("last"));
}

void MeanOfRows(Chain& chain, const NetworkPurpose& purpose) {
  if (!purpose.answers_each_row) chain.graph.Add(GlobalAveragePooling1d("mean"));
}

// Behind a recurrent layer: its norm, and a fully connected layer with its own, step by step, so
// that every norm has the steps that it may want to reduce.
Graph BehindRecurrence(Chain chain, const NetworkPurpose& purpose) {
  chain.Norm("1", chain.graph.output());
  chain.FullyConnectedNorm("2", 64);
  chain.graph.Add(Relu("relu2"));
  LastOfRows(chain, purpose);
  return chain.Answer("3");
}

Graph LstmNetworkWith(GateNormalization inside, const NetworkPurpose& purpose) {
  Chain chain(purpose);
  chain.graph.Add(Lstm({.name = "lstm1", .num_hidden_units = 100, .gate_normalization = inside}));
  return BehindRecurrence(std::move(chain), purpose);
}

}  // namespace

Graph LstmNetwork(const NetworkPurpose& purpose) {
  return LstmNetworkWith(GateNormalization::kNone, purpose);
}

Graph LayerNormLstmNetwork(const NetworkPurpose& purpose) {
  return LstmNetworkWith(GateNormalization::kLayer, purpose);
}

Graph GruNetwork(const NetworkPurpose& purpose) {
  Chain chain(purpose);
  chain.graph.Add(Gru({.name = "gru1", .num_hidden_units = 100}));
  return BehindRecurrence(std::move(chain), purpose);
}

// What is seen in each picture, and where, goes on as features of the step.
Graph CnnLstmNetwork(const NetworkPurpose& purpose) {
  Chain chain(purpose);
  for (int block = 1; block <= 2; ++block) {
    const std::string number = std::to_string(block);
    chain.Convolution(number, 3, int64_t{4} << block, 1, chain.graph.output());
    chain.graph.Add(Relu("relu" + number));
    chain.graph.Add(MaxPooling2d({.name = "pool" + number,
                                  .pool_size = {2, 2},
                                  .stride = {2, 2},
                                  .padding = Padding::Same()}));
  }
  chain.graph.Add(Flatten("flatten"));
  chain.FullyConnectedNorm("3", 64);
  chain.graph.Add(Relu("relu3"));
  chain.graph.Add(Lstm({.name = "lstm4", .num_hidden_units = 64}));
  chain.Norm("4", chain.graph.output());
  LastOfRows(chain, purpose);
  return chain.Answer("5");
}

// Causal, so that a step is told without those behind it. With four blocks a step sees 61 steps.
Graph TcnNetwork(const NetworkPurpose& purpose) {
  constexpr int64_t kFilters = 48, kSize = 3;
  Chain chain(purpose);
  // Layer normalization of w x, one channel that has no bias, would be its sign.
  const bool bias = chain.NeedsBias() || purpose.norm.kind == NormChoice::kLayer;
  chain.graph.Add(FullyConnected({.name = "fc0", .output_size = kFilters, .bias = bias}));
  Value x = chain.Norm("0", chain.graph.output());
  for (int block = 1; block <= 4; ++block) {
    const auto convolution = [&](const std::string& number, Value input) {
      const Value value = chain.graph.Add(Convolution1d({.name = "conv" + number,
                                                         .filter_size = kSize,
                                                         .num_filters = kFilters,
                                                         .dilation = int64_t{1} << (block - 1),
                                                         .padding = Padding::Causal(),
                                                         .bias = chain.NeedsBias(),
                                                         .weights_initializer = Initializer::kHe}),
                                          {input});
      return chain.Norm(number, value);
    };
    const std::string number = std::to_string(block);
    Value y = convolution(number + "a", x);
    y = chain.graph.Add(Relu("relu" + number + "a"), {y});
    y = convolution(number + "b", y);
    y = chain.graph.Add(Addition({.name = "add" + number}), {y, x});
    x = chain.graph.Add(Relu("relu" + number), {y});
  }
  MeanOfRows(chain, purpose);
  return chain.Answer("");
}

// Vaswani et al. 2017, with the norms in front of what is added (Xiong et al. 2020) and one behind
// the last. Where each step is told it sees those up to itself.
Graph TransformerTinyNetwork(const NetworkPurpose& purpose) {
  constexpr int64_t kWidth = 64, kHeads = 4, kInner = 128;
  Chain chain(purpose);
  Graph& graph = chain.graph;
  graph.Add(FullyConnected({.name = "fc0", .output_size = kWidth}));
  Value x = graph.Add(SinusoidalPositionEncoding("positions"));
  for (int number = 1; number <= 2; ++number) {
    const std::string block = std::to_string(number);
    Value y = chain.Norm(block + "a", x);
    const AttentionMask mask =
        purpose.answers_each_row ? AttentionMask::kCausal : AttentionMask::kNone;
    y = graph.Add(SelfAttention({.name = "attention" + block,
                                 .num_heads = kHeads,
                                 .num_key_channels = kWidth,
                                 .attention_mask = mask}),
                  {y});
    x = graph.Add(Addition({.name = "add" + block + "a"}), {x, y});
    y = chain.Norm(block + "b", x);
    y = graph.Add(FullyConnected({.name = "fc" + block + "a", .output_size = kInner}), {y});
    y = graph.Add(Gelu("gelu" + block), {y});
    y = graph.Add(FullyConnected({.name = "fc" + block + "b", .output_size = kWidth}), {y});
    x = graph.Add(Addition({.name = "add" + block + "b"}), {x, y});
  }
  chain.Norm("3", x);
  graph.Add(Gelu("gelu3"));  // the mean of what an instance normalization gives is its offset
  MeanOfRows(chain, purpose);
  return chain.Answer("3");
}

}  // namespace normkit
