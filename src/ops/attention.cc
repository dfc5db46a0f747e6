// Attention among the steps of each observation (Vaswani et al. 2017, eq. 1, by heads): scores of
// some queries at a time, never those of all with all.
#include <cmath>

#include "src/core/fail.h"
#include "src/core/scratch.h"
#include "src/ops/pieces.h"
#include "src/ops/time_ops.h"
#include "src/ops/time_rows.h"
#include "src/products/row_product.h"
#include "src/products/softmax_rows.h"

namespace normkit::ops {
namespace {

using products::Begin;
using products::PackedSize;
using products::PackWeights;
using products::RowProduct;

constexpr int64_t kBlock = 64;  // queries at a time, and keys of a packed block

struct PackedTag;
struct ScoresTag;
struct SumsTag;

// Rows of one head of one observation: `width` channels, the next row `step` floats behind.
struct HeadRows {
  const float* at;
  int64_t step, width;
  const float* row(int64_t i) const { return at + i * step; }
};

// y_i (+)= the sum over steps k of x_i[k] rows[k], for queries [first, first + count) that see
// `keys` steps: products with blocks of the rows, packed once.
class MixedRows {
 public:
  static size_t Size(int64_t length, int64_t width) {
    return static_cast<size_t>((length + kBlock - 1) / kBlock) * PackedSize(width, kBlock);
  }
  MixedRows(const HeadRows& rows, int64_t length, float* memory)
      : rows_(rows), length_(length), memory_(memory) {
    for (int64_t begin = 0; begin < length; begin += kBlock)
      PackWeights(rows.row(begin), {rows.width, Count(begin), 1, rows.step}, Packed(begin));
  }
  void Run(const float* x, int64_t x_step, int64_t count, int64_t keys, float* y,
           int64_t y_step) const {
    const float* from[kBlock];
    float* to[kBlock];
    for (int64_t begin = 0; begin < keys; begin += kBlock) {
      for (int64_t i = 0; i < count; ++i) {
        from[i] = x + i * x_step + begin;
        to[i] = y + i * y_step;
      }
      RowProduct{Packed(begin), rows_.width, Count(begin), begin ? Begin::kThere : Begin::kZeros}
          .Run(from, to, count);
    }
  }

 private:
  int64_t Count(int64_t begin) const { return std::min(kBlock, length_ - begin); }
  float* Packed(int64_t begin) const {
    return memory_ + static_cast<size_t>(begin / kBlock) * PackedSize(rows_.width, kBlock);
  }

  HeadRows rows_;
  int64_t length_;
  float* memory_;
};

// y_i[k] = x_i rows[k] for the first `keys` steps.
class DotsOfRows {
 public:
  static size_t Size(int64_t length, int64_t width) { return PackedSize(length, width); }
  DotsOfRows(const HeadRows& rows, int64_t length, float* memory) : rows_(rows), memory_(memory) {
    PackWeights(rows.at, {length, rows.width, rows.step, 1}, memory);
  }
  void Run(const HeadRows& x, int64_t first, int64_t count, int64_t keys, float* y,
           int64_t y_step) const {
    const float* from[kBlock];
    float* to[kBlock];
    for (int64_t i = 0; i < count; ++i) {
      from[i] = x.row(first + i);
      to[i] = y + i * y_step;
    }
    RowProduct{memory_, keys, rows_.width}.Run(from, to, count);
  }

 private:
  HeadRows rows_;
  float* memory_;
};

class AttentionKernel : public Kernel {
 public:
  AttentionKernel(const AttentionSettings& settings, int64_t of_keys, int64_t of_values,
                  const TimeRows& time)
      : heads_(settings.num_heads),
        causal_(settings.causal),
        key_(of_keys / heads_),
        value_(of_values / heads_),
        scale_(static_cast<float>(1 / std::sqrt(static_cast<double>(key_)))),
        time_(time) {}

  // Of each row and head the largest score, and 1 / the sum of exponentials.
  size_t saved_bytes() const override {
    return static_cast<size_t>(2 * time_.rows() * heads_) * sizeof(float);
  }
  bool needs_output(size_t) const override { return true; }

  void Forward(const ForwardContext& context) override {
    if (time_.Idle()) return (void)std::fill_n(context.y(), time_.rows() * heads_ * value_, 0.f);
    auto* saved = reinterpret_cast<float*>(context.saved);
    ForHeads([&](int64_t begin, int64_t length, int64_t head) {
      ForwardHead(context, saved, begin, length, head);
    });
  }

