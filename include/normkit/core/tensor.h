// A dense, labelled array with 64-byte aligned storage.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "normkit/core/dtype.h"
#include "normkit/core/error.h"
#include "normkit/core/export.h"
#include "normkit/core/layout.h"

namespace normkit {

template <class T>
constexpr DType DTypeOf() {
  if constexpr (std::is_same_v<T, float>)
    return DType::kF32;
  else if constexpr (std::is_same_v<T, double>)
    return DType::kF64;
  else if constexpr (std::is_same_v<T, BFloat16>)
    return DType::kBF16;
  else {
    static_assert(std::is_same_v<T, Float16>);
    return DType::kF16;
  }
}

// Owns its elements; moves, does not copy silently (use Clone). Elements start as zero.
class NORMKIT_API Tensor {
 public:
  Tensor() = default;
  explicit Tensor(Layout layout, DType dtype = DType::kF32);

  const Layout& layout() const { return layout_; }
  DType dtype() const { return dtype_; }
  int64_t size() const { return storage_ ? layout_.size() : 0; }
  size_t bytes() const { return static_cast<size_t>(size()) * SizeOf(dtype_); }
  void* data() { return storage_.get(); }
  const void* data() const { return storage_.get(); }
  Tensor Clone() const;

  // The elements as T; throws Error where T is not the tensor's dtype.
  template <class T>
  std::span<T> values() {
    CheckDType(DTypeOf<T>());
    return {static_cast<T*>(data()), static_cast<size_t>(size())};
  }
  template <class T>
  std::span<const T> values() const {
    CheckDType(DTypeOf<T>());
    return {static_cast<const T*>(data()), static_cast<size_t>(size())};
  }

 private:
  struct Free {
    void operator()(void* p) const;
  };
  void CheckDType(DType wanted) const;

  Layout layout_;
  DType dtype_ = DType::kF32;
  std::unique_ptr<void, Free> storage_;
};

}  // namespace normkit
