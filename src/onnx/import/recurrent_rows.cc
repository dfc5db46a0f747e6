// Operators over the steps of sequences.
#include "src/onnx/import/rows.h"
#include "src/ops/recurrent/recurrent_arrays.h"

namespace normkit {
namespace {

// Names of the functions of all directions: those that every file has.
void CheckFunctions(NodeImport& node, const std::vector<std::string>& usual, int64_t directions) {
  const onnx::AttributeProto* given = node.Attribute("activations", onnx::AttributeProto::STRINGS);
  if (!given) return;
  const auto count = static_cast<int>(usual.size());
  bool same = given->strings_size() == count * directions;
  for (int i = 0; same && i < given->strings_size(); ++i)
    same = given->strings(i) == usual[static_cast<size_t>(i % count)];
  if (!same) node.Refuse("has other activations than {}", fmt::join(usual, ", "));
}

void ImportRecurrent(NodeImport& node, recurrent::CellKind cell) {
  const bool lstm = cell == recurrent::CellKind::kLstm;
  ops::RecurrentArraySettings settings{.cell = cell};
  const std::string direction = node.Text("direction", "forward");
  if (direction != "forward" && direction != "reverse" && direction != "bidirectional")
    node.Refuse("direction is '{}', expected forward, reverse or bidirectional", direction);
  if (direction == "reverse") settings.direction = ops::Direction::kReverse;
  if (direction == "bidirectional") settings.direction = ops::Direction::kBoth;
  CheckFunctions(node,
                 lstm ? std::vector<std::string>{"Sigmoid", "Tanh", "Tanh"}
                      : std::vector<std::string>{"Sigmoid", "Tanh"},
                 settings.direction == ops::Direction::kBoth ? 2 : 1);
  if (node.Has("clip")) node.Refuse("has 'clip', expected none");
  if (lstm && node.Int("input_forget", 0) != 0) node.Refuse("has 'input_forget', expected none");
  if (lstm && node.HasInput(7)) node.Refuse("has peepholes (input 7), expected none");
  settings.batch_first = node.Int("layout", 0) != 0;
  if (!lstm) settings.resets_before = node.Int("linear_before_reset", 0) == 0;
  node.Int("hidden_size", 0);  // what the recurrent weights have
  std::vector<ItemPtr> inputs{node.In(0), node.In(1), node.In(2)};
  const auto take = [&](int index) {
    if (node.HasInput(index)) inputs.push_back(node.In(index));
    return node.HasInput(index);
  };
  settings.biases = take(3);
  settings.lengths = take(4);
  settings.h = take(5);
  settings.c = lstm && take(6);
  const std::vector<ItemPtr> outputs = node.Apply(ops::RecurrentArrays(settings), inputs);
  for (size_t i = 0; i < outputs.size(); ++i) node.Out(outputs[i], static_cast<int>(i));
}

}  // namespace

std::vector<ImportRow> RecurrentRows() {
  return {
      {"LSTM", 7, kNewestImported,
       [](NodeImport& node) { ImportRecurrent(node, recurrent::CellKind::kLstm); }},
      {"GRU", 7, kNewestImported,
       [](NodeImport& node) { ImportRecurrent(node, recurrent::CellKind::kGru); }},
  };
}

}  // namespace normkit
