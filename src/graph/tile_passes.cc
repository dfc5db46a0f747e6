#include "src/graph/tile_passes.h"

#include <algorithm>
#include <limits>

#include "src/core/fail.h"

namespace normkit {
namespace {

using Values = std::vector<Value>;  // in order

constexpr double kElementCost = 24;  // moving an element, in multiplications
constexpr double kNever = std::numeric_limits<double>::infinity();

Values Without(const Values& all, const Values& some) {
  Values left;
  std::ranges::set_difference(all, some, std::back_inserter(left));
  return left;
}

class PassPlanner {
 public:
  PassPlanner(const PictureGraph& picture, const PassLimits& limits)
      : picture_(picture), graph_(*picture.graph), limits_(limits) {
    FindLevels();
    FindCuts();
  }

  TilePasses Plan();

 private:
  // What has to be known before a value can be computed: of so many normalizations, one after the
  // other, the statistics. Of values that the output does not need -1.
  void FindLevels();
  void FindCuts();
  void AddCut(Values cut);
  bool IsKept(Value value) const;
  double CostOf(size_t node) const;
  double Bytes(const Values& values) const;
  double ReachCost(const Values& from, const Values& targets) const;
  Values NodeInputs(int level) const;
  int Level(const Values& values) const;

  struct Choice {
    double cost = kNever;
    size_t before = 0;  // the cut that was there
    double bytes = 0;
  };
  Choice Try(int level, size_t before, size_t after) const;

