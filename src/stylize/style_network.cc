#include "src/stylize/style_network.h"

#include <algorithm>

#include "normkit/nn/layers.h"
#include "src/core/fail.h"
#include "src/nn/network_chain.h"

namespace normkit {
namespace {

constexpr float kMiddle = 0.5f, kSpread = 0.25f;  // of colours

class StyleNetworkBuilder {
 public:
  explicit StyleNetworkBuilder(const StyleNetworkOptions& options) : options_(options) {}

  Graph Build() {
    Value x =
        graph_.Add(ImageInput({.name = "image",
                               .input_size = {options_.picture_height, options_.picture_width, 3},
                               .normalization = InputNormalization::kZscore}));
    if (options_.styles > 1)
      style_ = graph_.Add(FeatureInput({.name = "style", .num_features = options_.styles}), {});
    const int64_t width = options_.width;
    x = Convolution("1", x, 9, width, 1);
    x = Convolution("2", x, 3, 2 * width, 2);
    x = Convolution("3", x, 3, 4 * width, 2);
    for (int64_t block = 1; block <= options_.blocks; ++block)
      x = ResidualBlock(fmt::format("4_{}", block), x, 4 * width);
    x = Convolution("5", Upsampled("5", x), 3, 2 * width, 1);
    x = Convolution("6", Upsampled("6", x), 3, width, 1);
    graph_.Add(Sigmoid("colours"), {Bare("7", x, 9, 3, 1, /*bias=*/true)});
    return std::move(graph_);
  }

 private:
  Value Upsampled(const std::string& number, Value x) {
    return graph_.Add(Upsampling2d({.name = "upsample" + number}), {x});
  }
  Value Bare(const std::string& number, Value x, int64_t size, int64_t filters, int64_t stride,
             bool bias) {
    x = graph_.Add(ReflectionPadding2d({.name = "pad" + number, .padding = Padding::All(size / 2)}),
                   {x});
    return graph_.Add(Convolution2d({.name = "conv" + number,
                                     .filter_size = {size, size},
                                     .num_filters = filters,
                                     .stride = {stride, stride},
                                     .bias = bias}),
                      {x});
  }
  Value Normalized(const std::string& number, Value x) {
    const std::string name = "norm" + number;
    if (options_.styles > 1)
      return graph_.Add(
          ConditionalInstanceNormalization({.name = name, .num_styles = options_.styles}),
          {x, style_});
    const LayerPtr norm = MakeNorm(options_.norm, name);
    return norm ? graph_.Add(norm, {x}) : x;
  }
  Value WithNorm(const std::string& number, Value x, int64_t size, int64_t filters,
                 int64_t stride) {
    const bool has_offset =
        options_.norm.kind != NormChoice::kNone && RowOf(options_.norm).has_offset;
    return Normalized(number, Bare(number, x, size, filters, stride, !has_offset));
  }
  Value Convolution(const std::string& number, Value x, int64_t size, int64_t filters,
                    int64_t stride) {
    return graph_.Add(Relu("relu" + number), {WithNorm(number, x, size, filters, stride)});
  }
  Value ResidualBlock(const std::string& number, Value x, int64_t filters) {
    Value y = Convolution(number + "a", x, 3, filters, 1);
    y = WithNorm(number + "b", y, 3, filters, 1);
    return graph_.Add(Addition({.name = "add" + number}), {y, x});
  }

  const StyleNetworkOptions& options_;
  Graph graph_;
  Value style_ = 0;
};

}  // namespace

Graph MakeStyleNetwork(const StyleNetworkOptions& options) {
  if (options.styles > 1 && options.norm.kind != NormChoice::kInstance)
    Fail(
        "style network: {} styles with norm {}, expected instance: each style has its own scale "
        "and offset of it",
        options.styles, Name(options.norm));
  return StyleNetworkBuilder(options).Build();
}

Parameters BeginStyleNetwork(const Graph& graph, uint64_t seed) {
  Parameters parameters(graph);
  parameters.Initialize(graph, seed);
  std::ranges::fill(parameters.Get(*parameters.Find("image.mean")), kMiddle);
  std::ranges::fill(parameters.Get(*parameters.Find("image.std")), kSpread);
  return parameters;
}

}  // namespace normkit
