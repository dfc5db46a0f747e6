#include "src/core/scratch.h"

#include <pthread.h>

#include <algorithm>
#include <new>
#include <utility>

#include "src/core/thread_local.h"

namespace normkit {
namespace {

constexpr std::align_val_t kScratchLine{64};

struct Array {
  void* data = nullptr;
  size_t bytes = 0;

  void Free() {
    if (data) operator delete(data, kScratchLine);
    *this = {};
  }
};

// How many places there are, in all threads.
std::atomic<size_t> places{0};

// This thread's arrays, by place.
class Arrays {
 public:
  void* Get(size_t place, size_t bytes, bool* fresh) {
    const bool grows = place >= count_ || bytes > arrays_[place].bytes;
    if (grows) Grow(place, bytes);
    if (fresh) *fresh = grows;
    return arrays_[place].data;
  }

  void Trim(size_t most) {
    if (largest_ <= most) return;
    for (size_t i = 0; i < count_; ++i)
      if (arrays_[i].bytes > most) arrays_[i].Free();
    largest_ = most;
  }

  void FreeAll() {
    for (size_t i = 0; i < count_; ++i) arrays_[i].Free();
    delete[] arrays_;
    *this = {};
  }

 private:
  void Grow(size_t place, size_t bytes) {
    if (place >= count_) AddPlaces(place);
    void* data = operator new(bytes, kScratchLine);  // what is there stays where this throws
    arrays_[place].Free();
    arrays_[place] = {data, bytes};
    largest_ = std::max(largest_, bytes);
  }

  void AddPlaces(size_t place) {
    if (count_ == 0) FreeAtEndOfThread();
    const size_t count = std::max({place + 1, 2 * count_, places + 1});
    auto* arrays = new Array[count];
    std::copy_n(arrays_, count_, arrays);
    delete[] std::exchange(arrays_, arrays);
    count_ = count;
  }

  static void FreeAtEndOfThread();

  Array* arrays_ = nullptr;
  size_t count_ = 0;
  size_t largest_ = 0;  // that there has been since all were trimmed, bytes
};

NORMKIT_THREAD_LOCAL Arrays here;
NORMKIT_THREAD_LOCAL int depth = 0;  // of TrimScratchAtEnd on this thread

// By a key of the thread library rather than by a destructor of `here`, which glibc would want
// memory to note: the first 32 keys of a program need none, and the others say so where there is
// none. What a later destructor of the thread's asks for notes it anew.
void Arrays::FreeAtEndOfThread() {
  static const pthread_key_t key = [] {
    pthread_key_t made;
    if (pthread_key_create(&made, [](void*) { here.FreeAll(); }) != 0) throw std::bad_alloc();
    return made;
  }();
  if (pthread_setspecific(key, &here) != 0) throw std::bad_alloc();
}

}  // namespace

void* GetScratch(std::atomic<size_t>& place, size_t bytes, bool* fresh) {
  size_t known = place.load(std::memory_order_relaxed);
  if (known == 0) {
    const size_t next = ++places;
    if (place.compare_exchange_strong(known, next)) known = next;
  }
  return here.Get(known, bytes, fresh);
}

void TrimScratch(size_t most) { here.Trim(most); }

TrimScratchAtEnd::TrimScratchAtEnd() { ++depth; }
TrimScratchAtEnd::~TrimScratchAtEnd() {
  if (--depth == 0) TrimScratch();
}

}  // namespace normkit
