#include "src/graph/picture_bands.h"

#include <sys/mman.h>

#include <algorithm>

#include "src/core/fail.h"
#include "src/core/parallel.h"

namespace normkit {
namespace {

constexpr int64_t kParallelFloats = 1 << 16;

}  // namespace

float* BandMemory::Take(size_t bytes) {
  if (bytes != bytes_) Trim();
  bytes_ = bytes;
  if (!free_.empty()) {
    float* band = free_.back();
    free_.pop_back();
    return band;
  }
  void* band = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (band == MAP_FAILED) Fail("tiles: no memory for {} bytes more", bytes);
  return static_cast<float*>(band);
}

void BandMemory::Give(float* band, size_t bytes) {
  if (bytes == bytes_)
    free_.push_back(band);
  else
    munmap(band, bytes);
}

void BandMemory::Trim() {
  for (float* band : free_) munmap(band, bytes_);
  free_.clear();
}

PictureBands::PictureBands(std::vector<int64_t> begins, int64_t width, int64_t channels,
                           BandMemory& memory)
    : begins_(std::move(begins)),
      width_(width),
      channels_(channels),
      bands_(begins_.size() - 1),
      memory_(&memory) {}

size_t PictureBands::BytesOf(size_t band) const {
  return static_cast<size_t>((begins_[band + 1] - begins_[band]) * width_ * channels_) *
         sizeof(float);
}

size_t PictureBands::BandOf(int64_t row) const {
  return static_cast<size_t>(std::ranges::upper_bound(begins_, row) - begins_.begin()) - 1;
}

float* PictureBands::At(size_t band, int64_t row, int64_t column) const {
  return bands_[band] + ((row - begins_[band]) * width_ + column) * channels_;
}

void PictureBands::Write(const Box& box, const float* from) {
  const size_t band = BandOf(box.begin[1]);
  if (!bands_[band]) bands_[band] = memory_->Take(BytesOf(band));
  const int64_t run = box.size[2] * channels_;
  ParallelFor(box.size[1], box.size[1] * run >= kParallelFloats, [&](int64_t r) {
    std::copy_n(from + r * run, run, At(band, box.begin[1] + r, box.begin[2]));
  });
}

void PictureBands::Read(const Box& box, float* to) const {
  const int64_t run = box.size[2] * channels_;
  ParallelFor(box.size[1], box.size[1] * run >= kParallelFloats, [&](int64_t r) {
    const int64_t row = box.begin[1] + r;
    std::copy_n(At(BandOf(row), row, box.begin[2]), run, to + r * run);
  });
}

void PictureBands::Release(int64_t row) {
  for (; released_ < bands_.size() && begins_[released_ + 1] <= row; ++released_) {
    if (bands_[released_]) memory_->Give(bands_[released_], BytesOf(released_));
    bands_[released_] = nullptr;
  }
}

}  // namespace normkit
