#include "src/graph/piece_graph.h"

#include <algorithm>

#include "src/core/fail.h"
#include "src/graph/fold.h"
#include "src/ops/boxes.h"
#include "src/ops/celled_normalization.h"
#include "src/ops/ops.h"

namespace normkit {
namespace {

// Values that follow from others than the picture.
void ComputeOthers(PictureGraph& picture) {
  for (const Node& node : picture.graph->nodes()) {
    const Value first = node.outputs[0];
    if (picture.depends_on_picture(first) || picture.known[SlotOf(first)]) continue;
    std::vector<ArrayType> types;
    for (const Value output : node.outputs) types.push_back(picture.types.types[SlotOf(output)]);
    const auto elements = Compute(*node.op, picture.InputsOf(node), types);
    for (size_t i = 0; i < elements.size(); ++i)
      picture.known[SlotOf(node.outputs[i])] = elements[i];
  }
}

void MarkDependent(PictureGraph& picture) {
  picture.depends[SlotOf(picture.picture)] = 1;
  for (const Node& node : picture.graph->nodes()) {
    const bool reads =
        std::ranges::any_of(node.inputs, [&](Value v) { return picture.depends_on_picture(v); });
    for (const Value output : node.outputs)
      picture.depends[SlotOf(output)] = reads && !picture.types.known[SlotOf(output)];
  }
}

std::string NameOf(const PictureGraph& picture, const Node& node) {
  return picture.graph->TitleOf(node.outputs[0]);
}

class Demander {
 public:
  Demander(const PictureGraph& picture, std::span<const char> available)
      : picture_(picture), available_(available) {
    demand_.boxes.resize(picture.graph->values().size());
    demand_.nodes.resize(picture.graph->nodes().size());
  }

  // "" or which node cannot.
  std::string Walk(std::vector<ValueBox> targets) {
    for (const ValueBox& target : targets) Want(target.value, target.box);
    const auto nodes = picture_.graph->nodes();
    for (size_t n = nodes.size(); n-- > 0;) {
      const Node& node = nodes[n];
      const std::optional<Box>& wanted = demand_.boxes[SlotOf(node.outputs[0])];
      if (!wanted || available_[SlotOf(node.outputs[0])]) continue;
      std::optional<OpPiece> piece = PieceOf(n, *wanted);
      if (!piece) return NameOf(picture_, node);
      demand_.boxes[SlotOf(node.outputs[0])] = piece->y;
      for (const OpPiece::Input& input : piece->inputs)
        if (picture_.depends_on_picture(node.inputs[input.index]))
          Want(node.inputs[input.index], input.box);
      demand_.nodes[n] = std::move(piece);
    }
    demand_.targets = std::move(targets);
    Finish();
    return "";
  }
  PieceDemand& demand() { return demand_; }

 private:
  void Want(Value value, const Box& box) {
    std::optional<Box>& all = demand_.boxes[SlotOf(value)];
    all = all ? ops::Joined(*all, box) : box;
  }

  std::optional<OpPiece> PieceOf(size_t n, const Box& wanted) const {
    const Node& node = picture_.graph->node(static_cast<int>(n));
    const std::vector<OpInput> inputs = picture_.InputsOf(node);
    if (!picture_.has_statistics[n]) return node.op->Piece(inputs, wanted);
    OpPiece piece = ops::FirstPiece(inputs, wanted);
    if (picture_.finished[n]) {
      piece.op = ops::WithStatistics(*node.op, picture_.finished[n]);
    } else {
      if (wanted != ops::WholeBox(picture_.layout(node.outputs[0]))) return std::nullopt;
      piece.op = ops::ByCells(*node.op);
    }
    return piece;
  }

  void Finish() {
    for (size_t v = 0; v < demand_.boxes.size(); ++v)
      if (demand_.boxes[v] && available_[v])
        demand_.inputs.push_back({static_cast<Value>(v), *demand_.boxes[v]});
    const auto relative = [&](Value value, const Box& box) {
      const Box& from = *demand_.boxes[SlotOf(value)];
      for (size_t i = 0; i < box.size.size(); ++i) {
        demand_.key.push_back(box.begin[i] - from.begin[i]);
        demand_.key.push_back(box.size[i]);
      }
    };
    for (const ValueBox& input : demand_.inputs) relative(input.value, input.box);
    for (const ValueBox& target : demand_.targets) {
      demand_.key.push_back(target.value);
      relative(target.value, target.box);
    }
    for (size_t n = 0; n < demand_.nodes.size(); ++n) {
      if (!demand_.nodes[n]) continue;
      const OpPiece& piece = *demand_.nodes[n];
      const Node& node = picture_.graph->node(static_cast<int>(n));
      demand_.key.push_back(static_cast<int64_t>(n));
      demand_.key.insert(demand_.key.end(), piece.y.size.begin(), piece.y.size.end());
      demand_.key.insert(demand_.key.end(), piece.key.begin(), piece.key.end());
      for (const OpPiece::Input& input : piece.inputs)
        if (picture_.depends_on_picture(node.inputs[input.index]))
          relative(node.inputs[input.index], input.box);
    }
  }

