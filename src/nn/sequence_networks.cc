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

}  // namespace

Graph LstmNetwork(const NetworkPurpose& purpose) {
  Chain chain(purpose);
  chain.graph.Add(Lstm({.name = "lstm1", .num_hidden_units = 100}));
  return BehindRecurrence(std::move(chain), purpose);
}

Graph GruNetwork(const NetworkPurpose& purpose) {
  Chain chain(purpose);
  chain.graph.Add(Gru({.name = "gru1", .num_hidden_units = 100}));
  return BehindRecurrence(std::move(chain), purpose);
}

// Causal, so that a step is told without those behind it. With four blocks a step sees 61 steps.
Graph TcnNetwork(const NetworkPurpose& purpose) {
  constexpr int64_t kFilters = 48, kSize = 3;
  Chain chain(purpose);
  Value x = chain.FullyConnectedNorm("0", kFilters);
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

}  // namespace normkit
