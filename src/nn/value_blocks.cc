#include "src/nn/value_blocks.h"

#include <algorithm>
#include <map>

namespace normkit {
namespace {

class Maker {
 public:
  Maker(const Steps& steps, std::span<const size_t> bytes, bool training, bool keep_all,
        std::vector<Block>& blocks)
      : steps_(steps),
        times_{static_cast<int>(steps.list.size())},
        bytes_(bytes),
        training_(training),
        keep_all_(keep_all),
        blocks_(blocks),
        last_(bytes.size(), 0),
        readers_(bytes.size()) {
    FindUses();
  }

  ValueBlocks Make(int input) {
    ValueBlocks result;
    result.value.assign(bytes_.size(), kMissing);
    result.gradient.assign(bytes_.size(), kMissing);
    for (const size_t last : last_) result.kept.push_back(keep_all_ || last >= HoldTime());
    for (int s = 0; s < times_.steps; ++s) PlaceValue(s, input, result.value);
    if (training_)
      for (int s = times_.steps; s-- > 0;) PlaceGradients(s, result.gradient);
    return result;
  }

 private:
  const Step& At(int step) const { return steps_.list[static_cast<size_t>(step)]; }
  int StepOf(Value value) const { return steps_.of_value[static_cast<size_t>(value)]; }
  size_t HoldTime() const { return static_cast<size_t>(times_.Hold()); }

  // When each value is read for the last time, and by which steps.
  void FindUses() {
    const auto extend = [&](Value value, int time) {
      size_t& last = last_[static_cast<size_t>(value)];
      last = std::max(last, static_cast<size_t>(time));
    };
    const Step& end = steps_.list.back();
    extend(end.output, times_.Hold());
    for (const Value input : end.inputs) extend(input, times_.Hold());
    for (int s = 0; s < times_.steps; ++s) {
      const Step& step = At(s);
      const bool backward = training_ && step.needs_gradient;
      extend(step.output, backward && step.op && step.op->needs_output() ? times_.Backward(s) : s);
      for (size_t i = 0; i < step.inputs.size(); ++i) {
        extend(step.inputs[i], backward && step.op->needs_input(i) ? times_.Backward(s) : s);
        readers_[static_cast<size_t>(step.inputs[i])].push_back(s);
      }
    }
  }

  int Add(Value value, int first, int last) {
    blocks_.push_back({bytes_[static_cast<size_t>(value)], keep_all_ ? 0 : first,
                       keep_all_ ? times_.End() : last, 0});
    return static_cast<int>(blocks_.size()) - 1;
  }

  void PlaceValue(int s, int input, std::vector<int>& of) {
    const Step& step = At(s);
    const auto v = static_cast<size_t>(step.output);
    const int last = static_cast<int>(last_[v]);
    if (!step.op) {
      of[v] = input;  // the observations themselves
    } else if (!keep_all_ && step.op->forward_in_place() && !step.inputs.empty() &&
               IsOverwritable(step, s, input, of)) {
      of[v] = of[static_cast<size_t>(step.inputs[0])];
      Block& block = blocks_[static_cast<size_t>(of[v])];
      block.last = std::max(block.last, last);
    } else {
      of[v] = Add(step.output, s, last);
    }
  }

  // Whether step s is the last to read its first input.
  bool IsOverwritable(const Step& step, int s, int input, const std::vector<int>& of) const {
    const auto x = static_cast<size_t>(step.inputs[0]);
    return of[x] != input && last_[x] == static_cast<size_t>(s) &&
           std::ranges::count(step.inputs, step.inputs[0]) == 1;
  }

  // The gradients of what step s reads, where it is the first to know anything of them.
  void PlaceGradients(int s, std::vector<int>& of) {
    const Step& step = At(s);
    if (!step.needs_gradient) return;
    int& own = of[static_cast<size_t>(step.output)];
    if (own == kMissing) own = Add(step.output, times_.Hold() + 1, times_.Backward(s));
    std::vector<Value>& unread = unread_[own];
    std::erase_if(unread, [&](Value value) { return StepOf(value) >= s; });
    std::vector<Value> over;  // gradients that lie in this step's own
    for (size_t i = 0; i < step.inputs.size(); ++i) {
      const Value input = step.inputs[i];
      int& block = of[static_cast<size_t>(input)];
      if (!steps_.NeedsGradient(input) || block != kMissing) continue;
      const int last = times_.Backward(StepOf(input));
      if (!keep_all_ && step.op->backward_in_place(i) && MayLieOver(step, s, input, over, unread)) {
        block = own;
        over.push_back(input);
        unread.push_back(input);
        blocks_[static_cast<size_t>(own)].last =
            std::max(blocks_[static_cast<size_t>(own)].last, last);
      } else {
        block = Add(input, times_.Backward(s), last);
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

  const Steps& steps_;
  Times times_;
  std::span<const size_t> bytes_;
  bool training_, keep_all_;
  std::vector<Block>& blocks_;
  std::vector<size_t> last_;               // of each value
  std::vector<std::vector<int>> readers_;  // likewise: steps
  // Of each block: whose gradients lie in it that a step still to come (backwards) has to read.
  std::map<int, std::vector<Value>> unread_;
};

}  // namespace

ValueBlocks MakeValueBlocks(const Steps& steps, std::span<const size_t> bytes, int input,
                            bool training, bool keep_all, std::vector<Block>& blocks) {
  return Maker(steps, bytes, training, keep_all, blocks).Make(input);
}

}  // namespace normkit
