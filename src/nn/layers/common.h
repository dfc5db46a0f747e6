// What every layer's checks share.
#pragma once

#include <string>
#include <utility>

#include "normkit/nn/layer.h"
#include "normkit/nn/layers.h"
#include "src/core/fail.h"

namespace normkit {

// "convolution 2-D 'conv1'".
std::string Title(const Layer& layer);

// Throws Error "TYPE 'NAME': ...".
template <class... Args>
[[noreturn]] void FailLayer(const Layer& layer, fmt::format_string<Args...> format,
                            Args&&... args) {
  Fail("{}: {}", Title(layer), fmt::format(format, std::forward<Args>(args)...));
}

// The only input; throws where there are none or several.
const Layout& OnlyInput(const Layer& layer, std::span<const Layout> inputs);

// The only input, which has to be an image batch, BSSC.
const Layout& OnlyImage(const Layer& layer, std::span<const Layout> inputs);

// For a layer that joins `count` inputs.
void CheckInputCount(const Layer& layer, std::span<const Layout> inputs, int count);

// Sizes of a BSSC layout.
struct ImageShape {
  int64_t batch, height, width, channels;
  explicit ImageShape(const Layout& layout);
  Layout layout() const;
};

// [B, C].
Layout FeatureLayout(int64_t batch, int64_t features);

// The function that fills a parameter with given fans (incoming and outgoing connections of one
// unit).
std::function<void(std::span<float>, Random&)> MakeInitializer(const Initializer& initializer,
                                                               int64_t fan_in, int64_t fan_out);

// Elementwise work is cut into pieces of this many elements, and threads woken from
// kParallelElements on.
inline constexpr int64_t kPieceElements = 1 << 14;
inline constexpr int64_t kParallelElements = 1 << 15;

}  // namespace normkit
