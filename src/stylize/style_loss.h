// How far a picture is from what a style and a content ask for.
#pragma once

#include <memory>
#include <vector>

#include "normkit/data/image.h"
#include "normkit/graph/graph.h"
#include "src/stylize/style_features.h"

namespace normkit {

struct StyleLossWeights {
  double content = 0.05, style = 1, variation = 0.05;
};

// The Gram matrices of pictures, one set a style: of each of the features' places [C,C].
struct StyleTargets {
  std::vector<std::vector<std::vector<float>>> grams;  // [style][place][C C]
};
StyleTargets TargetsOf(const StyleFeatures& features, const std::vector<Image>& styles);

// Reads pictures y and the contents x they are made of, [B,H,W,3] of 0 to 1, and, of several
// styles, their weights [B,styles]. Gives one number each: content weight * content + style weight
// * style + variation weight * variation, and these three:
//   content    mean (F(y) - F(x))^2 / mean F(x)^2
//   style      mean over places and pictures of |G(y) - G|^2 / |G|^2, G the style's Gram matrix
//              (Gatys et al. 2016), of the weights' mixture where styles are mixed
//   variation  mean squared difference of neighbours, divided by 0.01
class StyleLossLayer : public Layer {
 public:
  StyleLossLayer(std::shared_ptr<const StyleFeatures> features, StyleTargets targets,
                 const StyleLossWeights& weights);
  std::string_view type() const override { return "style loss"; }
  std::string_view short_name() const override { return "loss"; }
  std::vector<Value> Build(Graph& graph, std::span<const Value> inputs) const override;

 private:
  Value StyleTerm(Graph& graph, const FeatureValues& of_y, std::span<const Value> inputs) const;
  Value Variation(Graph& graph, Value y) const;

  std::shared_ptr<const StyleFeatures> features_;
  StyleTargets targets_;
  StyleLossWeights weights_;
};

}  // namespace normkit