  void Backward(const BackwardContext& context) override {
    if (time_.Idle()) {
      for (size_t i = 0; i < 3; ++i)
        if (float* dx = context.dx(i))
          Store(dx, 0, time_.rows() * heads_ * WidthOf(i), context.add[i],
                [](int64_t) { return 0.f; });
      return;
    }
    if (!context.dx(0) && !context.dx(1) && !context.dx(2)) return;
    const auto* saved = reinterpret_cast<const float*>(context.saved);
    ForHeads([&](int64_t begin, int64_t length, int64_t head) {
      BackwardHead(context, saved, begin, length, head);
    });
  }

 private:
  int64_t WidthOf(size_t input) const { return input < 2 ? key_ : value_; }
  // f(first row, rows, head) for each observation and head, on threads.
  template <class F>
  void ForHeads(const F& f) const {
    const bool worth = time_.rows() * time_.longest() * heads_ * (key_ + value_) >= 1 << 17;
    ParallelFor(time_.observations() * heads_, worth, [&](int64_t task) {
      const int64_t i = task / heads_;
      f(time_.begin(i), time_.length(i), task % heads_);
    });
  }
  HeadRows Rows(const float* x, int64_t width, int64_t begin, int64_t head) const {
    return {x + (begin * heads_ + head) * width, heads_ * width, width};
  }
  // How many steps the query sees, and those of the last of some.
  int64_t Seen(int64_t query, int64_t length) const { return causal_ ? query + 1 : length; }
  float* SavedOf(float* saved, int64_t row, int64_t head) const {
    return saved + 2 * (row * heads_ + head);
  }

  void ForwardHead(const ForwardContext& context, float* saved, int64_t begin, int64_t length,
                   int64_t head) const;
  void BackwardHead(const BackwardContext& context, const float* saved, int64_t begin,
                    int64_t length, int64_t head) const;

