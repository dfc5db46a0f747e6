// What the steps of sequences are looked up in: tables by tokens and by places.
#include <cmath>
#include <numeric>
#include <vector>

#include "src/core/fail.h"
#include "src/core/late_sums.h"
#include "src/core/scratch.h"
#include "src/ops/pieces.h"
#include "src/ops/time_ops.h"
#include "src/ops/time_rows.h"

namespace normkit::ops {
namespace {

struct OrderTag;
struct LevelsTag;
struct TableNodesTag;

// The gradient of a table [count, width] whose row index(r) gave row r of y: sums of rows of dy, by
// the tree of the leaves that they lie in.
template <class Index>
class TableGradient {
 public:
  TableGradient(const LeafCut& cut, int64_t count, int64_t width, const Index& index)
      : cut_(cut), count_(count), width_(width), index_(index) {}

  void Sum(const float* dy, Reducer* reducer, float* to) const {
    const int64_t size = count_ * width_;
    const bool alone = !reducer || reducer->ranks() == 1;
    float* more =
        alone ? to : Scratch<TableNodesTag, float>(static_cast<size_t>(size * BatchPart::kLeaves));
    LeafArrays<float> nodes{};
    ForNodes(cut_.part(), [&](int first, int leaves) {
      float* node = alone ? to : more + first * size;
      std::fill_n(node, size, 0.f);
      nodes[static_cast<size_t>(first)] = node;
      SumNode(dy, first, leaves, node);
    });
    SumNodesTo(nodes, cut_.part(), reducer, size, to);
  }

 private:
  void SumNode(const float* dy, int first, int leaves, float* node) const {
    const int64_t begin = cut_.begin_of(first), rows = cut_.begin_of(first + leaves) - begin;
    auto* order = Scratch<OrderTag, int64_t>(static_cast<size_t>(rows));
    std::iota(order, order + rows, begin);
    const auto less = [&](int64_t a, int64_t b) {
      return std::pair(index_(a), a) < std::pair(index_(b), b);
    };
    std::sort(order, order + rows, less);  // a stable sort allocates
    for (int64_t from = 0, to = 0; from < rows; from = to) {
      while (to < rows && index_(order[to]) == index_(order[from])) ++to;
      SumLeavesOf(dy, {order + from, order + to}, first, leaves,
                  node + index_(order[from]) * width_, 0);
    }
  }

  // Of these rows, which lie in `leaves` leaves from `first` on, one at least.
  void SumLeavesOf(const float* dy, std::span<const int64_t> rows, int first, int leaves, float* to,
                   int64_t level) const {
    if (leaves == 1) {
      std::fill_n(to, width_, 0.f);
      for (const int64_t row : rows) AddUp()(to, dy + row * width_, width_);
      return;
    }
    const int half = leaves / 2;
    const auto middle = std::ranges::lower_bound(rows, cut_.begin_of(first + half)) - rows.begin();
    const auto left = rows.first(static_cast<size_t>(middle)),
               right = rows.subspan(static_cast<size_t>(middle));
    if (left.empty()) return SumLeavesOf(dy, right, first + half, half, to, level);
    SumLeavesOf(dy, left, first, half, to, level);
    if (right.empty()) return;
    float* other = Scratch<LevelsTag, float>(static_cast<size_t>(8 * width_)) + level * width_;
    SumLeavesOf(dy, right, first + half, half, other, level + 1);
    AddUp()(to, other, width_);
  }

  const LeafCut& cut_;
  int64_t count_, width_;
  const Index& index_;
};

class EmbeddingKernel : public Kernel {
 public:
  EmbeddingKernel(const std::string& title, const Layout& table, const RowCut& cut, int64_t rows)
      : title_(title),
        count_(table.axes()[0].size),
        width_(table.axes()[1].size),
        rows_(rows),
        cut_(cut) {}
  bool needs_input(size_t i) const override { return i == 0; }
  bool adds(size_t i) const override { return i == 0; }

  void Forward(const ForwardContext& context) override {
    ForRowPieces(rows_, width_, [&](int64_t row) {
      const float* from = context.x(1) + TokenOf(context.x(0), row) * width_;
      std::copy_n(from, width_, context.y() + row * width_);
    });
  }
  // Tokens have no gradient.
  void Backward(const BackwardContext& context) override {
    if (context.dx(0) && !context.add[0]) std::fill_n(context.dx(0), rows_, 0.f);
    if (!context.dx(1)) return;
    const LeafCut cut = cut_.Get();
    const float* x = context.x(0);
    const auto token = [x](int64_t row) { return static_cast<int64_t>(x[row]); };
    TableGradient(cut, count_, width_, token).Sum(context.dy(), context.run.reducer, context.dx(1));
  }

 private:
  int64_t TokenOf(const float* x, int64_t row) const {
    const float token = x[row];
    if (!(token >= 0 && token < static_cast<float>(count_) && token == std::floor(token)))
      Fail("{}: step {} of the mini-batch is {}, expected a whole number from 0 to {}", title_, row,
           token, count_ - 1);
    return static_cast<int64_t>(token);
  }

  std::string title_;
  int64_t count_, width_, rows_;
  RowCut cut_;
};

class EmbeddingOp : public Op {
 public:
  explicit EmbeddingOp(std::string title) : title_(std::move(title)) {}
  std::string_view name() const override { return "embedding"; }
  std::vector<ArrayType> Infer(std::span<const OpInput> inputs) const override {
    std::vector<Axis> axes = inputs[0].type.shape.axes();
    axes.back().size = inputs[1].type.shape.axes()[1].size;
    return {{DType::kF32, Layout(std::move(axes))}};
  }
  std::unique_ptr<Kernel> Prepare(std::span<const OpInput> inputs,
                                  const Preparation& how) const override {
    const Layout& x = inputs[0].type.shape;
    return std::make_unique<EmbeddingKernel>(title_, inputs[1].type.shape,
                                             RowCut(x, how.part, how.time), x.axes()[0].size);
  }

