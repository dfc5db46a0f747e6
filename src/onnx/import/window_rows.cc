// Operators that slide windows over space: 1 to 3 dimensions, channels last.
#include "src/onnx/import/rows.h"

namespace normkit {
namespace {

// What convolutions and pools say of their windows.
struct WindowAttributes {
  ops::Window window;
  std::string auto_pad;
};

size_t SpaceOf(NodeImport& node) {
  const int rank = node.Rank(0);
  if (rank < 3 || rank > 5) node.Refuse("x has {} axes, expected 3 to 5 (N, C and space)", rank);
  return static_cast<size_t>(rank - 2);
}

std::vector<int64_t> SpaceNumbers(NodeImport& node, const std::string& attribute, size_t count,
                                  int64_t least) {
  std::vector<int64_t> numbers = node.WindowNumbers(attribute, least);
  if (!numbers.empty() && numbers.size() != count)
    node.Refuse("attribute '{}' has {} values, expected {}", attribute, numbers.size(), count);
  return numbers;
}

WindowAttributes ImportWindow(NodeImport& node, const std::vector<int64_t>& size) {
  const size_t dims = SpaceOf(node);
  WindowAttributes read;
  read.window.size = SpaceNumbers(node, "kernel_shape", dims, 1);
  if (read.window.size.empty()) read.window.size = size;
  if (read.window.size.size() != dims || (!size.empty() && read.window.size != size))
    node.Refuse("the window is [{}], expected {} numbers{}", fmt::join(read.window.size, ","), dims,
                size.empty() ? "" : ", those of the weights");
  read.window.stride = SpaceNumbers(node, "strides", dims, 1);
  read.window.dilation = SpaceNumbers(node, "dilations", dims, 1);
  std::vector<int64_t> pads = SpaceNumbers(node, "pads", 2 * dims, 0);
  read.auto_pad = node.Text("auto_pad", "NOTSET");
  if (read.auto_pad == "SAME_UPPER" || read.auto_pad == "SAME_LOWER") {
    read.window.padding.same = true;
    read.window.odd_before = read.auto_pad == "SAME_LOWER";
  } else if (read.auto_pad != "NOTSET" && read.auto_pad != "VALID") {
    node.Refuse("attribute 'auto_pad' is '{}', expected NOTSET, VALID, SAME_UPPER or SAME_LOWER",
                read.auto_pad);
  }
  if (pads.empty() || read.auto_pad != "NOTSET") pads.assign(2 * dims, 0);
  Padding& padding = read.window.padding;
  int64_t* const begins[] = {&padding.front, &padding.top, &padding.left};
  int64_t* const ends[] = {&padding.back, &padding.bottom, &padding.right};
  for (size_t i = 0; i < dims; ++i) {
    *begins[3 - dims + i] = pads[i];
    *ends[3 - dims + i] = pads[dims + i];
  }
  return read;
}

int64_t GroupsOf(NodeImport& node) {
  const int64_t groups = node.Int("group", 1);
  if (groups < 1 || groups > 1 << 20)
    node.Refuse("attribute 'group' is {}, expected 1 or more", groups);
  return groups;
}

// The window's sizes, behind the two axes of channels.
std::vector<int64_t> WeightWindow(NodeImport& node) {
  const std::vector<int64_t> weights = node.Type(1).shape.shape();
  if (static_cast<int>(weights.size()) != node.Rank(0))
    node.Refuse("weights have {} axes and x {}, expected as many", weights.size(), node.Rank(0));
  return {weights.begin() + 2, weights.end()};
}

void AddConvolution(NodeImport& node, const std::shared_ptr<const Op>& op) {
  std::vector<Value> inputs{node.In(0, Order::kChannelsLast), node.Weight(1, "weights")};
  if (node.HasInput(2)) inputs.push_back(node.Weight(2, "bias"));
  node.Out(node.Add(op, std::move(inputs), Order::kChannelsLast));
}

void ImportConvolution(NodeImport& node) {
  SpaceOf(node);
  const WindowAttributes read = ImportWindow(node, WeightWindow(node));
  AddConvolution(node, ops::Convolution(read.window, GroupsOf(node)));
}

void ImportConvTranspose(NodeImport& node) {
  const size_t dims = SpaceOf(node);
  const WindowAttributes read = ImportWindow(node, WeightWindow(node));
  ops::Transposed how;
  how.more = SpaceNumbers(node, "output_padding", dims, 0);
  how.size = SpaceNumbers(node, "output_shape", dims, 1);
  how.begin_odd = read.auto_pad != "SAME_UPPER";
  AddConvolution(node, ops::TransposedConvolution(read.window, GroupsOf(node), how));
}

void ImportPool(NodeImport& node, ops::Pool pool) {
  WindowAttributes read = ImportWindow(node, {});
  read.window.ceil = node.Int("ceil_mode", 0) != 0;
  read.window.counts_padding = pool == ops::Pool::kMax || node.Int("count_include_pad", 0) != 0;
  if (pool == ops::Pool::kMax) {
    node.Expect("storage_order", 0);
    if (node.proto().output_size() > 1 && !node.proto().output(1).empty())
      node.Refuse("output 1, the places of the maxima, is asked for, expected the first alone");
  }
  node.Out(node.Add(ops::Pooling(pool, read.window), {node.In(0, Order::kChannelsLast)},
                    Order::kChannelsLast));
}

void ImportMaxPool(NodeImport& node) { ImportPool(node, ops::Pool::kMax); }
void ImportAveragePool(NodeImport& node) { ImportPool(node, ops::Pool::kAverage); }

void ImportGlobalAveragePool(NodeImport& node) {
  SpaceOf(node);
  node.Out(
      node.Add(ops::GlobalAverage(), {node.In(0, Order::kChannelsLast)}, Order::kChannelsLast));
}

void ImportLrn(NodeImport& node) {
  SpaceOf(node);
  const ops::CrossChannelSettings settings{.size = node.Int("size", 0),
                                           .alpha = node.Float("alpha", 1e-4f),
                                           .beta = node.Float("beta", 0.75f),
                                           .bias = node.Float("bias", 1)};
  if (settings.size < 1 || settings.size > 1 << 12)
    node.Refuse("attribute 'size' is {}, expected 1 to 4096", settings.size);
  node.Out(node.Add(ops::CrossChannelNormalization(settings), {node.In(0, Order::kChannelsLast)},
                    Order::kChannelsLast));
}

void ImportGlobalMaxPool(NodeImport& node) {
  std::vector<int64_t> space;
  for (size_t i = 0; i < SpaceOf(node); ++i) space.push_back(static_cast<int64_t>(i) + 1);
  node.Out(node.Add(ops::Reduce(ops::Reduction::kMaximum, space),
                    {node.In(0, Order::kChannelsLast)}, Order::kChannelsLast));
}

}  // namespace

std::vector<ImportRow> WindowRows() {
  return {
      {"Conv", 1, kNewestImported, ImportConvolution, true},
      {"ConvTranspose", 1, kNewestImported, ImportConvTranspose, true},
      {"MaxPool", 1, kNewestImported, ImportMaxPool, true},
      {"AveragePool", 7, kNewestImported, ImportAveragePool, true},
      {"GlobalAveragePool", 1, kNewestImported, ImportGlobalAveragePool, true},
      {"GlobalMaxPool", 1, kNewestImported, ImportGlobalMaxPool, true},
      {"LRN", 1, kNewestImported, ImportLrn},
  };
}

}  // namespace normkit
