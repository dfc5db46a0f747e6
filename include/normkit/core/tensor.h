// A dense, labelled array with 64-byte aligned storage.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "normkit/core/array.h"
#include "normkit/core/dtype.h"
#include "normkit/core/error.h"
#include "normkit/core/export.h"
#include "normkit/core/layout.h"

namespace normkit {

// Owns its elements; moves, does not copy silently (use Clone). Elements start as zero,
// unless kUninitialized says that they need not.
class NORMKIT_API Tensor {
 public:
  enum Begin { kZero, kUninitialized };

  Tensor() = default;
  explicit Tensor(Layout layout, DType dtype = DType::kF32, Begin begin = kZero);

  const ArrayType& type() const { return type_; }
  const Layout& layout() const { return type_.shape; }
  DType dtype() const { return type_.dtype; }
  int64_t size() const { return storage_ ? layout().size() : 0; }
  size_t bytes() const { return static_cast<size_t>(size()) * SizeOf(dtype()); }
  void* data() { return storage_.get(); }
  const void* data() const { return storage_.get(); }
  ArrayView view() { return {data(), type_}; }
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

  ArrayType type_;
  std::unique_ptr<void, Free> storage_;
};

}  // namespace normkit