 private:
  std::string title_;
};

// y = x + the row of a table that is the step's place in its observation: of a parameter, or of
// sines and cosines.
class PositionsKernel : public Kernel {
 public:
  PositionsKernel(const std::string& title, int64_t table, const Layout& x, const TimeRows& time,
                  const RowCut& cut)
      : title_(title), table_(table), width_(x.channels()), time_(time), cut_(cut) {}
  bool needs_input(size_t) const override { return false; }
  bool forward_in_place() const override { return true; }
  bool backward_in_place(size_t i) const override { return i == 0; }
  bool adds(size_t i) const override { return i == 0; }

  void Forward(const ForwardContext& context) override {
    const int64_t longest = time_.Idle() ? 0 : time_.longest();
    if (table_ > 0 && longest > table_)
      Fail("{}: a sequence has {} steps, expected at most {} (max_position)", title_, longest,
           table_);
    if (table_ == 0) Grow(longest);
    const float* table = table_ > 0 ? context.x(1) : waves_.data();
    ForSteps([&](int64_t row, int64_t place) {
      const float* add = table + place * width_;
      const float* x = context.x() + row * width_;
      Store(context.y() + row * width_, 0, width_, false, [&](int64_t c) { return x[c] + add[c]; });
    });
  }

  void Backward(const BackwardContext& context) override {
    if (table_ > 0 && context.dx(1)) {
      places_.resize(static_cast<size_t>(time_.rows()));
      ForSteps([&](int64_t row, int64_t place) { places_[static_cast<size_t>(row)] = place; });
      const LeafCut cut = cut_.Get();
      const auto place = [this](int64_t row) { return places_[static_cast<size_t>(row)]; };
      TableGradient(cut, table_, width_, place)
          .Sum(context.dy(), context.run.reducer, context.dx(1));
    }
    if (!context.dx(0)) return;
    const float* dy = context.dy();
    ForPieces(time_.rows() * width_, [&](int64_t begin, int64_t end) {
      Store(context.dx(0), begin, end, context.add[0], [&](int64_t i) { return dy[i]; });
    });
  }

 private:
  template <class F>
  void ForSteps(const F& f) const {
    if (time_.Idle()) return f(0, 0);
    constexpr int64_t kRows = 64;
    ParallelFor((time_.rows() + kRows - 1) / kRows, time_.rows() * width_ >= kParallelElements,
                [&](int64_t piece) {
                  time_.ForRows(piece * kRows, std::min(time_.rows(), (piece + 1) * kRows),
                                [&](int64_t row, int64_t begin, int64_t) { f(row, row - begin); });
                });
  }

  // Vaswani et al. 2017, section 3.5: sin(t / 10000^(2i / C)) and the cosine, in turns.
  void Grow(int64_t steps) {
    const auto begin = static_cast<int64_t>(waves_.size()) / width_;
    steps = std::max<int64_t>(steps, 1);
    if (steps <= begin) return;
    waves_.resize(static_cast<size_t>(steps * width_));
    for (int64_t c = 0; c < width_; ++c) {
      const double rate =
          std::pow(10000.0, -static_cast<double>(c / 2 * 2) / static_cast<double>(width_));
      for (int64_t t = begin; t < steps; ++t) {
        const double angle = static_cast<double>(t) * rate;
        waves_[static_cast<size_t>(t * width_ + c)] =
            static_cast<float>(c % 2 == 0 ? std::sin(angle) : std::cos(angle));
      }
    }
  }

  std::string title_;
  int64_t table_, width_;
  TimeRows time_;
  RowCut cut_;
  std::vector<float> waves_;  // as many steps as were met
  std::vector<int64_t> places_;
};

// The sizes of a picture, whose positions a table tells apart by rows; of steps there are none.
std::vector<int64_t> SpaceOf(const Layout& x) {
  std::vector<int64_t> space;
  for (const Axis& axis : x.axes())
    if (axis.label == kS && !x.packed()) space.push_back(axis.size);
  return space;
}

class PositionsOp : public Op {
 public:
  PositionsOp(std::string title, std::vector<int64_t> space)
      : title_(std::move(title)), space_(std::move(space)) {}
  std::string_view name() const override { return "positions"; }
  std::vector<ArrayType> Infer(std::span<const OpInput> inputs) const override {
    const std::vector<int64_t> space = SpaceOf(inputs[0].type.shape);
    if (space != space_)
      Fail("a picture has {} positions, expected {} (those that its table is of)",
           fmt::join(space, "x"), fmt::join(space_, "x"));
    return {inputs[0].type};
  }
  std::unique_ptr<Kernel> Prepare(std::span<const OpInput> inputs,
                                  const Preparation& how) const override {
    const Layout& x = inputs[0].type.shape;
    const int64_t table = inputs.size() > 1 ? inputs[1].type.shape.axes()[0].size : 0;
    const LookingRows rows(inputs[0], how);
    return std::make_unique<PositionsKernel>(title_, table, x, rows.rows(), rows.cut());
  }

 private:
  std::string title_;
  std::vector<int64_t> space_;
};

}  // namespace

OpPtr Embedding(const std::string& title) { return std::make_shared<EmbeddingOp>(title); }
OpPtr Positions(const std::string& title, const Layout& x) {
  return std::make_shared<PositionsOp>(title, SpaceOf(x));
}

}  // namespace normkit::ops
