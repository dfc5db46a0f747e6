#include "src/core/scratch.h"

#include <new>

namespace normkit {
namespace {

constexpr std::align_val_t kScratchLine{64};

// Arrays are made one after the other and destroyed with their thread, last first.
thread_local ScratchArray* newest = nullptr;

}  // namespace

ScratchArray::ScratchArray() : next_(newest) { newest = this; }

ScratchArray::~ScratchArray() {
  Free();
  newest = next_;
}

void* ScratchArray::Get(size_t bytes, bool* fresh) {
  const bool grows = bytes > bytes_;
  if (grows) {
    void* data = operator new(bytes, kScratchLine);  // what is there stays where this throws
    Free();
    data_ = data;
    bytes_ = bytes;
  }
  if (fresh) *fresh = grows;
  return data_;
}

void ScratchArray::Free() {
  if (data_) operator delete(data_, kScratchLine);
  data_ = nullptr;
  bytes_ = 0;
}

void TrimScratch(size_t most) {
  for (ScratchArray* array = newest; array; array = array->next())
    if (array->bytes() > most) array->Free();
}

}  // namespace normkit