  int64_t heads_;
  bool causal_;
  int64_t key_, value_;  // channels of a head
  float scale_;
  TimeRows time_;
};

void AttentionKernel::ForwardHead(const ForwardContext& context, float* saved, int64_t begin,
                                  int64_t length, int64_t head) const {
  const HeadRows q = Rows(context.x(0), key_, begin, head),
                 k = Rows(context.x(1), key_, begin, head),
                 v = Rows(context.x(2), value_, begin, head);
  float* y = context.y() + (begin * heads_ + head) * value_;
  const size_t of_keys = DotsOfRows::Size(length, key_);
  float* packed = Scratch<PackedTag, float>(of_keys + MixedRows::Size(length, value_));
  const DotsOfRows keys(k, length, packed);
  const MixedRows values(v, length, packed + of_keys);
  float* scores = Scratch<ScoresTag, float>(static_cast<size_t>(kBlock * length));
  for (int64_t first = 0; first < length; first += kBlock) {
    const int64_t count = std::min(kBlock, length - first), seen = Seen(first + count - 1, length);
    // Products with blocks of values read as far as the last block that is seen.
    const int64_t read = std::min(length, (seen + kBlock - 1) / kBlock * kBlock);
    keys.Run(q, first, count, seen, scores, length);
    for (int64_t i = 0; i < count; ++i) {
      float *row = scores + i * length, largest;
      const int64_t own = Seen(first + i, length);
      const float sum = products::ExponentialsOfRow(row, own, scale_, &largest), rest = 1 / sum;
      products::Scale(row, own, rest);
      std::fill(row + own, row + read, 0.f);
      if (!saved) continue;
      float* to = SavedOf(saved, begin + first + i, head);
      to[0] = largest, to[1] = rest;
    }
    values.Run(scores, length, count, seen, y + first * heads_ * value_, heads_ * value_);
  }
}

void AttentionKernel::BackwardHead(const BackwardContext& context, const float* saved,
                                   int64_t begin, int64_t length, int64_t head) const {
  const HeadRows q = Rows(context.x(0), key_, begin, head),
                 k = Rows(context.x(1), key_, begin, head),
                 v = Rows(context.x(2), value_, begin, head),
                 y = Rows(context.y(), value_, begin, head),
                 dy = Rows(context.dy(), value_, begin, head);
  const size_t of_keys = DotsOfRows::Size(length, key_),
               of_values = DotsOfRows::Size(length, value_),
               of_mixed = MixedRows::Size(length, key_),
               of_block = std::max(PackedSize(key_, kBlock), PackedSize(value_, kBlock));
  float* packed = Scratch<PackedTag, float>(of_keys + of_values + of_mixed + of_block);
  const DotsOfRows keys(k, length, packed), values(v, length, packed + of_keys);
  const MixedRows mixed(k, length, packed + of_keys + of_values);
  float* block = packed + of_keys + of_values + of_mixed;
  const auto all = static_cast<size_t>(length);
  float* weights = Scratch<ScoresTag, float>(3 * kBlock * all);
  float *gradients = weights + kBlock * length, *turned = gradients + kBlock * length;
  float* sums = Scratch<SumsTag, float>(static_cast<size_t>(2 * key_ + value_) * all);
  float *dq = sums, *dk = dq + length * key_, *dv = dk + length * key_;
  std::fill_n(dk, length * (key_ + value_), 0.f);

  // to[k] += the sum over the block's queries of x[query, k] rows[query]
  const auto add_turned = [&](const float* x, const HeadRows& rows, int64_t first, int64_t count,
                              int64_t seen, float* to) {
    for (int64_t i = 0; i < count; ++i)
      for (int64_t s = 0; s < seen; ++s) turned[s * kBlock + i] = x[i * length + s];
    PackWeights(rows.row(first), {rows.width, count, 1, rows.step}, block);
    const RowProduct product{block, rows.width, count, Begin::kThere};
    product.RunAll(turned, kBlock, to, rows.width, seen);
  };
  for (int64_t first = 0; first < length; first += kBlock) {
    const int64_t count = std::min(kBlock, length - first), seen = Seen(first + count - 1, length);
    const int64_t read = std::min(length, (seen + kBlock - 1) / kBlock * kBlock);
    keys.Run(q, first, count, seen, weights, length);
    values.Run(dy, first, count, seen, gradients, length);
    for (int64_t i = 0; i < count; ++i) {
      float *w = weights + i * length, *dw = gradients + i * length;
      const int64_t own = Seen(first + i, length);
      const float* of = SavedOf(const_cast<float*>(saved), begin + first + i, head);
      products::WeightsOfRow(w, own, scale_, of[0], of[1]);
      const float mean = products::DotOfRows(dy.row(first + i), y.row(first + i), value_);
      products::ScoreGradients(w, dw, own, mean, scale_);
      std::fill(w + own, w + read, 0.f);
      std::fill(dw + own, dw + read, 0.f);
    }
    add_turned(weights, dy, first, count, seen, dv);
    add_turned(gradients, q, first, count, seen, dk);
    mixed.Run(gradients, length, count, seen, dq + first * key_, key_);
  }
  const float* of_input[] = {dq, dk, dv};
  for (size_t input = 0; input < 3; ++input) {
    const int64_t width = WidthOf(input);
    float* dx = context.dx(input);
    for (int64_t row = 0; dx && row < length; ++row)
      Store(dx + ((begin + row) * heads_ + head) * width, 0, width, context.add[input],
            [from = of_input[input] + row * width](int64_t c) { return from[c]; });
  }
}

class AttentionOp : public Op {
 public:
  explicit AttentionOp(const AttentionSettings& settings) : settings_(settings) {}
  std::string_view name() const override { return "attention"; }
  std::vector<ArrayType> Infer(std::span<const OpInput> inputs) const override {
    for (const OpInput& input : inputs)
      if (const Layout& x = input.type.shape;
          !LookingRows::Fits(x) || x.channels() % settings_.num_heads != 0)
        Fail("input is {}, expected steps of features, TC, or positions, a multiple of {} heads",
             x.ToString(), settings_.num_heads);
    if (inputs[0].type != inputs[1].type)
      Fail("queries are {}, keys {}, expected the same", inputs[0].type.shape.ToString(),
           inputs[1].type.shape.ToString());
    return {inputs[2].type};
  }
  std::unique_ptr<Kernel> Prepare(std::span<const OpInput> inputs,
                                  const Preparation& how) const override {
    const Layout& keys = inputs[1].type.shape;
    return std::make_unique<AttentionKernel>(settings_, keys.channels(),
                                             inputs[2].type.shape.channels(),
                                             LookingRows(inputs[1], how).rows());
  }

 private:
  AttentionSettings settings_;
};

}  // namespace

OpPtr Attention(const AttentionSettings& settings) {
  return std::make_shared<AttentionOp>(settings);
}

}  // namespace normkit::ops
