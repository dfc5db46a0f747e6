// The pictures that a style network learns on.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "normkit/data/identity.h"
#include "normkit/data/image.h"

namespace normkit {

// Pictures in memory, a little larger than what is cut out of them.
class ContentPictures {
 public:
  // How much larger the shorter side is than what is cut out.
  static constexpr double kRoom = 1.25;
  static int64_t SideFor(int64_t size);

  // `count` that are drawn, from the seed.
  static ContentPictures Synthetic(uint64_t seed, int64_t count, int64_t size);
  // Those of files, of more than `most` as many evenly chosen; `progress` is told how many were
  // read. Throws Error where there is none, or one cannot be read.
  static ContentPictures FromFiles(const std::string& name, const std::vector<std::string>& files,
                                   int64_t size, int64_t most,
                                   const std::function<void(int64_t)>& progress);

  const std::string& description() const { return description_; }
  DataIdentity Identity() const;

  // Square cut-outs of random pictures at random places, mirrored or not, all of it from seed and
  // iteration: to[i] is the i-th, [size,size,3] of 0 to 1.
  void CutOut(uint64_t seed, int64_t iteration, int64_t size, std::span<float> to) const;
  // The middle of a picture.
  Image Middle(size_t picture, int64_t size) const;
  size_t size() const { return pictures_.size(); }

 private:
  ContentPictures(std::string description, std::vector<Image> pictures)
      : description_(std::move(description)), pictures_(std::move(pictures)) {}

  std::string description_;
  std::vector<Image> pictures_;
};

// Sizes and pixels of all of them.
std::string HashOf(const std::vector<Image>& pictures);

}  // namespace normkit
