// What pictures are compared by: features that a convolutional network finds in them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "normkit/graph/graph.h"

namespace normkit {

// Features of one place in a network: [B,h,w,C].
struct FeatureValues {
  std::vector<Value> style;    // whose Gram matrices are a style
  std::vector<Value> content;  // that say what is where
};

class StyleFeatures {
 public:
  virtual ~StyleFeatures() = default;
  // One line on what they are.
  virtual std::string Description() const = 0;
  // The smallest side of pictures that they can be found in.
  virtual int64_t SmallestSide() const = 0;
  // Adds to the graph what they are of `pictures`, [B,H,W,3] of 0 to 1; of contents those of style
  // are left out. Nothing of it is trained.
  enum Of { kResults, kContents };
  virtual FeatureValues AddTo(Graph& graph, Value pictures, Of of) const = 0;
};

// The picture at full size, halved, ... : at each of `scales` sizes random filters and ReLU (random
// weights do for textures, Ustyuzhaninov et al. 2016, and for what is where, He et al. 2016).
// Content is told by filters of their own that see differences of brightness at the second and
// third size: colours are left to the style.
std::shared_ptr<const StyleFeatures> RandomFeatures(uint64_t seed, int scales = 4);

// Of a network that reads pictures and has convolutions, such as VGG. `style` and `content` name
// nodes; none: the last ReLU before each of the first four times that pictures get smaller, and
// the second of these. Throws Error where the file is no such network or has no such nodes.
std::shared_ptr<const StyleFeatures> FeaturesOfNetwork(
    const std::string& path, const std::vector<std::string>& style = {},
    const std::vector<std::string>& content = {});

}  // namespace normkit
