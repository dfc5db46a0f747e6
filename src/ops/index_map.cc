// Operations that look up where each element of y comes from, axis by axis: padding, and resizing
// to the nearest element.
#include "src/ops/index_map.h"

#include <algorithm>

#include "src/core/fail.h"
#include "src/ops/boxes.h"
#include "src/ops/known.h"
#include "src/ops/pieces.h"

namespace normkit::ops {
namespace {

// Moves bytes; runs of neighbours that stay neighbours are moved together.
class IndexMapKernel : public Kernel {
 public:
  // Axes behind the last that is not left as it is are one with their elements.
  // `fill`: which input says what stands where there is nothing; 0: zeros.
  IndexMapKernel(const IndexMaps& maps, const ArrayType& x, size_t fill)
      : maps_(maps), bytes_(static_cast<int64_t>(SizeOf(x.dtype))), fill_(fill) {
    const std::vector<int64_t> shape = x.shape.shape();
    size_t axes = maps_.size();
    while (axes > 1 && IsWhole(maps_[axes - 1], shape[axes - 1])) inner_ *= shape[--axes];
    maps_.resize(axes);
    x_size_ = x.shape.size();
    strides_.assign(axes, inner_);
    for (size_t i = axes; i-- > 1;) strides_[i - 1] = strides_[i] * shape[i];
    for (size_t i = 0; i + 1 < axes; ++i) rows_ *= std::ssize(maps_[i]);
    columns_ = std::ssize(maps_.back());
    FindRuns();
  }
  bool needs_input(size_t) const override { return false; }

  void Forward(const ForwardContext& context) override {
    const auto* x = context.x<char>();
    const float fill = fill_ > 0 ? *context.x(fill_) : 0.f;
    ForRowPieces(rows_, std::max<int64_t>(1, columns_ * inner_), [&](int64_t row) {
      const int64_t from = RowOffset(row);
      char* to = context.y<char>() + row * columns_ * inner_ * bytes_;
      for (const Piece& piece : pieces_) {
        const int64_t n = piece.count * inner_;
        char* begin = to + piece.at * inner_ * bytes_;
        if (from < 0 || piece.from < 0)
          Fill(begin, n, fill);
        else
          std::copy_n(x + (from + piece.from * inner_) * bytes_, n * bytes_, begin);
      }
    });
  }

  // Rows of y may stand for one of x: the outermost axis alone is shared among threads, where each
  // element of it stands once.
  void Backward(const BackwardContext& context) override {
    float* dx = context.dx();
    if (!dx) return;
    if (!context.add[0]) std::fill_n(dx, x_size_, 0.f);
    const bool apart = maps_.size() > 1 && IsWhole(maps_[0], x_size_ / strides_[0]);
    const int64_t parts = apart ? std::ssize(maps_[0]) : 1, each = rows_ / parts;
    ParallelFor(parts, rows_ * columns_ * inner_ >= kParallelElements, [&](int64_t part) {
      for (int64_t row = part * each; row < (part + 1) * each; ++row) {
        const int64_t from = RowOffset(row);
        if (from < 0) continue;
        const float* dy = context.dy() + row * columns_ * inner_;
        for (const Piece& piece : pieces_) {
          if (piece.from < 0) continue;
          Store(dx + from + piece.from * inner_, 0, piece.count * inner_, true,
                [&](int64_t i) { return dy[piece.at * inner_ + i]; });
        }
      }
    });
  }

 private:
  // Neighbours of a row that lie side by side in x, or are all filled.
  struct Piece {
    int64_t at, from, count;  // from -1: filled
  };

  static bool IsWhole(const std::vector<int64_t>& map, int64_t size) {
    if (std::ssize(map) != size) return false;
    for (int64_t i = 0; i < size; ++i)
      if (map[static_cast<size_t>(i)] != i) return false;
    return true;
  }

  void FindRuns() {
    for (int64_t i = 0; i < columns_; ++i) {
      const int64_t from = maps_.back()[static_cast<size_t>(i)];
      if (!pieces_.empty()) {
        Piece& last = pieces_.back();
        if (from < 0 ? last.from < 0 : last.from >= 0 && last.from + last.count == from) {
          ++last.count;
          continue;
        }
      }
      pieces_.push_back({i, from, 1});
    }
  }

  // Where the row that this one comes from begins in x; -1: it is filled.
  int64_t RowOffset(int64_t row) const {
    int64_t offset = 0;
    for (size_t i = maps_.size() - 1; i-- > 0;) {
      const int64_t size = std::ssize(maps_[i]), from = maps_[i][static_cast<size_t>(row % size)];
      if (from < 0) return -1;
      offset += from * strides_[i];
      row /= size;
    }
    return offset;
  }

  void Fill(char* to, int64_t n, float fill) const {
    if (bytes_ == static_cast<int64_t>(sizeof(float)))
      std::fill_n(reinterpret_cast<float*>(to), n, fill);
    else
      std::fill_n(to, n * bytes_, char{0});
  }

