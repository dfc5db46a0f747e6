#include "src/nn/layers/convolution.h"

#include "src/nn/layers/window.h"
#include "src/nn/properties.h"

namespace normkit {

Convolution2dLayer::Convolution2dLayer(const Convolution2dOptions& options)
    : Layer(options.name), options_(options) {
  CheckProperties(*this, options);
  if (options.num_filters % options.num_groups != 0)
    FailLayer(*this, "num_groups is {}, expected a divisor of num_filters {}", options.num_groups,
              options.num_filters);
}

ops::Window Convolution2dLayer::window() const {
  return {options_.filter_size, options_.stride, options_.dilation, options_.padding};
}

std::vector<Value> Convolution2dLayer::Build(Graph& graph, std::span<const Value> inputs) const {
  const int64_t in = OnlyImage(*this, graph, inputs).channels();
  if (in % options_.num_groups != 0)
    FailLayer(*this, "num_groups is {}, expected a divisor of the {} channels of x ({})",
              options_.num_groups, in, graph.layout(inputs[0]).ToString());
  const auto [height, width] = options_.filter_size;
  const int64_t channels = in / options_.num_groups;
  const int64_t fan_in = height * width * channels;
  const int64_t fan_out = height * width * (options_.num_filters / options_.num_groups);
  std::vector<Value> reads{inputs[0]};
  reads.push_back(
      graph.AddParameter({"weights",
                          {options_.num_filters, channels, height, width},
                          MakeInitializer(options_.weights_initializer, fan_in, fan_out),
                          true,
                          options_.weight_learn_rate_factor,
                          options_.weight_l2_factor}));
  if (options_.bias)
    reads.push_back(graph.AddParameter({"bias",
                                        {options_.num_filters},
                                        MakeInitializer(options_.bias_initializer, fan_in, fan_out),
                                        true,
                                        options_.bias_learn_rate_factor,
                                        options_.bias_l2_factor}));
  return graph.AddNode(ops::Convolution(window(), options_.num_groups), std::move(reads));
}

std::string Convolution2dLayer::Description() const {
  std::string text =
      fmt::format("{} filters {}", options_.num_filters,
                  DescribeWindow(options_.filter_size, options_.stride, options_.padding));
  if (options_.dilation != std::array<int64_t, 2>{1, 1})
    text += fmt::format(", dilation {}x{}", options_.dilation[0], options_.dilation[1]);
  if (options_.num_groups != 1) text += fmt::format(", {} groups", options_.num_groups);
  return options_.bias ? text : text + ", no bias";
}

LayerPtr Convolution2d(const Convolution2dOptions& options) {
  return std::make_shared<Convolution2dLayer>(options);
}

}  // namespace normkit