  const PictureGraph& picture_;
  std::span<const char> available_;
  PieceDemand demand_;
};

class PieceMaker {
 public:
  PieceMaker(const PictureGraph& picture, const PieceDemand& demand)
      : picture_(picture), demand_(demand), values_(picture.graph->values().size(), -1) {}

  PieceGraph Make() {
    for (const ValueBox& input : demand_.inputs)
      values_[SlotOf(input.value)] = made_.graph.AddInput(
          {DType::kF32, ops::LayoutOf(input.box, picture_.layout(input.value))});
    for (size_t n = 0; n < demand_.nodes.size(); ++n)
      if (demand_.nodes[n]) Add(picture_.graph->node(static_cast<int>(n)), *demand_.nodes[n]);
    for (const ValueBox& target : demand_.targets)
      made_.targets.push_back(Cut(target.value, target.box));
    return std::move(made_);
  }

 private:
  void Add(const Node& node, const OpPiece& piece) {
    std::vector<Value> inputs;
    for (const OpPiece::Input& input : piece.inputs) {
      const Value value = node.inputs[input.index];
      inputs.push_back(picture_.depends_on_picture(value) ? Cut(value, input.box) : Known(value));
    }
    made_.graph.SetTitle(NameOf(picture_, node));
    values_[SlotOf(node.outputs[0])] =
        made_.graph.AddNode(piece.op ? piece.op : node.op, std::move(inputs))[0];
  }

  Value Known(Value value) {
    Value& place = values_[SlotOf(value)];
    if (place < 0) place = made_.graph.AddConstant(picture_.known[SlotOf(value)]);
    return place;
  }

  // The box of what is computed of a value.
  Value Cut(Value value, const Box& box) {
    const Box& from = *demand_.boxes[SlotOf(value)];
    if (box == from) return values_[SlotOf(value)];
    const auto vector = [&](auto&& number) {
      Tensor tensor(Layout::Unlabelled(std::vector<int64_t>{std::ssize(box.size)}), DType::kI64);
      for (size_t i = 0; i < box.size.size(); ++i) tensor.values<int64_t>()[i] = number(i);
      return made_.graph.AddConstant(std::move(tensor));
    };
    const Value begins = vector([&](size_t i) { return box.begin[i] - from.begin[i]; }),
                ends = vector([&](size_t i) { return box.end(i) - from.begin[i]; });
    return made_.graph.AddNode(ops::SliceAxes(), {values_[SlotOf(value)], begins, ends})[0];
  }

  const PictureGraph& picture_;
  const PieceDemand& demand_;
  std::vector<Value> values_;  // of each value of the whole: in the piece
  PieceGraph made_;
};

}  // namespace

std::vector<OpInput> PictureGraph::InputsOf(const Node& node) const {
  std::vector<OpInput> inputs;
  for (const Value input : node.inputs) {
    inputs.push_back(types[input]);
    if (known[SlotOf(input)]) inputs.back().known = known[SlotOf(input)]->data();
  }
  return inputs;
}

PictureGraph MakePictureGraph(const Graph& graph, const Parameters& parameters, Value picture,
                              const Layout& shape, Value output,
                              const std::map<Value, std::shared_ptr<const Tensor>>& given) {
  PictureGraph made{.graph = &graph, .types = {}, .picture = picture, .output = output};
  std::vector<Layout> shapes;
  for (const Value input : graph.inputs())
    shapes.push_back(input == picture ? shape : given.at(input)->layout());
  made.types = graph.Infer(shapes);
  const size_t values = graph.values().size(), nodes = graph.nodes().size();
  made.depends.resize(values);
  made.known = made.types.known;
  for (const auto& [input, elements] : given) made.known[SlotOf(input)] = elements;
  for (const Parameter& p : parameters.list()) {
    Tensor elements(Layout::Unlabelled(p.shape));
    std::ranges::copy(parameters.Get(p), elements.values<float>().begin());
    made.known[SlotOf(p.value)] = std::make_shared<const Tensor>(std::move(elements));
  }
  MarkDependent(made);
  ComputeOthers(made);
  made.has_statistics.resize(nodes);
  made.finished.resize(nodes);
  for (size_t n = 0; n < nodes; ++n) {
    const Node& node = graph.node(static_cast<int>(n));
    made.has_statistics[n] =
        made.depends_on_picture(node.inputs.empty() ? picture : node.inputs[0]) &&
        !node.inputs.empty() && ops::HasPictureStatistics(*node.op, made.layout(node.inputs[0]));
  }
  return made;
}

PieceDemand DemandOf(const PictureGraph& picture, std::span<const char> available,
                     std::vector<ValueBox> targets, std::string* why_not) {
  Demander demander(picture, available);
  const std::string which = demander.Walk(std::move(targets));
  if (why_not) *why_not = which;
  if (!which.empty() && !why_not) Fail("{}: cannot be computed by tiles", which);
  return std::move(demander.demand());
}

PieceGraph MakePieceGraph(const PictureGraph& picture, const PieceDemand& demand) {
  return PieceMaker(picture, demand).Make();
}

}  // namespace normkit
