#include "src/stylize/style_measures.h"

#include <algorithm>
#include <cmath>

namespace normkit {

Image WithContrast(const Image& image, double factor) {
  constexpr double kMiddle = 127.5;
  Image out = image;
  for (uint8_t& pixel : out.pixels)
    pixel = static_cast<uint8_t>(
        std::floor(std::clamp(kMiddle + factor * (pixel - kMiddle), 0.0, 255.0) + 0.5));
  return out;
}

double GridShare(const std::vector<Image>& pictures, int64_t period) {
  double between = 0, all = 0;
  for (const Image& image : pictures) {
    const int64_t rows = image.height / period * period, columns = image.width / period * period;
    std::vector<double> sums(static_cast<size_t>(period * period));
    double sum = 0, squares = 0;
    for (int64_t y = 0; y < rows; ++y)
      for (int64_t x = 0; x < columns; ++x) {
        const uint8_t* p = &image.pixels[static_cast<size_t>((y * image.width + x) * 3)];
        const double luma = 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2];
        sums[static_cast<size_t>(y % period * period + x % period)] += luma;
        sum += luma;
        squares += luma * luma;
      }
    const auto n = static_cast<double>(rows * columns), places = static_cast<double>(sums.size());
    for (const double one : sums) between += std::pow(one - sum / places, 2) * places / n;
    all += squares - sum * sum / n;
  }
  return all > 0 ? between / all : 0;
}

}  // namespace normkit
