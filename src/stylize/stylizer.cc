#include "src/stylize/stylizer.h"

#include <algorithm>

#include "src/core/fail.h"
#include "src/core/memory_needs.h"
#include "src/onnx/import/imported.h"

namespace normkit {
namespace {

constexpr int64_t kMostMultiple = 64;

ExecutorOptions ExecutionOf(const ImportedNetwork& imported) {
  ExecutorOptions options;
  options.keep = {imported.outputs[0].value};
  return options;
}

}  // namespace

Stylizer::Stylizer(const std::string& model, const StylizeOptions& options)
    : model_(model), options_(options), imported_(ImportOnnx(model)) {
  CheckNetwork();
  ChooseMeaning(options);
  const std::vector<int64_t>& shape = imported_.inputs[0].shape;
  height_ = std::max<int64_t>(0, shape[2]);
  width_ = std::max<int64_t>(0, shape[3]);
  executor_.emplace(imported_.network.graph, ExecutionOf(imported_));
}

void Stylizer::CheckNetwork() const {
  const auto is_picture = [&](const std::vector<ImportedArray>& arrays) {
    if (arrays.size() != 1 || arrays[0].dtype != DType::kF32) return false;
    const Layout& layout = imported_.network.graph.layout(arrays[0].value);
    if (layout.rank() != 4) return false;
    const std::vector<int64_t> shape = layout.shape();
    return shape[0] == 1 && shape[arrays[0].channels_last ? 3 : 1] == 3;
  };
  if (!is_picture(imported_.inputs))
    Fail("{}: reads {}, expected one picture, [1,3,H,W]", model_, Shown(imported_.inputs));
  if (!is_picture(imported_.outputs))
    Fail("{}: gives {}, expected one picture, [1,3,H,W]", model_, Shown(imported_.outputs));
}

void Stylizer::ChooseMeaning(const StylizeOptions& options) {
  const PictureHint& hint = imported_.picture;
  const auto source = [&](bool given, bool hinted) {
    return given ? "as asked for" : hinted ? hint.why : "assumed: the model does not say";
  };
  const bool order_given = !options.channel_order.empty(),
             order_hinted = !hint.channel_order.empty();
  const std::string order = order_given    ? options.channel_order
                            : order_hinted ? hint.channel_order
                                           : "rgb";
  const double largest = options.largest > 0 ? options.largest
                         : hint.largest > 0  ? hint.largest
                                             : 255;
  pixels_ = {order == "bgr", static_cast<float>(largest)};
  const std::string why_order = source(order_given, order_hinted),
                    why_range = source(options.largest > 0, hint.largest > 0);
  const std::string name = order == "bgr" ? "BGR" : "RGB";
  meaning_ =
      why_order == why_range
          ? fmt::format("pixels are {}, 0 to {} ({})", name, largest, why_order)
          : fmt::format("pixels are {} ({}), 0 to {} ({})", name, why_order, largest, why_range);
}

Layout Stylizer::InputLayout(Sizes sizes) const {
  const bool last = imported_.inputs[0].channels_last;
  const int64_t nhwc[] = {1, sizes.height, sizes.width, 3},
                nchw[] = {1, 3, sizes.height, sizes.width};
  return last ? Layout::Make("BSSC", nhwc) : Layout::Make("BCSS", nchw);
}

Stylizer::Sizes Stylizer::OutputOf(Sizes input) const {
  const Layout layout = InputLayout(input);
  const ImportedArray& output = imported_.outputs[0];
  const auto types = imported_.network.graph.Infer(std::span(&layout, 1));
  const std::vector<int64_t> shape = types.types[static_cast<size_t>(output.value)].shape.shape();
  const size_t first = output.channels_last ? 1 : 2;
  return {shape[first], shape[first + 1]};
}

// The smallest sizes, multiples of a power of 2, that the network takes and gives back.
Stylizer::Sizes Stylizer::PaddedSizes(Sizes photo) const {
  std::string refused;
  for (int64_t multiple = 1; multiple <= kMostMultiple; multiple *= 2) {
    const auto padded = [&](int64_t size) { return (size + multiple - 1) / multiple * multiple; };
    const Sizes sizes{padded(photo.height), padded(photo.width)};
    try {
      const Sizes output = OutputOf(sizes);
      if (output.height == sizes.height && output.width == sizes.width) return sizes;
    } catch (const Error& error) {
      refused = error.what();
    }
  }
  if (!refused.empty()) Fail("{} x {} pixels: {}", photo.width, photo.height, refused);
  return photo;  // a network that gives pictures of another size
}

void Stylizer::CheckMemory(const Layout& layout) const {
  const double planned = Executor::PlannedBytes(imported_.network.graph, std::span(&layout, 1),
                                                ExecutionOf(imported_));
  const auto held = static_cast<double>(executor_->arena_bytes());
  if (planned <= held) return;
  MemoryNeeds needs;
  needs.Add("activations", planned - held);
  needs.Check(fmt::format("a picture of {}", layout.ToString()),
              "smaller pictures (--size) take less");
}

Image Stylizer::Run(const Image& photo) {
  const Layout layout = InputLayout({photo.height, photo.width});
  CheckMemory(layout);
  executor_->SetShapes(std::span(&layout, 1));
  const std::span<float> x = executor_->input(0).values<float>();
  ToValues(photo, pixels_, x);
  const auto turn = [](std::span<float> values, bool to_planes) {
    const std::vector<float> from(values.begin(), values.end());
    const size_t n = from.size() / 3;
    for (size_t i = 0; i < n; ++i)
      for (size_t c = 0; c < 3; ++c) {
        const size_t pixel = i * 3 + c, plane = c * n + i;
        values[to_planes ? plane : pixel] = from[to_planes ? pixel : plane];
      }
  };
  if (!imported_.inputs[0].channels_last) turn(x, true);
  executor_->Forward(imported_.network.parameters, {});
  const ImportedArray& output = imported_.outputs[0];
  const ArrayView view = executor_->array(output.value);
  const std::vector<int64_t> shape = view.type.shape.shape();
  std::span<float> y = view.values<float>();
  if (!output.channels_last) turn(y, false);
  const size_t first = output.channels_last ? 1 : 2;
  return FromValues(y, shape[first], shape[first + 1], pixels_);
}

Image Stylizer::Stylize(const Image& photo) {
  Image styled;
  if (height_ > 0 || width_ > 0) {
    const int64_t height = height_ > 0 ? height_ : photo.height,
                  width = width_ > 0 ? width_ : photo.width;
    styled = Run(Resize(photo, height, width));
  } else {
    const Sizes sizes = PaddedSizes({photo.height, photo.width});
    styled = Run(Mirrored(photo, sizes.height, sizes.width));
    if (styled.height == sizes.height && styled.width == sizes.width)
      styled = Cropped(styled, photo.height, photo.width);
  }
  styled = Resize(styled, photo.height, photo.width);
  if (options_.preserve_colors) styled = WithColours(styled, photo);
  return options_.strength < 1 ? Mixed(photo, styled, options_.strength) : styled;
}

}  // namespace normkit
