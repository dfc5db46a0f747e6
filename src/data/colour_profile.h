// Colour profiles (ICC) that files embed: from their colours to sRGB.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace normkit {

// What stands in a pixel, 8 bits each. Inverted: 255 is no ink, as Adobe's JPEGs have it.
enum class Samples { kGrey, kGreyAlpha, kRgb, kRgba, kCmyk, kInvertedCmyk };

// Relative colorimetric with black point compensation, alpha as it is. A profile that is damaged,
// of other colours than the picture or larger than kMaxProfile is ignored, and a line on stderr
// says so. Grey may have a profile of RGB: it is seen as three equal colours.
class SrgbConverter {
 public:
  static constexpr size_t kMaxProfile = size_t{1} << 22;

  // An empty profile converts nothing.
  SrgbConverter(std::string_view profile, Samples samples, const std::string& where);

  // Whether pixels have to be converted: not where no colour moves by more than 1 of 255, so that
  // pictures which are sRGB, whoever wrote their profile, keep their bytes.
  bool converts() const { return converts_; }

  // Where it converts, grey stays grey, RGB RGB, and CMYK becomes RGB.
  void Convert(std::vector<uint8_t>& pixels) const;

 private:
  // What a profile says, made once for pictures that follow each other on a thread.
  struct Engine;
  static std::shared_ptr<const Engine> Prepare(std::string_view profile, Samples samples);

  Samples samples_;
  bool converts_ = false;
  std::shared_ptr<const Engine> engine_;
};

// Says on stderr that the profile of a file is ignored, once for each file.
void IgnoreProfile(const std::string& where, std::string_view reason);

}  // namespace normkit
