#include "src/onednn/blocks.h"

#include <vector>

#include "src/core/parallel.h"
#include "src/core/scratch.h"
#include "src/onednn/fold.h"
#include "src/onednn/primitive.h"

namespace normkit {
namespace {

using dnnl::memory;
using Pair = BlockShape::Pair;

constexpr int64_t kBlockRows = 8, kBlockColumns = 32;

struct BlockInputTag;
struct BlockOutputTag;
struct BlockSumsTag;
struct BlockPadTag;

int64_t Modulo(int64_t a, int64_t b) { return (a % b + b) % b; }
int64_t CeilOf(int64_t a, int64_t b) { return (a + b - 1) / b; }

// `channels` of the elements [first, first + count) of a row of x, those outside being 0.
void CopyRow(const float* row, int64_t width, int64_t channels, int64_t first, int64_t count,
             float* to) {
  const int64_t begin = std::clamp<int64_t>(-first, 0, count),
                end = row ? std::clamp<int64_t>(width - first, begin, count) : begin;
  std::fill_n(to, begin * channels, 0.f);
  if (end > begin)
    std::copy_n(row + (first + begin) * channels, (end - begin) * channels, to + begin * channels);
  std::fill_n(to + end * channels, (count - end) * channels, 0.f);
}

}  // namespace

BlockShape BlockShape::Of(const ConvolutionShape& s, Pair y_begin, Pair x_begin) {
  const auto pair = [](const Space& space) { return Pair{space[0], space[1]}; };
  return {pair(s.size),   pair(s.output_size()),
          s.channels,     s.filters,
          s.groups,       pair(s.filter_size),
          pair(s.stride), pair(s.dilation),
          pair(s.before), y_begin,
          x_begin,        s.bias};
}

class BlockConvolution::Impl {
 public:
  explicit Impl(const BlockShape& s)
      : s_(s),
        folded_(s.channels, s.filters, s.window[0], s.window[1],
                s.groups == 1 && s.stride == Pair{1, 1} && s.dilation == Pair{1, 1}),
        fold_(folded_.fold()),
        first_row_(-Modulo(s.y_begin[0], kBlockRows)) {
    // Columns of blocks are those of y, or where y is added up from sums at each column of x, x's.
    const bool of_x = fold_ == Fold::kOutput;
    first_column_ = -Modulo(of_x ? s.x_begin[1] : s.y_begin[1], kBlockColumns);
    blocks_ = CeilOf((of_x ? s.x[1] : s.y[1]) - first_column_, kBlockColumns);
    if (s_.y_width == 0) s_.y_width = s.y[1];
    in_rows_ = (kBlockRows - 1) * s.stride[0] + (s.window[0] - 1) * s.dilation[0] + 1;
    in_columns_ = fold_ != Fold::kNone
                      ? kBlockColumns
                      : (kBlockColumns - 1) * s.stride[1] + (s.window[1] - 1) * s.dilation[1] + 1;
    Prepare(CeilOf(s.y[0] - first_row_, kBlockRows));
  }

  size_t scratch_bytes() const { return layout_.bytes(); }

  void Run(const float* x, const float* weights, const float* bias, float* y, std::byte* scratch) {
    OneDnnCall call;
    if (fold_ != Fold::kNone) {
      folded_.FoldWeights(weights, folded_region_.At(scratch));
      weights = folded_region_.At(scratch);
    }
    float* ordered = ordered_region_.At(scratch);
    {
      const OneThread one_thread;
      call.Note(reorder_[0].Run({weights, ordered}));
    }
    ParallelFor(std::ssize(calls_), true, [&](int64_t strip) {
      const OneThread one_thread;
      const int64_t row = first_row_ + strip * kBlockRows;
      if (fold_ == Fold::kOutput)
        RunSums(strip, row, x, ordered, bias, y, call);
      else
        RunBlocks(strip, row, x, ordered, bias, y, call);
    });
    call.Check("convolution forward");
  }

 private:
  int64_t filters() const { return folded_.filters(); }

