// Look-ups along an axis, and what fills arrays of known sizes or converts their elements.
#include <cstring>

#include "src/core/elements.h"
#include "src/core/fail.h"
#include "src/ops/boxes.h"
#include "src/ops/known.h"
#include "src/ops/ops.h"
#include "src/ops/pieces.h"

namespace normkit::ops {
namespace {

class GatherKernel : public Kernel {
 public:
  GatherKernel(const ArrayType& x, int64_t axis, const OpInput& indices)
      : bytes_(static_cast<int64_t>(SizeOf(x.dtype))), count_(indices.type.shape.size()) {
    const auto* known = static_cast<const int64_t*>(indices.known);
    if (known) known_.assign(known, known + count_);
    const std::vector<int64_t> shape = x.shape.shape();
    for (int64_t i = 0; i < std::ssize(shape); ++i)
      (i < axis ? outer_ : i == axis ? size_ : inner_) *= shape[static_cast<size_t>(i)];
  }
  bool needs_input(size_t i) const override { return i == 1 && known_.empty(); }

  void Forward(const ForwardContext& context) override {
    const int64_t* indices = known_.empty() ? context.x<int64_t>(1) : known_.data();
    ForRowPieces(outer_ * count_, std::max<int64_t>(1, inner_), [&](int64_t row) {
      const int64_t from = Source(row, indices), n = inner_ * bytes_;
      std::copy_n(context.x<char>() + from * n, n, context.y<char>() + row * n);
    });
  }
  void Backward(const BackwardContext& context) override {
    if (!context.dx()) return;
    const int64_t* indices = known_.empty() ? context.x<int64_t>(1) : known_.data();
    if (!context.add[0]) std::fill_n(context.dx(), outer_ * size_ * inner_, 0.f);
    for (int64_t row = 0; row < outer_ * count_; ++row)  // indices may stand twice
      Store(context.dx() + Source(row, indices) * inner_, 0, inner_, true,
            [dy = context.dy() + row * inner_](int64_t i) { return dy[i]; });
  }

 private:
  // The row of x that this one of y is.
  int64_t Source(int64_t row, const int64_t* indices) const {
    const int64_t index = indices[row % count_], at = index < 0 ? index + size_ : index;
    if (at < 0 || at >= size_)
      Fail("gather: index {} asked for, expected {} to {}", index, -size_, size_ - 1);
    return row / count_ * size_ + at;
  }

  int64_t bytes_, count_, outer_ = 1, size_ = 1, inner_ = 1;
  std::vector<int64_t> known_;  // indices
};

class GatherOp : public Op {
 public:
  explicit GatherOp(int64_t axis) : axis_(axis) {}
  std::string_view name() const override { return "gather"; }
  std::vector<ArrayType> Infer(std::span<const OpInput> inputs) const override {
    const ArrayType &x = inputs[0].type, &indices = inputs[1].type;
    if (indices.dtype != DType::kI64) Fail("indices are {}, expected i64", indices.ToString());
    const int axis = AxisOf(axis_, x.shape.rank());
    std::vector<Axis> axes = x.shape.axes();
    const auto at = axes.erase(axes.begin() + axis);
    axes.insert(at, indices.shape.axes().begin(), indices.shape.axes().end());
    return {{x.dtype, Layout(std::move(axes))}};
  }
  std::unique_ptr<Kernel> Prepare(std::span<const OpInput> inputs,
                                  const Preparation&) const override {
    const ArrayType& x = inputs[0].type;
    return std::make_unique<GatherKernel>(x, AxisOf(axis_, x.shape.rank()), inputs[1]);
  }

 private:
  int64_t axis_;
};

// The elements of another type. To bool: whether they are not 0; to i64: cut off.
class ConvertKernel : public Kernel {
 public:
  ConvertKernel(DType from, DType to, int64_t size) : from_(from), to_(to), size_(size) {}
  bool needs_input(size_t) const override { return false; }
  void Forward(const ForwardContext& context) override {
    ForPieces(size_, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        if (from_ == DType::kF32)
          Put(context.x<float>()[i], i, context.y<void>());
        else if (from_ == DType::kI64)
          Put(context.x<int64_t>()[i], i, context.y<void>());
        else
          Put(context.x<bool>()[i], i, context.y<void>());
      }
    });
  }

 private:
  template <class T>
  void Put(T value, int64_t i, void* y) const {
    if (to_ == DType::kF32)
      static_cast<float*>(y)[i] = static_cast<float>(value);
    else if (to_ == DType::kI64)
      static_cast<int64_t*>(y)[i] = Whole(value);
    else
      static_cast<bool*>(y)[i] = value != T{};
  }
  template <class T>
  static int64_t Whole(T value) {
    constexpr float kEnd = 9.2e18f;  // beyond, the conversion is undefined
    if constexpr (std::is_same_v<T, float>)
      return value > -kEnd && value < kEnd ? static_cast<int64_t>(value) : 0;
    else
      return static_cast<int64_t>(value);
  }

  DType from_, to_;
  int64_t size_;
};

class ConvertOp : public Op {
 public:
  explicit ConvertOp(DType to) : to_(to) {}
  std::string_view name() const override { return "conversion"; }
  std::vector<ArrayType> Infer(std::span<const OpInput> inputs) const override {
    return {{to_, inputs[0].type.shape}};
  }
  std::unique_ptr<Kernel> Prepare(std::span<const OpInput> inputs,
                                  const Preparation&) const override {
    const ArrayType& x = inputs[0].type;
    return std::make_unique<ConvertKernel>(x.dtype, to_, x.shape.size());
  }
  std::optional<OpPiece> Piece(std::span<const OpInput> inputs, const Box& y) const override {
    return ElementPiece(inputs, y);
  }

 private:
  DType to_;
};

class FilledOp : public Op {
 public:
  explicit FilledOp(std::shared_ptr<const Tensor> element) : element_(std::move(element)) {}
  std::string_view name() const override { return "filled array"; }
  std::vector<ArrayType> Infer(std::span<const OpInput> inputs) const override {
    return {{element_->dtype(), Layout::Unlabelled(KnownOfAxes(inputs[0], "the shape"))}};
  }
  std::unique_ptr<Kernel> Prepare(std::span<const OpInput>, const Preparation&) const override;

  const Tensor& element() const { return *element_; }

 private:
  std::shared_ptr<const Tensor> element_;
};

class FilledKernel : public Kernel {
 public:
  FilledKernel(std::shared_ptr<const Tensor> element, int64_t size)
      : element_(std::move(element)), size_(size) {}
  void Forward(const ForwardContext& context) override {
    const size_t bytes = SizeOf(element_->dtype());
    for (int64_t i = 0; i < size_; ++i)
      std::memcpy(context.y<char>() + static_cast<size_t>(i) * bytes, element_->data(), bytes);
  }

 private:
  std::shared_ptr<const Tensor> element_;
  int64_t size_;
};

std::unique_ptr<Kernel> FilledOp::Prepare(std::span<const OpInput> inputs,
                                          const Preparation&) const {
  return std::make_unique<FilledKernel>(element_, Infer(inputs)[0].shape.size());
}

}  // namespace

OpPtr Gather(int64_t axis) { return std::make_shared<GatherOp>(axis); }
OpPtr ConvertElements(DType to) { return std::make_shared<ConvertOp>(to); }
OpPtr Filled(std::shared_ptr<const Tensor> element) {
  return std::make_shared<FilledOp>(std::move(element));
}

}  // namespace normkit::ops