  const PictureGraph& picture_;
  const Graph& graph_;
  PassLimits limits_;
  std::vector<int> levels_;  // of each value
  int last_ = 0;             // of the output
  std::vector<Values> cuts_;
};

void PassPlanner::FindLevels() {
  levels_.assign(graph_.values().size(), -1);
  std::vector<char> needed(levels_.size(), 0);
  needed[SlotOf(picture_.output)] = 1;
  for (size_t n = graph_.nodes().size(); n-- > 0;) {
    const Node& node = graph_.node(static_cast<int>(n));
    if (needed[SlotOf(node.outputs[0])])
      for (const Value input : node.inputs) needed[SlotOf(input)] = 1;
  }
  levels_[SlotOf(picture_.picture)] = 0;
  for (size_t n = 0; n < graph_.nodes().size(); ++n) {
    const Node& node = graph_.node(static_cast<int>(n));
    if (!needed[SlotOf(node.outputs[0])] || !picture_.depends_on_picture(node.outputs[0])) continue;
    int level = 0;
    for (const Value input : node.inputs)
      if (picture_.depends_on_picture(input)) level = std::max(level, levels_[SlotOf(input)]);
    levels_[SlotOf(node.outputs[0])] = level + (picture_.has_statistics[n] ? 1 : 0);
  }
  last_ = levels_[SlotOf(picture_.output)];
}

bool PassPlanner::IsKept(Value value) const {
  return levels_[SlotOf(value)] >= 0 && value != picture_.picture && value != picture_.output &&
         picture_.layout(value).format() == "BSSC";
}

void PassPlanner::AddCut(Values cut) {
  std::ranges::sort(cut);
  cut.erase(std::unique(cut.begin(), cut.end()), cut.end());
  if (std::ranges::all_of(cut, [&](Value v) { return IsKept(v); }) &&
      std::ranges::find(cuts_, cut) == cuts_.end())
    cuts_.push_back(std::move(cut));
}

// Nothing; all that lies between two levels; single values that all that follows goes through.
void PassPlanner::FindCuts() {
  cuts_.push_back({});
  for (int level = 0; level < last_; ++level) {
    Values cut;
    for (const Node& node : graph_.nodes())
      if (levels_[SlotOf(node.outputs[0])] > level)
        for (const Value input : node.inputs)
          if (levels_[SlotOf(input)] >= 0 && levels_[SlotOf(input)] <= level) cut.push_back(input);
    AddCut(std::move(cut));
  }
  for (const Node& node : graph_.nodes()) {
    const Value value = node.outputs[0];
    if (!IsKept(value)) continue;
    std::vector<char> behind(levels_.size(), 0);
    behind[SlotOf(picture_.output)] = 1;
    for (size_t n = graph_.nodes().size(); n-- > 0;) {
      const Node& reader = graph_.node(static_cast<int>(n));
      if (behind[SlotOf(reader.outputs[0])] && reader.outputs[0] != value)
        for (const Value input : reader.inputs) behind[SlotOf(input)] = 1;
    }
    if (!behind[SlotOf(picture_.picture)]) AddCut({value});
  }
}

double PassPlanner::CostOf(size_t n) const {
  const Node& node = graph_.node(static_cast<int>(n));
  const auto size = [&](Value v) { return static_cast<double>(picture_.layout(v).size()); };
  const double y = size(node.outputs[0]);
  double products = 0;
  if (node.inputs.size() > 1 && node.op->name() == "convolution")
    products = y * size(node.inputs[1]) /
               static_cast<double>(picture_.layout(node.inputs[1]).axes()[0].size);
  if (node.inputs.size() > 1 && node.op->name() == "transposed convolution")
    products = size(node.inputs[0]) * size(node.inputs[1]) /
               static_cast<double>(picture_.layout(node.inputs[1]).axes()[0].size);
  return products + kElementCost * y;
}

double PassPlanner::Bytes(const Values& values) const {
  double bytes = 0;
  for (const Value value : values)
    bytes += static_cast<double>(picture_.types.types[SlotOf(value)].bytes());
  return bytes;
}

double PassPlanner::ReachCost(const Values& from, const Values& targets) const {
  std::vector<char> wanted(levels_.size(), 0);
  for (const Value target : targets) wanted[SlotOf(target)] = 1;
  double cost = 0;
  for (size_t n = graph_.nodes().size(); n-- > 0;) {
    const Node& node = graph_.node(static_cast<int>(n));
    const Value value = node.outputs[0];
    if (!wanted[SlotOf(value)] || levels_[SlotOf(value)] < 0 ||
        std::ranges::binary_search(from, value))
      continue;
    cost += CostOf(n);
    for (const Value input : node.inputs) wanted[SlotOf(input)] = 1;
  }
  return cost;
}

Values PassPlanner::NodeInputs(int level) const {
  Values inputs;
  for (size_t n = 0; n < graph_.nodes().size(); ++n) {
    const Node& node = graph_.node(static_cast<int>(n));
    if (picture_.has_statistics[n] && levels_[SlotOf(node.outputs[0])] == level + 1)
      inputs.push_back(node.inputs[0]);
  }
  return inputs;
}

int PassPlanner::Level(const Values& values) const {
  int level = 0;
  for (const Value value : values) level = std::max(level, levels_[SlotOf(value)]);
  return level;
}

PassPlanner::Choice PassPlanner::Try(int level, size_t b, size_t a) const {
  const Values &before = cuts_[b], &after = cuts_[a];
  const Values made = Without(after, before), dead = Without(before, after);
  const double stay = Bytes(before) - Bytes(dead), moved = Bytes(made) + Bytes(dead);
  Choice choice{kNever, b, stay + std::max(Bytes(made), Bytes(dead)) + limits_.band * moved};
  const double most = level == last_ ? limits_.last_bytes : limits_.bytes;
  if (Level(after) > level || (choice.bytes > most && choice.bytes > 0)) return choice;
  Values targets = level == last_ ? Values{picture_.output} : NodeInputs(level);
  targets.insert(targets.end(), made.begin(), made.end());
  // What is kept is written, and read again.
  choice.cost = ReachCost(before, targets) + 2 * kElementCost / sizeof(float) * Bytes(made);
  return choice;
}

TilePasses PassPlanner::Plan() {
  // choices[l][c]: the cheapest way to be done with passes 0 to l and to have cut c.
  std::vector<std::vector<Choice>> choices(static_cast<size_t>(last_) + 1,
                                           std::vector<Choice>(cuts_.size()));
  for (int level = 0; level <= last_; ++level)
    for (size_t a = 0; a < cuts_.size(); ++a) {
      if (level == last_ && a > 0) break;
      Choice& best = choices[static_cast<size_t>(level)][a];
      for (size_t b = 0; b < cuts_.size(); ++b) {
        const double cost =
            level == 0 ? (b == 0 ? 0 : kNever) : choices[static_cast<size_t>(level) - 1][b].cost;
        if (cost == kNever) continue;
        Choice choice = Try(level, b, a);
        choice.cost += cost;
        if (choice.cost < best.cost) best = choice;
      }
    }
  TilePasses passes;
  passes.once = ReachCost({}, {picture_.output});
  passes.cost = choices.back()[0].cost;
  passes.list.resize(choices.size());
  size_t after = 0;
  for (int level = last_; level >= 0; --level) {
    const Choice& choice = choices[static_cast<size_t>(level)][after];
    TilePass& pass = passes.list[static_cast<size_t>(level)];
    pass.from = cuts_[choice.before];
    pass.keep = Without(cuts_[after], pass.from);
    pass.dead = Without(pass.from, cuts_[after]);
    pass.cost = choice.cost;
    if (level > 0) pass.cost -= choices[static_cast<size_t>(level) - 1][choice.before].cost;
    for (size_t n = 0; n < graph_.nodes().size(); ++n)
      if (picture_.has_statistics[n] &&
          levels_[SlotOf(graph_.node(static_cast<int>(n)).outputs[0])] == level + 1)
        pass.nodes.push_back(static_cast<int>(n));
    passes.bytes = std::max(passes.bytes, choice.bytes);
    after = choice.before;
  }
  return passes;
}

}  // namespace

TilePasses PlanPasses(const PictureGraph& picture, const PassLimits& limits) {
  return PassPlanner(picture, limits).Plan();
}

}  // namespace normkit