  void Prepare(int64_t strips) {
    const OneThread one_thread;
    const auto image = [](int64_t channels, int64_t rows, int64_t columns) {
      return memory::desc({1, channels, rows, columns}, memory::data_type::f32,
                          memory::format_tag::nhwc);
    };
    const auto weights = [&](bool any) {
      memory::dims dims{filters() / s_.groups, folded_.channels() / s_.groups, s_.window[0],
                        fold_ == Fold::kNone ? s_.window[1] : 1};
      if (s_.groups != 1) dims.insert(dims.begin(), s_.groups);
      const auto own = s_.groups == 1 ? memory::format_tag::oihw : memory::format_tag::goihw;
      return memory::desc(dims, memory::data_type::f32, any ? memory::format_tag::any : own);
    };
    const memory::desc x = image(folded_.channels(), in_rows_, in_columns_),
                       y = image(filters(), kBlockRows, kBlockColumns),
                       bias = s_.bias && fold_ != Fold::kOutput
                                  ? memory::desc({s_.filters}, memory::data_type::f32,
                                                 memory::format_tag::x)
                                  : memory::desc();
    const memory::dims stride{s_.stride[0], s_.stride[1]},
        dilation{s_.dilation[0] - 1, s_.dilation[1] - 1}, none{0, 0};
    const auto desc = Describe<dnnl::convolution_forward>(
        dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct, x, weights(true),
        bias, y, stride, dilation, none, none);
    const dnnl::convolution_forward primitive(desc);
    for (int64_t strip = 0; strip < strips; ++strip)
      calls_.push_back(PrimitiveCall(primitive, {{DNNL_ARG_SRC, x},
                                                 {DNNL_ARG_WEIGHTS, desc.weights_desc()},
                                                 {DNNL_ARG_BIAS, bias},
                                                 {DNNL_ARG_DST, y},
                                                 {DNNL_ARG_SCRATCHPAD, desc.scratchpad_desc()}}));
    pad_bytes_ = desc.scratchpad_desc().get_size();
    reorder_.push_back(MakeReorder(weights(false), desc.weights_desc()));
    folded_region_ = layout_.Add(folded_.weights() * sizeof(float));
    ordered_region_ = layout_.Add(desc.weights_desc().get_size());
  }

  // The input of the block whose first result is (row, column), of y or, at kOutput, of x.
  float* Gather(int64_t row, int64_t column, const float* x) const {
    const int64_t channels = folded_.channels(), width = s_.x[1] * s_.channels;
    float* block =
        Scratch<BlockInputTag, float>(static_cast<size_t>(in_rows_ * in_columns_ * channels));
    for (int64_t r = 0; r < in_rows_; ++r) {
      const int64_t at = row * s_.stride[0] - s_.before[0] + r;
      const float* from = at >= 0 && at < s_.x[0] ? x + at * width : nullptr;
      float* to = block + r * in_columns_ * channels;
      if (fold_ == Fold::kInput) {
        Unfold(from, column, to);
      } else {
        const int64_t first =
            fold_ == Fold::kOutput ? column : column * s_.stride[1] - s_.before[1];
        CopyRow(from, s_.x[1], s_.channels, first, in_columns_, to);
      }
    }
    return block;
  }

  // The windows of the columns of a block, which overlap.
  void Unfold(const float* row, int64_t column, float* to) const {
    const int64_t taps = folded_.columns() * s_.channels;
    for (int64_t c = 0; c < kBlockColumns; ++c, to += folded_.channels()) {
      CopyRow(row, s_.x[1], s_.channels, column + c - s_.before[1], folded_.columns(), to);
      std::fill(to + taps, to + folded_.channels(), 0.f);
    }
  }

  void RunBlock(int64_t strip, const float* in, const float* ordered, const float* bias, float* to,
                OneDnnCall& call) {
    std::byte* pad = pad_bytes_ > 0 ? Scratch<BlockPadTag, std::byte>(pad_bytes_) : nullptr;
    call.Note(calls_[static_cast<size_t>(strip)].Run({in, ordered, bias, to, pad}));
  }

  // Rows of the strip within y: [first, last) of the block's.
  Pair RowsOf(int64_t row) const {
    return {std::max<int64_t>(0, -row), std::min(kBlockRows, s_.y[0] - row)};
  }
  float* Result(float* y, int64_t row, int64_t column) const {
    return y + (row * s_.y_step[0] * s_.y_width + column * s_.y_step[1]) * s_.filters;
  }

