// Recurrent layers in training: ranks, threads, and something to learn that needs memory.
#include <gtest/gtest.h>

#include "normkit/core/threads.h"
#include "src/core/testing.h"
#include "src/train/sequence_test_data.h"

namespace normkit {
namespace {

struct NamedRecurrent {
  const char* name;
  std::function<LayerPtr(OutputMode)> make;
};

const NamedRecurrent kRecurrent[] = {
    {"lstm", [](OutputMode mode) { return Lstm({.num_hidden_units = 11, .output_mode = mode}); }},
    {"gru", [](OutputMode mode) { return Gru({.num_hidden_units = 11, .output_mode = mode}); }},
    {"gru_before",
     [](OutputMode mode) {
       return Gru({.num_hidden_units = 9,
                   .output_mode = mode,
                   .direction = SequenceDirection::kBidirectional,
                   .reset_gate_mode = ResetGateMode::kBeforeMultiplication});
     }},
    {"layer_normalized",
     [](OutputMode mode) {
       return Lstm({.num_hidden_units = 9,
                    .output_mode = mode,
                    .gate_normalization = GateNormalization::kLayer});
     }},
    {"learned_states",
     [](OutputMode mode) {
       return Lstm({.num_hidden_units = 9,
                    .output_mode = mode,
                    .direction = SequenceDirection::kBidirectional,
                    .learn_initial_states = true,
                    .gate_normalization = GateNormalization::kLayer});
     }},
    {"gru_learned_states",
     [](OutputMode mode) {
       return Gru({.num_hidden_units = 11, .output_mode = mode, .learn_initial_states = true});
     }},
    {"bidirectional_projected", [](OutputMode mode) {
       return Lstm({.num_hidden_units = 7,
                    .output_mode = mode,
                    .direction = SequenceDirection::kBidirectional,
                    .output_projection = 5});
     }}};

Graph RecurrentGraph(const NamedRecurrent& recurrent, OutputMode mode) {
  Graph graph;
  graph.Add(
      SequenceInput({.num_features = kFeatures, .normalization = InputNormalization::kZscore}));
  graph.Add(recurrent.make(OutputMode::kSequence));
  graph.Add(recurrent.make(mode));
  graph.Add(FullyConnected({.output_size = 3}));
  graph.Add(Softmax());
  return graph;
}

std::vector<float> TrainRecurrent(const DataPtr& data, const Graph& graph,
                                  const TrainingOptions& options) {
  return ValuesOf(TrainNetwork(data, graph, options).network);
}

class RecurrentTraining : public testing::TestWithParam<NamedRecurrent> {};

// 41 sequences in mini-batches of 12; the last has 5, fewer than ranks.
TEST_P(RecurrentTraining, SameBytesOnRanksAndThreads) {
  const TrainingOptions options{.max_epochs = 1, .mini_batch_size = 12, .initial_learn_rate = 0.05};
  for (const OutputMode mode : {OutputMode::kSequence, OutputMode::kLast}) {
    const Sequences rows = RowData(41);
    const DataPtr data = FromSequences(mode == OutputMode::kLast ? WithOneAnswer(rows) : rows);
    const Graph graph = RecurrentGraph(GetParam(), mode);
    const std::vector<float> alone = TrainRecurrent(data, graph, options);
    for (const int ranks : {2, 3, 8, 20})
      RunRanks(ranks, [&](Reducer& reducer) {
        TrainingOptions own = options;
        own.reducer = &reducer;
        EXPECT_TRUE(TrainRecurrent(data, graph, own) == alone)
            << "rank " << reducer.rank() << " of " << ranks;
      });
    for (const int threads : {1, 5}) {
      SetNumThreads(threads);
      EXPECT_TRUE(TrainRecurrent(data, graph, options) == alone) << threads;
    }
    SetNumThreads(0);
  }
}

// The class is that of the first row: the last state has to hold it.
TEST_P(RecurrentTraining, RemembersTheFirstRow) {
  const auto first = [](int64_t count, uint64_t seed) {
    Sequences s = RowData(count, false, seed, {12, 5, 9});
    std::vector<int64_t> labels;
    size_t row = 0;
    for (const int64_t length : s.lengths) {
      labels.push_back(s.labels[row]);
      row += static_cast<size_t>(length);
    }
    s.labels = labels;
    s.answers_each_row = false;
    return FromSequences(std::move(s));
  };
  const TrainingOptions options{.solver = Solver::kAdam,
                                .max_epochs = 12,
                                .mini_batch_size = 16,
                                .initial_learn_rate = 0.02,
                                .validation_data = first(200, 5)};
  Graph graph;
  graph.Add(
      SequenceInput({.num_features = kFeatures, .normalization = InputNormalization::kZscore}));
  graph.Add(GetParam().make(OutputMode::kLast));
  graph.Add(FullyConnected({.output_size = 3}));
  graph.Add(Softmax());
  EXPECT_GT(TrainNetwork(first(600, 1), graph, options).final_validation_accuracy, 85);
}

INSTANTIATE_TEST_SUITE_P(All, RecurrentTraining, testing::ValuesIn(kRecurrent),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace normkit
