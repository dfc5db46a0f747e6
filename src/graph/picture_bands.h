// A picture's array in bands of rows, which come and go.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "normkit/ops/op.h"

namespace normkit {

// Memory of bands. What is given back is kept for the next of its size, until one of another size
// is wanted: heaps keep holes between arrays of several megabytes.
class BandMemory {
 public:
  BandMemory() = default;
  ~BandMemory() { Trim(); }
  BandMemory(const BandMemory&) = delete;
  BandMemory& operator=(const BandMemory&) = delete;

  float* Take(size_t bytes);  // throws Error where there is none
  void Give(float* band, size_t bytes);

 private:
  void Trim();

  size_t bytes_ = 0;  // of each of those
  std::vector<float*> free_;
};

// [1,H,W,C], f32. A band takes memory from the first time that something is written to it until
// none of its rows is needed any more.
class PictureBands {
 public:
  // `begins`: the first row of each band, and the end of the last.
  PictureBands(std::vector<int64_t> begins, int64_t width, int64_t channels, BandMemory& memory);
  ~PictureBands() { Release(begins_.empty() ? 0 : begins_.back()); }
  PictureBands(PictureBands&&) = default;

  void Write(const Box& box, const float* from);  // of one band
  void Read(const Box& box, float* to) const;
  void Release(int64_t row);  // rows before it are not needed any more

 private:
  size_t BandOf(int64_t row) const;
  size_t BytesOf(size_t band) const;
  float* At(size_t band, int64_t row, int64_t column) const;

  std::vector<int64_t> begins_;
  int64_t width_, channels_;
  size_t released_ = 0;
  std::vector<float*> bands_;
  BandMemory* memory_;
};

}  // namespace normkit
