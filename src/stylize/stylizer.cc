#include "src/stylize/stylizer.h"

#include <algorithm>

#include "src/core/fail.h"
#include "src/core/memory_needs.h"
#include "src/onnx/import/imported.h"

namespace normkit {
namespace {

constexpr int64_t kMostMultiple = 64;

// What the program itself takes of memory, what tiles get at the least, and how much of what there
// is they take at the most.
constexpr double kOwnBytes = 70e6, kLeastBytes = 64e6, kFreeShare = 0.8;

ExecutorOptions ExecutionOf(const ImportedNetwork& imported, std::shared_ptr<Tensor> arena) {
  return {.keep = {imported.outputs[0].value}, .arena = std::move(arena)};
}

}  // namespace

Stylizer::Stylizer(const std::string& model, const StylizeOptions& options)
    : model_(model), options_(options), imported_(ImportOnnx(model)) {
  CheckNetwork();
  ChooseMeaning(options);
  const std::vector<int64_t>& shape = imported_.inputs[picture_].shape;
  height_ = std::max<int64_t>(0, shape[2]);
  width_ = std::max<int64_t>(0, shape[3]);
}

void Stylizer::CheckNetwork() {
  const Graph& graph = imported_.network.graph;
  const auto is_picture = [&](const ImportedArray& array) {
    const Layout& layout = graph.layout(array.value);
    if (array.dtype != DType::kF32 || layout.rank() != 4) return false;
    const std::vector<int64_t> shape = layout.shape();
    return shape[0] == 1 && shape[array.channels_last ? 3 : 1] == 3;
  };
  const auto is_style = [&](const ImportedArray& array) {
    const Layout& layout = graph.layout(array.value);
    return array.dtype == DType::kF32 && layout.rank() == 2 && layout.shape()[0] == 1;
  };
  const auto& inputs = imported_.inputs;
  const bool one = inputs.size() == 1 && is_picture(inputs[0]), two = inputs.size() == 2;
  picture_ = two && is_picture(inputs[1]) ? 1 : 0;
  style_ = two ? 1 - picture_ : picture_;
  if (!one && !(two && is_picture(inputs[picture_]) && is_style(inputs[style_])))
    Fail("{}: reads {}, expected one picture, [1,3,H,W], and perhaps weights of styles, [1,styles]",
         model_, Shown(inputs));
  if (imported_.outputs.size() != 1 || !is_picture(imported_.outputs[0]))
    Fail("{}: gives {}, expected one picture, [1,3,H,W]", model_, Shown(imported_.outputs));
  if (two) style_mix_.resize(static_cast<size_t>(graph.layout(inputs[style_].value).size()));
  if (two) style_mix_[0] = 1;
}

void Stylizer::MixStyles(std::vector<float> weights) {
  if (weights.size() != style_mix_.size())
    Fail("'{}' given, expected {}", fmt::join(weights, ","),
         style_mix_.empty()
             ? fmt::format("none: {} has one style", model_)
             : fmt::format("{} weights, one for each style of {}", style_mix_.size(), model_));
  style_mix_ = std::move(weights);
  tiled_.reset();  // which has them
}

std::string Stylizer::DescribeStyles() const {
  if (style_ == picture_) return "";
  const auto& facts = imported_.network.facts;
  const auto names = facts.find("style.names");
  return fmt::format("{} styles{}, mixed {}", style_mix_.size(),
                     names == facts.end() ? "" : fmt::format(" ({})", names->second),
                     fmt::join(style_mix_, ","));
}

// Of all inputs, as the graph wants them, for a picture of this size.
std::vector<Layout> Stylizer::InputLayouts(const Layout& picture) const {
  std::vector<Layout> layouts{picture};
  if (style_ == picture_) return layouts;
  layouts.insert(layouts.begin() + static_cast<ptrdiff_t>(style_),
                 imported_.network.graph.layout(imported_.inputs[style_].value));
  return layouts;
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
  const bool last = imported_.inputs[picture_].channels_last;
  const int64_t nhwc[] = {1, sizes.height, sizes.width, 3},
                nchw[] = {1, 3, sizes.height, sizes.width};
  return last ? Layout::Make("BSSC", nhwc) : Layout::Make("BCSS", nchw);
}

Stylizer::Sizes Stylizer::OutputOf(Sizes input) const {
  const Layout layout = InputLayout(input);
  const ImportedArray& output = imported_.outputs[0];
  const auto types = imported_.network.graph.Infer(InputLayouts(layout));
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
  const double planned = Executor::PlannedBytes(imported_.network.graph, InputLayouts(layout),
                                                ExecutionOf(imported_, arena_));
  const auto held = static_cast<double>(arena_->bytes());
  if (planned <= held) return;
  MemoryNeeds needs;
  needs.Add("activations", planned - held);
  needs.Check(fmt::format("a picture of {}", layout.ToString()),
              fmt::format("smaller pictures (--size) take less ({} cannot be computed by tiles)",
                          tiled_->why_not()));
}

void Stylizer::Prepare(const Layout& layout) {
  if (tiled_ && tiled_layout_ == layout) return;
  std::map<Value, std::shared_ptr<const Tensor>> given;
  if (style_ != picture_) {
    const Value style = imported_.inputs[style_].value;
    const auto weights = std::make_shared<Tensor>(imported_.network.graph.layout(style));
    std::ranges::copy(style_mix_, weights->values<float>().begin());
    given[style] = weights;
  }
  tiled_.emplace(imported_.network.graph, imported_.network.parameters,
                 imported_.inputs[picture_].value, layout, imported_.outputs[0].value, given);
  tiled_->UseArena(arena_);
  tiled_layout_ = layout;
}

// What tiles and the result may take. Throws Error where there is not even enough for little ones.
double Stylizer::TileBytes(const Image& photo, size_t result) const {
  const FreeMemory free = FindFreeMemory();
  MemoryNeeds needs;
  needs.Add("the result", static_cast<double>(result));
  needs.Add("tiles", kLeastBytes);
  needs.Check(fmt::format("a picture of {} x {} pixels", photo.width, photo.height),
              "smaller pictures (--size) take less", free);
  const double own = kOwnBytes + static_cast<double>(photo.pixels.size()) +
                     2 * static_cast<double>(imported_.network.parameters.values().size_bytes());
  const double pixels = static_cast<double>(photo.height) * static_cast<double>(photo.width),
               most = kStylizeBytes * std::max(1.0, pixels / kStylizePixels);
  return std::max(needs.total(), std::min(most - own, kFreeShare * free.bytes));
}

// Of a photo that is mirrored at its end to these sizes. Where the result has them too it is
// cropped.
Image Stylizer::Run(const Image& photo, Sizes sizes, const Progress& progress) {
  const Layout layout = InputLayout(sizes);
  Prepare(layout);
  if (!tiled_->why_not().empty()) {
    if (options_.tile > 0)
      Fail("{} cannot be computed by tiles, expected no --tile", tiled_->why_not());
    return RunWhole(photo, sizes);
  }
  const Sizes output = OutputOf(sizes);
  const bool crops = output.height == sizes.height && output.width == sizes.width;
  Image styled{crops ? photo.height : output.height, crops ? photo.width : output.width, 3, {}};
  const auto pixels = static_cast<size_t>(styled.height * styled.width * 3);
  const double bytes = TileBytes(photo, pixels);
  tiling_ = options_.tile > 0 ? tiled_->TilingOf(options_.tile)
                              : tiled_->TilingFor(bytes - static_cast<double>(pixels));
  tiled_->Run(
      [&](const Box& box, float* to) {
        ToBox(photo, pixels_, imported_.inputs[picture_].channels_last, box, to);
      },
      [&](const Box& box, const float* from) {
        styled.pixels.resize(pixels);
        FromBox(from, pixels_, imported_.outputs[0].channels_last, box, styled);
      },
      tiling_, {bytes, static_cast<double>(pixels)}, progress);
  work_ = tiled_->work();
  return styled;
}

Image Stylizer::RunWhole(const Image& photo, Sizes sizes) {
  const Layout layout = InputLayout(sizes);
  CheckMemory(layout);
  if (!executor_) executor_.emplace(imported_.network.graph, ExecutionOf(imported_, arena_));
  executor_->SetShapes(InputLayouts(layout));
  const auto whole = [](const Layout& of) {
    std::vector<int64_t> shape = of.shape();
    return Box{std::vector<int64_t>(shape.size(), 0), std::move(shape)};
  };
  ToBox(photo, pixels_, imported_.inputs[picture_].channels_last, whole(layout),
        executor_->input(picture_).values<float>().data());
  if (style_ != picture_)
    std::ranges::copy(style_mix_, executor_->input(style_).values<float>().begin());
  executor_->Forward(imported_.network.parameters, {});
  const ArrayView view = executor_->array(imported_.outputs[0].value);
  const Sizes output = OutputOf(sizes);
  const bool crops = output.height == sizes.height && output.width == sizes.width;
  Image styled{crops ? photo.height : output.height, crops ? photo.width : output.width, 3, {}};
  styled.pixels.resize(static_cast<size_t>(styled.height * styled.width * 3));
  FromBox(view.values<float>().data(), pixels_, imported_.outputs[0].channels_last,
          whole(view.type.shape), styled);
  tiling_ = {};
  work_ = 1;
  return styled;
}

Image Stylizer::Stylize(const Image& photo, const Progress& progress) {
  Image styled;
  if (height_ > 0 || width_ > 0) {
    const Sizes sizes{height_ > 0 ? height_ : photo.height, width_ > 0 ? width_ : photo.width};
    styled = Run(Resize(photo, sizes.height, sizes.width), sizes, progress);
  } else {
    styled = Run(photo, PaddedSizes({photo.height, photo.width}), progress);
  }
  if (styled.height != photo.height || styled.width != photo.width)
    styled = Resize(styled, photo.height, photo.width);
  if (options_.preserve_colors) styled = WithColours(styled, photo);
  return options_.strength < 1 ? Mixed(photo, styled, options_.strength) : styled;
}

}  // namespace normkit
