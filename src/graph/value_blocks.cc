#include "src/graph/value_blocks.h"

#include <algorithm>
#include <map>

namespace normkit {
namespace {

class BlockMaker {
 public:
  BlockMaker(const Graph& graph, const Steps& steps, std::span<const size_t> bytes, bool training,
             std::span<const char> wanted, bool share, std::vector<Block>& blocks)
      : graph_(graph),
        steps_(steps),
        times_{static_cast<int>(steps.list.size())},
        bytes_(bytes),
        training_(training),
        share_(share),
        wanted_(wanted),
        blocks_(blocks),
        last_(bytes.size(), 0),
        readers_(bytes.size()) {
    FindUses();
  }

  ValueBlocks Make() {
    ValueBlocks result;
    result.value.assign(bytes_.size(), kMissing);
    result.gradient.assign(bytes_.size(), kMissing);
    for (const Value input : graph_.inputs())
      result.value[static_cast<size_t>(input)] = AddBlock(input, 0, times_.End());
    for (int s = 0; s < times_.steps; ++s) PlaceValues(s, result.value);
    if (training_)
      for (int s = times_.steps; s-- > 0;) PlaceGradients(s, result.gradient);
    for (size_t v = 0; v < last_.size(); ++v)
      result.kept.push_back(result.value[v] != kMissing && (!share_ || last_[v] >= times_.Hold()));
    for (const Value input : graph_.inputs()) result.kept[static_cast<size_t>(input)] = 1;
    return result;
  }

 private:
  const Step& At(int step) const { return steps_.list[static_cast<size_t>(step)]; }
  int StepOf(Value value) const { return steps_.of(value); }

  void Extend(Value value, int time) {
    int& last = last_[static_cast<size_t>(value)];
    last = std::max(last, time);
  }

  // When each value is read for the last time, and by which steps.
  void FindUses() {
    Extend(graph_.output(), times_.Hold());
    if (const int end = StepOf(graph_.output()); end != kMissing)
      for (const Value input : At(end).inputs) Extend(input, times_.Hold());
    for (size_t v = 0; v < wanted_.size(); ++v)
      if (wanted_[v]) Extend(static_cast<Value>(v), times_.Hold());
    for (int s = 0; s < times_.steps; ++s) {
      const Step& step = At(s);
      const bool backward = training_ && step.needs_gradient;
      for (size_t i = 0; i < step.inputs.size(); ++i) {
        Extend(step.inputs[i], backward && step.kernel->needs_input(i) ? times_.Backward(s) : s);
        readers_[static_cast<size_t>(step.inputs[i])].push_back(s);
      }
      for (size_t i = 0; i < step.outputs.size(); ++i)
        Extend(step.outputs[i], backward && step.kernel->needs_output(i) ? times_.Backward(s) : s);
    }
  }

  int AddBlock(Value value, int first, int last) {
    blocks_.push_back(
        {bytes_[static_cast<size_t>(value)], share_ ? first : 0, share_ ? last : times_.End(), 0});
    return static_cast<int>(blocks_.size()) - 1;
  }

  void PlaceValues(int s, std::vector<int>& of) {
    const Step& step = At(s);
    const Value y = step.outputs[0];
    if (share_ && step.kernel->forward_in_place() && IsOverwritable(step, s)) {
      const int block = of[static_cast<size_t>(step.inputs[0])];
      of[static_cast<size_t>(y)] = block;
      int& last = blocks_[static_cast<size_t>(block)].last;
      last = std::max(last, last_[static_cast<size_t>(y)]);
    } else {
      of[static_cast<size_t>(y)] = AddBlock(y, s, last_[static_cast<size_t>(y)]);
    }
    // What else it gives: in training for the caller, too (the moments of a batch).
    for (size_t i = 1; i < step.outputs.size(); ++i) {
      const auto v = static_cast<size_t>(step.outputs[i]);
      if (training_) Extend(step.outputs[i], times_.Hold());
      if (training_ || wanted_[v] || !readers_[v].empty())
        of[v] = AddBlock(step.outputs[i], s, last_[v]);
    }
  }

  // Whether step s is the last to read its first input, which a step made.
  bool IsOverwritable(const Step& step, int s) const {
    if (step.inputs.empty()) return false;
    const Value x = step.inputs[0];
    return StepOf(x) != kMissing && last_[static_cast<size_t>(x)] == s &&
           std::ranges::count(step.inputs, x) == 1 &&
           bytes_[static_cast<size_t>(x)] == bytes_[static_cast<size_t>(step.outputs[0])];
  }

  // The gradients of what step s reads, where it is the first to know anything of them.
  void PlaceGradients(int s, std::vector<int>& of) {
    const Step& step = At(s);
    if (!step.needs_gradient) return;
    int& own = of[static_cast<size_t>(step.outputs[0])];
    if (own == kMissing) own = AddBlock(step.outputs[0], times_.Hold() + 1, times_.Backward(s));
    std::vector<Value>& unread = unread_[own];
    std::erase_if(unread, [&](Value value) { return StepOf(value) >= s; });
    std::vector<Value> over;  // gradients that lie in this step's own
    for (size_t i = 0; i < step.inputs.size(); ++i) {
      const Value input = step.inputs[i];
      int& block = of[static_cast<size_t>(input)];
      if (!steps_.HasGradient(input) || block != kMissing) continue;
      const int last = times_.Backward(StepOf(input));
      if (share_ && step.kernel->backward_in_place(i) && MayLieOver(step, s, input, over, unread)) {
        block = own;
        over.push_back(input);
        unread.push_back(input);
        blocks_[static_cast<size_t>(own)].last =
            std::max(blocks_[static_cast<size_t>(own)].last, last);
      } else {
        block = AddBlock(input, times_.Backward(s), last);
        unread_[block].push_back(input);
      }
    }
  }

  // Whether the gradient of `input` may lie over that of step s's output: everything else in there
  // has been read, and of those that begin with it none is added to before the others are read.
  bool MayLieOver(const Step& step, int s, Value input, const std::vector<Value>& over,
                  const std::vector<Value>& unread) const {
    if (std::ranges::count(step.inputs, input) != 1) return false;
    if (unread.size() > over.size()) return false;  // which has all of `over`
    const auto added_before_read = [&](Value added, Value read) {
      return std::ranges::any_of(readers_[static_cast<size_t>(added)],
                                 [&](int c) { return c != s && c >= StepOf(read); });
    };
    return std::ranges::none_of(over, [&](Value other) {
      return added_before_read(input, other) || added_before_read(other, input);
    });
  }

  const Graph& graph_;
  const Steps& steps_;
  Times times_;
  std::span<const size_t> bytes_;
  bool training_, share_;
  std::span<const char> wanted_;
  std::vector<Block>& blocks_;
  std::vector<int> last_;                  // of each value
  std::vector<std::vector<int>> readers_;  // likewise: steps
  // Of each block: whose gradients lie in it that a step still to come (backwards) has to read.
  std::map<int, std::vector<Value>> unread_;
};

}  // namespace

ValueBlocks MakeValueBlocks(const Graph& graph, const Steps& steps, std::span<const size_t> bytes,
                            bool training, std::span<const char> wanted, bool share,
                            std::vector<Block>& blocks) {
  return BlockMaker(graph, steps, bytes, training, wanted, share, blocks).Make();
}

}  // namespace normkit