  IndexMaps maps_;
  std::vector<int64_t> strides_;
  std::vector<Piece> pieces_;
  int64_t bytes_, inner_ = 1, rows_ = 1, columns_ = 0, x_size_ = 0;
  size_t fill_;
};

class PadOp : public Op {
 public:
  explicit PadOp(Edge edge) : edge_(edge) {}
  std::string_view name() const override { return "padding"; }
  std::vector<ArrayType> Infer(std::span<const OpInput> inputs) const override {
    const Layout& x = inputs[0].type.shape;
    const auto pads = KnownOfAxes(inputs[1], "padding");
    if (inputs.size() > 2 &&
        (inputs[2].type.dtype != DType::kF32 || inputs[2].type.shape.size() != 1))
      Fail("the number around x is {}, expected one f32", inputs[2].type.ToString());
    const auto rank = static_cast<size_t>(x.rank());
    if (pads.size() != 2 * rank)
      Fail("{} numbers of padding, expected {} (x is {})", pads.size(), 2 * rank, x.ToString());
    std::vector<Axis> axes = x.axes();
    for (size_t i = 0; i < rank; ++i) {
      CheckAxis(axes[i].size, pads[i], pads[rank + i], i);
      axes[i].size += pads[i] + pads[rank + i];
    }
    return {{inputs[0].type.dtype, Layout(std::move(axes))}};
  }
  std::unique_ptr<Kernel> Prepare(std::span<const OpInput> inputs,
                                  const Preparation&) const override {
    const auto pads = KnownOfAxes(inputs[1], "padding");
    IndexMaps maps;
    for (const Axis& axis : inputs[0].type.shape.axes())
      maps.push_back(Map(axis.size, pads[maps.size()],
                         axis.size + pads[maps.size()] + pads[pads.size() / 2 + maps.size()]));
    return std::make_unique<IndexMapKernel>(maps, inputs[0].type, inputs.size() > 2 ? 2 : 0);
  }
  std::optional<OpPiece> Piece(std::span<const OpInput> inputs, const Box& y) const override {
    const auto pads = KnownVector(inputs[1], "padding");
    IndexMaps maps;
    for (size_t i = 0; i < y.size.size(); ++i) {
      maps.emplace_back();
      for (int64_t k = y.begin[i]; k < y.end(i); ++k)
        maps[i].push_back(Source(k - pads[i], inputs[0].type.shape.axes()[i].size));
    }
    return IndexMapPiece(std::move(maps), inputs, y);
  }

 private:
  static constexpr int64_t kMost = 1 << 24;

  void CheckAxis(int64_t size, int64_t before, int64_t after, size_t axis) const {
    if (before > kMost || after > kMost || before < -size || after < -size ||
        size + before + after < 0)
      Fail("padding of axis {} is {} and {}, expected from {} to {}", axis, before, after, -size,
           kMost);
    if (edge_ == Edge::kReflect && std::max(before, after) >= std::max<int64_t>(size, 1))
      Fail("reflects {} and {} elements of axis {}, expected less than its {}", before, after, axis,
           size);
    if ((edge_ == Edge::kRepeat || edge_ == Edge::kAround) && size == 0 && before + after > 0)
      Fail("repeats the {} of axis {}, which has no elements",
           edge_ == Edge::kRepeat ? "edge" : "elements", axis);
  }

  std::vector<int64_t> Map(int64_t size, int64_t before, int64_t padded) const {
    std::vector<int64_t> map(static_cast<size_t>(padded));
    for (int64_t i = 0; i < padded; ++i) map[static_cast<size_t>(i)] = Source(i - before, size);
    return map;
  }

  int64_t Source(int64_t at, int64_t size) const {
    if (at >= 0 && at < size) return at;
    switch (edge_) {
      case Edge::kConstant:
        return -1;
      case Edge::kReflect:
        return at < 0 ? -at : 2 * (size - 1) - at;
      case Edge::kAround:
        return (at % size + size) % size;
      case Edge::kRepeat:
        break;
    }
    return at < 0 ? 0 : size - 1;
  }

  Edge edge_;
};

// x and perhaps one f32 that fills.
class IndexMapOp : public Op {
 public:
  explicit IndexMapOp(IndexMaps maps) : maps_(std::move(maps)) {}
  std::string_view name() const override { return "look-up"; }
  std::vector<ArrayType> Infer(std::span<const OpInput> inputs) const override {
    std::vector<Axis> axes = inputs[0].type.shape.axes();
    for (size_t i = 0; i < axes.size(); ++i) axes[i].size = std::ssize(maps_[i]);
    return {{inputs[0].type.dtype, Layout(std::move(axes))}};
  }
  std::unique_ptr<Kernel> Prepare(std::span<const OpInput> inputs,
                                  const Preparation&) const override {
    return std::make_unique<IndexMapKernel>(maps_, inputs[0].type, inputs.size() > 1 ? 1 : 0);
  }

 private:
  IndexMaps maps_;
};

}  // namespace

// What is read lies between the smallest and the largest place; of what is all filled one element.
OpPiece IndexMapPiece(IndexMaps maps, std::span<const OpInput> inputs, const Box& y) {
  OpPiece piece{nullptr, y, {{0, y}}};
  for (size_t i = 0; i < maps.size(); ++i) {
    int64_t first = inputs[0].type.shape.axes()[i].size - 1, last = 0;
    const bool filled = std::ranges::all_of(maps[i], [](int64_t at) { return at < 0; });
    for (const int64_t at : maps[i])
      if (at >= 0) first = std::min(first, at), last = std::max(last, at);
    if (filled) first = last = 0;
    piece.inputs[0].box.begin[i] = first;
    piece.inputs[0].box.size[i] = last - first + 1;
    for (int64_t& at : maps[i]) {
      if (at >= 0) at -= first;
      piece.key.push_back(at);
    }
  }
  piece.op = std::make_shared<IndexMapOp>(std::move(maps));
  if (inputs.size() > 2) piece.inputs.push_back({2, WholeBox(inputs[2].type.shape)});
  return piece;
}

std::unique_ptr<Kernel> MakeIndexMap(const IndexMaps& maps, const ArrayType& x) {
  return std::make_unique<IndexMapKernel>(maps, x, 0);
}

OpPtr Pad(Edge edge) { return std::make_shared<PadOp>(edge); }

}  // namespace normkit::ops
