#include "tools/picture_arrays.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "src/core/fail.h"
#include "src/data/npy_format.h"

namespace normkit::tools {
namespace {

// An array's axes as [H,W,C], from the axes that the layout names, and back.
std::vector<size_t> ToPixels(const std::string& layout) {
  return layout.ends_with("chw") ? std::vector<size_t>{1, 2, 0} : std::vector<size_t>{0, 1, 2};
}
std::vector<size_t> FromPixels(const std::string& layout) {
  return layout.ends_with("chw") ? std::vector<size_t>{2, 0, 1} : std::vector<size_t>{0, 1, 2};
}

}  // namespace

const std::vector<std::string>& PictureLayouts() {
  static const std::vector<std::string> kLayouts{"nchw", "chw", "nhwc", "hwc"};
  return kLayouts;
}

NpyArray ToArray(const Image& image, const std::string& layout, double scale) {
  std::vector<float> values;
  values.reserve(image.pixels.size());
  for (const uint8_t pixel : image.pixels) values.push_back(static_cast<float>(scale) * pixel);
  NpyArray array =
      Transposed(MakeNpy(DType::kF32, {image.height, image.width, image.channels}, values.data()),
                 FromPixels(layout));
  if (layout.starts_with("n")) array.shape.insert(array.shape.begin(), 1);
  return array;
}

CutPicture ToImage(NpyArray array, const std::string& layout, double scale, double shift,
                   const std::string& where) {
  const std::string given = fmt::format("{}", fmt::join(array.shape, ","));
  if (layout.starts_with("n") && array.shape.size() == 4 && array.shape[0] == 1)
    array.shape.erase(array.shape.begin());
  const size_t channels = layout.ends_with("chw") ? 0 : 2;
  if (array.shape.size() != 3 || (array.shape[channels] != 1 && array.shape[channels] != 3))
    Fail("{}: is [{}], expected one picture of 1 or 3 channels, {} (--layout)", where, given,
         layout);
  const NpyArray pixels = Transposed(array, ToPixels(layout));
  CutPicture result{{pixels.shape[0], pixels.shape[1], pixels.shape[2], {}}};
  result.image.pixels.reserve(static_cast<size_t>(pixels.size()));
  for (const float x : pixels.AsFloats()) {
    const double value = scale * static_cast<double>(x) + shift;
    result.beyond += !(value > -0.5 && value < 255.5);
    result.image.pixels.push_back(
        static_cast<uint8_t>(value > 0 ? std::min(std::floor(value + 0.5), 255.0) : 0));
  }
  return result;
}

}  // namespace normkit::tools