  void RunBlocks(int64_t strip, int64_t row, const float* x, const float* ordered,
                 const float* bias, float* y, OneDnnCall& call) {
    float* block = Scratch<BlockOutputTag, float>(
        static_cast<size_t>(kBlockRows * kBlockColumns * s_.filters));
    const auto [first_row, last_row] = RowsOf(row);
    for (int64_t b = 0; b < blocks_; ++b) {
      const int64_t column = first_column_ + b * kBlockColumns,
                    first = std::max<int64_t>(0, -column),
                    last = std::min(kBlockColumns, s_.y[1] - column);
      RunBlock(strip, Gather(row, column, x), ordered, bias, block, call);
      for (int64_t r = first_row; r < last_row; ++r) {
        const float* from = block + (r * kBlockColumns + first) * s_.filters;
        float* to = Result(y, row + r, column + first);
        if (s_.y_step[1] == 1) {
          std::copy_n(from, (last - first) * s_.filters, to);
          continue;
        }
        for (int64_t c = first; c < last; ++c, from += s_.filters, to += s_.y_step[1] * s_.filters)
          std::copy_n(from, s_.filters, to);
      }
    }
  }

  // y[r,c,o] = bias[o] + the sum over columns k of the sums at column c + k - before, (k,o).
  void RunSums(int64_t strip, int64_t row, const float* x, const float* ordered, const float* bias,
               float* y, OneDnnCall& call) {
    const int64_t block = kBlockRows * kBlockColumns * filters();
    float* sums = Scratch<BlockSumsTag, float>(static_cast<size_t>(blocks_ * block));
    for (int64_t b = 0; b < blocks_; ++b)
      RunBlock(strip, Gather(row, first_column_ + b * kBlockColumns, x), ordered, nullptr,
               sums + b * block, call);
    const auto [first_row, last_row] = RowsOf(row);
    for (int64_t r = first_row; r < last_row; ++r)
      for (int64_t c = 0; c < s_.y[1]; ++c) {
        float total[FoldedWindow::kFewChannels] = {};
        for (int64_t o = 0; s_.bias && o < s_.filters; ++o) total[o] = bias[o];
        const int64_t begin = c - s_.before[1], first = std::max<int64_t>(0, -begin),
                      end = std::min(folded_.columns(), s_.x[1] - begin);
        for (int64_t k = first; k < end; ++k) {
          const int64_t at = begin + k - first_column_;
          const float* from = sums + at / kBlockColumns * block +
                              (r * kBlockColumns + at % kBlockColumns) * filters() + k * s_.filters;
          for (int64_t o = 0; o < s_.filters; ++o) total[o] += from[o];
        }
        std::copy_n(total, s_.filters, Result(y, row + r, c));
      }
  }

  BlockShape s_;
  FoldedWindow folded_;
  Fold fold_;
  int64_t first_row_, first_column_, blocks_, in_rows_, in_columns_;
  std::vector<PrimitiveCall> calls_;    // of each strip of blocks
  std::vector<PrimitiveCall> reorder_;  // one
  size_t pad_bytes_ = 0;
  ScratchLayout layout_;
  Region folded_region_, ordered_region_;
};

BlockConvolution::BlockConvolution(const BlockShape& shape) try
    : impl_(std::make_unique<Impl>(shape)) {
} catch (const dnnl::error& error) {
  Fail("oneDNN: no convolution of {} channels with {} filters {}x{}: {}", shape.channels,
       shape.filters, shape.window[0], shape.window[1], error.what());
}
BlockConvolution::~BlockConvolution() = default;
BlockConvolution::BlockConvolution(BlockConvolution&&) noexcept = default;

size_t BlockConvolution::forward_scratch_bytes() const { return impl_->scratch_bytes(); }

void BlockConvolution::Forward(const float* x, const float* weights, const float* bias, float* y,
                               std::byte* scratch) {
  impl_->Run(x, weights, bias, y, scratch);
}

}  // namespace normkit
