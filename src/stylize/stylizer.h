// Pictures through a network that makes pictures.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "normkit/data/image.h"
#include "normkit/graph/executor.h"
#include "normkit/onnx/import.h"
#include "src/graph/tiles.h"
#include "src/stylize/pixels.h"

namespace normkit {

struct StylizeOptions {
  double strength = 1;           // of the style; the rest is the content
  bool preserve_colors = false;  // brightness of the result, colours of the content
  std::string channel_order;     // "rgb", "bgr"; "": what the model says, else rgb
  double largest = 0;            // the value of white, 255 or 1; 0: what the model says, else 255
  // Pictures are computed by tiles of so many pixels squared; 0: where the whole would take more
  // memory than kStylizeBytes, by tiles for which that is enough.
  int64_t tile = 0;
};

// What normkit stylize takes of memory, pictures included, where the network can be computed by
// tiles: up to so many pixels, and in proportion for more.
inline constexpr double kStylizeBytes = 1 << 30, kStylizePixels = 24e6;

// What a network makes of pictures of any size. Where it takes one size only the picture is scaled
// to that and the result back. Where its result would have another size (strides that do not divide
// the picture) the picture is mirrored at its end up to a size of which the network gives as
// much, and the result cropped.
class Stylizer {
 public:
  // Throws Error where the model has other than one input of pictures with three channels, perhaps
  // one of weights of styles, [1,styles], and one output of pictures.
  Stylizer(const std::string& model, const StylizeOptions& options);

  // Weights of the styles of a network of several; the first alone unless this is called. Throws
  // Error where they are not as many.
  void MixStyles(std::vector<float> weights);

  using Progress = std::function<void(double done)>;  // of 1
  Image Stylize(const Image& photo, const Progress& progress = nullptr);
  // How the last picture was cut, and how often what has to be computed once was.
  const Tiling& tiling() const { return tiling_; }
  double work() const { return work_; }

  // One line on how pixels are meant and how that is known.
  const std::string& meaning() const { return meaning_; }
  // One line on which style it is; "" where there is only one.
  std::string DescribeStyles() const;
  // The sizes that the network takes; 0: any.
  int64_t height() const { return height_; }
  int64_t width() const { return width_; }

 private:
  struct Sizes {
    int64_t height, width;
  };
  void CheckNetwork();
  std::vector<Layout> InputLayouts(const Layout& picture) const;
  void ChooseMeaning(const StylizeOptions& options);
  Sizes OutputOf(Sizes input) const;
  Sizes PaddedSizes(Sizes photo) const;
  Layout InputLayout(Sizes sizes) const;
  void CheckMemory(const Layout& layout) const;  // throws Error
  void Prepare(const Layout& layout);
  double TileBytes(const Image& photo, size_t result) const;
  Image Run(const Image& photo, Sizes sizes, const Progress& progress);
  Image RunWhole(const Image& photo, Sizes sizes);

  std::string model_;
  StylizeOptions options_;
  ImportedNetwork imported_;
  size_t picture_ = 0, style_ = 0;  // inputs; style_ == picture_: there is one style
  std::vector<float> style_mix_;
  PixelMeaning pixels_;
  std::string meaning_;
  int64_t height_ = 0, width_ = 0;
  std::shared_ptr<Tensor> arena_ = std::make_shared<Tensor>();
  std::optional<TiledGraph> tiled_;  // for the size of the last picture
  Layout tiled_layout_;
  std::optional<Executor> executor_;  // where that cannot be cut
  Tiling tiling_;
  double work_ = 1;
};

}  // namespace normkit
