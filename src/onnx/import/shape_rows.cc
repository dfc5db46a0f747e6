// Operators that make shapes, and arrays of other shapes.
#include <algorithm>
#include <limits>
#include <numeric>

#include "src/onnx/import/imported.h"
#include "src/onnx/import/rows.h"
#include "src/ops/binary.h"
#include "src/ops/functions.h"
#include "src/ops/resize.h"

namespace normkit {
namespace {

void ImportConstant(NodeImport& node) {
  using onnx::AttributeProto;
  if (const auto* value = node.Attribute("value", AttributeProto::TENSOR))
    return node.Out(node.importer().Constant(node.importer().ReadTensor(value->t(), node.where()),
                                             node.output()));
  if (node.Has("value_float")) return node.Out(node.Number(node.Float("value_float", 0)));
  if (node.Has("value_ints")) return node.Out(node.Ints(node.List("value_ints")));
  if (node.Has("value_int")) {
    Tensor tensor(Layout(), DType::kI64);
    tensor.values<int64_t>()[0] = node.Int("value_int", 0);
    return node.Out(node.importer().Constant(std::move(tensor)));
  }
  if (const auto* floats = node.FloatList("value_floats")) {
    Tensor tensor(Layout::Unlabelled(std::vector<int64_t>{floats->floats_size()}));
    std::copy(floats->floats().begin(), floats->floats().end(), tensor.values<float>().begin());
    return node.Out(node.importer().Constant(std::move(tensor)));
  }
  node.Refuse("has no value of numbers, expected one");
}

void ImportConstantOfShape(NodeImport& node) {
  auto element = std::make_shared<Tensor>(Layout::Unlabelled(std::vector<int64_t>{1}));
  if (const auto* value = node.Attribute("value", onnx::AttributeProto::TENSOR))
    *element = node.importer().ReadTensor(value->t(), node.where());
  if (element->size() != 1)
    node.Refuse("attribute 'value' has {} elements, expected 1", element->size());
  node.Out(node.Apply(ops::Filled(element), {node.In(0)})[0]);
}

// Of an input whose sizes are known whatever is given, such as a constant's, it is one.
void ImportShape(NodeImport& node) {
  const ItemPtr x = node.In(0);
  ItemPtr shape = nullptr;
  if (x->fixed || x->lists_sizes) {
    shape = node.Ints(node.Type(0).shape.shape());
  } else {
    shape = node.Apply(ops::ShapeOf(), {x})[0];
    shape->lists_sizes = true;
  }
  const int64_t start = node.Int("start", 0);
  const int64_t end = node.Int("end", std::numeric_limits<int64_t>::max());
  if (start != 0 || end != std::numeric_limits<int64_t>::max())
    shape = node.Apply(ops::SliceAxes(), {shape, node.Ints({start}), node.Ints({end})})[0];
  node.Out(shape);
}

void ImportSize(NodeImport& node) {
  const ItemPtr x = node.In(0);
  if (!x->fixed && !x->lists_sizes) return node.Out(node.Apply(ops::SizeOf(), {x})[0]);
  node.Out(node.Apply(ops::RemoveAxes({0}), {node.Ints({node.Type(0).shape.size()})})[0]);
}

void ImportReshape(NodeImport& node) {
  const bool zeros = node.Int("allowzero", 0) != 0;
  node.Out(node.Apply(ops::Reshape("", !zeros), {node.In(0), node.In(1)})[0]);
}

void ImportFlatten(NodeImport& node) {
  node.Out(node.Apply(ops::FlattenAt(node.Int("axis", 1)), {node.In(0)})[0]);
}

void ImportSqueeze(NodeImport& node) {
  const std::vector<int64_t> axes = node.opset() < 13  ? node.List("axes")
                                    : node.HasInput(1) ? node.FixedInts(1)
                                                       : std::vector<int64_t>();
  node.Out(node.Apply(ops::RemoveAxes(axes), {node.In(0)})[0]);
}

void ImportUnsqueeze(NodeImport& node) {
  const auto axes = node.opset() < 13 ? node.List("axes") : node.FixedInts(1);
  node.Out(node.Apply(ops::AddAxes(axes), {node.In(0)})[0]);
}

// Along the channels of what lies with them last it stays so.
void ImportConcat(NodeImport& node) {
  const int rank = node.Rank(0);
  int64_t axis = node.Int("axis", 1);
  std::vector<ItemPtr> inputs;
  bool last = rank >= 3;
  for (int i = 0; i < node.inputs(); ++i) {
    inputs.push_back(node.In(i));
    if (inputs.back()->rank != rank)
      node.Refuse("inputs have {} and {} axes, expected as many", rank, inputs.back()->rank);
    last &= !inputs.back()->fixed && inputs.back()->values[1] >= 0;
  }
  if (axis < -rank || axis >= rank) node.Refuse("axis {} of {} asked for", axis, rank);
  if (axis < 0) axis += rank;
  if (!last) return node.Out(node.Apply(ops::Concatenation(axis), inputs)[0]);
  axis = axis == 0 ? 0 : axis == 1 ? rank - 1 : axis - 1;
  node.Out(node.Apply(ops::Concatenation(axis), inputs, Order::kChannelsLast)[0]);
}

void ImportSliceOfAttributes(NodeImport& node) {
  const std::vector<int64_t> axes = node.List("axes");
  std::vector<ItemPtr> inputs{node.In(0), node.Ints(node.List("starts")),
                              node.Ints(node.List("ends"))};
  if (!axes.empty()) inputs.push_back(node.Ints(axes));
  node.Out(node.Apply(ops::SliceAxes(), inputs)[0]);
}

void ImportSlice(NodeImport& node) {
  std::vector<ItemPtr> inputs{node.In(0), node.In(1), node.In(2)};
  if (node.HasInput(3) || node.HasInput(4)) {
    std::vector<int64_t> all(static_cast<size_t>(node.Type(1).shape.size()));
    std::iota(all.begin(), all.end(), 0);
    inputs.push_back(node.HasInput(3) ? node.In(3) : node.Ints(all));
  }
  if (node.HasInput(4)) inputs.push_back(node.In(4));
  node.Out(node.Apply(ops::SliceAxes(), inputs)[0]);
}

void ImportSplit(NodeImport& node) {
  const int outputs = node.proto().output_size(), rank = node.Rank(0);
  int64_t axis = node.Int("axis", 0);
  if (axis < -rank || axis >= rank) node.Refuse("axis {} of {} asked for", axis, rank);
  if (axis < 0) axis += rank;
  const int64_t num_outputs = node.Int("num_outputs", outputs);
  if (num_outputs != outputs)
    node.Refuse("attribute 'num_outputs' is {}, expected its {} outputs", num_outputs, outputs);
  std::vector<int64_t> sizes = node.opset() < 13  ? node.List("split")
                               : node.HasInput(1) ? node.FixedInts(1)
                                                  : std::vector<int64_t>();
  if (sizes.empty()) {  // equal ones, the last may be smaller
    const int64_t size = node.Type(0).shape.shape()[static_cast<size_t>(axis)];
    sizes.assign(static_cast<size_t>(outputs), (size + outputs - 1) / outputs);
  }
  if (std::ssize(sizes) != outputs)
    node.Refuse("{} sizes given for {} outputs", sizes.size(), outputs);
  int64_t begin = 0;
  for (int i = 0; i < outputs; ++i) {
    const int64_t size = sizes[static_cast<size_t>(i)];
    if (size < 0 || size > std::numeric_limits<int32_t>::max())
      node.Refuse("size {} of output {} asked for", size, i);
    const int64_t end = i + 1 == outputs ? std::numeric_limits<int64_t>::max() : begin + size;
    node.Out(node.Apply(ops::SliceAxes(),
                        {node.In(0), node.Ints({begin}), node.Ints({end}), node.Ints({axis})})[0],
             i);
    begin += size;
  }
}

void ImportTranspose(NodeImport& node) {
  const int rank = node.Rank(0);
  std::vector<int64_t> perm = node.List("perm");
  if (perm.empty() && !node.Has("perm"))
    for (int i = rank; i-- > 0;) perm.push_back(i);
  std::vector<int64_t> sorted = perm, all(static_cast<size_t>(rank));
  std::ranges::sort(sorted);
  std::iota(all.begin(), all.end(), 0);
  if (sorted != all)
    node.Refuse("attribute 'perm' is [{}], expected an order of {} axes", fmt::join(perm, ","),
                rank);
  // Between the order of the file and channels last nothing moves: one is the other's transpose.
  const ItemPtr x = node.In(0);
  const std::vector<int> order(perm.begin(), perm.end());
  for (const Order from : {Order::kFile, Order::kChannelsLast}) {
    const bool file = from == Order::kFile;
    const Value value = x->values[file ? 0 : 1];
    if (rank < 3 || x->fixed || value < 0 ||
        order != (file ? FileOrder(rank) : ChannelsLastOrder(rank)))
      continue;
    return node.Out(node.importer().FromValue(value, file ? Order::kChannelsLast : Order::kFile));
  }
  node.Out(node.Apply(ops::Transpose(order), {x})[0]);
}

void ImportGather(NodeImport& node) {
  node.Out(node.Apply(ops::Gather(node.Int("axis", 0)), {node.In(0), node.In(1)})[0]);
}

void ImportRange(NodeImport& node) {
  node.Out(node.Apply(ops::Range(), {node.In(0), node.In(1), node.In(2)})[0]);
}

void ImportExpand(NodeImport& node) {
  node.Out(node.Apply(ops::Expand(), {node.In(0), node.In(1)})[0]);
}

// ---- Borders and sizes --------------------------------------------------------------------------

ops::Edge EdgeOf(NodeImport& node) {
  const std::string mode = node.Text("mode", "constant");
  if (mode == "constant") return ops::Edge::kConstant;
  if (mode == "reflect") return ops::Edge::kReflect;
  if (mode == "edge") return ops::Edge::kRepeat;
  if (mode == "wrap") return ops::Edge::kAround;
  node.Refuse("attribute 'mode' is '{}', expected 'constant', 'reflect', 'edge' or 'wrap'", mode);
}

// `pads` of all axes, begins then ends, in the order of the file; what lies channels last stays so.
void AddPad(NodeImport& node, ItemPtr pads, ops::Edge edge, ItemPtr value) {
  const ItemPtr x = node.In(0);
  const bool last = x->rank >= 3 && !x->fixed && x->values[1] >= 0;
  if (last) {
    std::vector<int64_t> places;
    for (int half = 0; half < 2; ++half)
      for (const int axis : ChannelsLastOrder(x->rank)) places.push_back(half * x->rank + axis);
    pads = node.Apply(ops::Gather(0), {pads, node.Ints(places)})[0];
  }
  std::vector<ItemPtr> inputs{x, pads};
  if (value) inputs.push_back(value);
  node.Out(node.Apply(ops::Pad(edge), inputs, last ? Order::kChannelsLast : Order::kFile)[0]);
}

void ImportPadOfAttributes(NodeImport& node) {
  const ops::Edge edge = EdgeOf(node);
  const float value = node.Float("value", 0);
  AddPad(node, node.Ints(node.List("pads")), edge, value != 0 ? node.Number(value) : nullptr);
}

void ImportPad(NodeImport& node) {
  const ops::Edge edge = EdgeOf(node);
  ItemPtr pads = node.In(1);
  if (node.HasInput(3)) {  // of these axes alone: one 0 behind them is all the others'
    const int rank = node.Rank(0);
    const std::vector<int64_t> axes = node.FixedInts(3);
    const int64_t n = std::ssize(axes);
    std::vector<int64_t> places(static_cast<size_t>(2 * rank), 2 * n);
    for (int64_t i = 0; i < n; ++i) {
      const int64_t axis = axes[static_cast<size_t>(i)];
      if (axis < -rank || axis >= rank) node.Refuse("axis {} of {} asked for", axis, rank);
      const auto at = static_cast<size_t>(axis < 0 ? axis + rank : axis);
      places[at] = i;
      places[at + static_cast<size_t>(rank)] = n + i;
    }
    pads = node.Apply(ops::Concatenation(0), {pads, node.Ints({0})})[0];
    pads = node.Apply(ops::Gather(0), {pads, node.Ints(places)})[0];
  }
  const bool filled = edge == ops::Edge::kConstant && node.HasInput(2);
  if (filled) {
    node.ExpectNumbers(0);
    node.ExpectNumbers(2);
  }
  AddPad(node, pads, edge, filled ? node.In(2) : nullptr);
}

// border [left, top, right, bottom] off the space of an image.
void ImportCrop(NodeImport& node) {
  const std::vector<int64_t> border = node.List("border");
  if (border.size() != 4 || node.Rank(0) != 4)
    node.Refuse("border has {} numbers and x {} axes, expected 4 and 4", border.size(),
                node.Rank(0));
  if (node.Has("scale")) node.Refuse("attribute 'scale' is not supported, expected none");
  AddPad(node, node.Ints({0, 0, -border[1], -border[0], 0, 0, -border[3], -border[2]}),
         ops::Edge::kConstant, nullptr);
}

using Settings = ops::ResizeSettings;

template <class T, size_t kWords>
T Choose(NodeImport& node, const std::string& attribute, const std::string& otherwise,
         const std::pair<const char*, T> (&words)[kWords]) {
  const std::string given = node.Text(attribute, otherwise);
  std::vector<std::string> known;
  for (const auto& [word, means] : words) {
    if (given == word) return means;
    known.emplace_back(word);
  }
  node.Refuse("attribute '{}' is '{}', expected {}", attribute, given, fmt::join(known, ", "));
}

Settings::Mode ModeOf(NodeImport& node) {
  return Choose<Settings::Mode>(node, "mode", "nearest",
                                {{"nearest", Settings::kNearest},
                                 {"linear", Settings::kLinear},
                                 {"bilinear", Settings::kLinear},
                                 {"cubic", Settings::kCubic}});
}

// `sizes`: i64 sizes or f32 scales of axes of the file (none: all).
void AddResize(NodeImport& node, ItemPtr sizes, Settings settings, std::vector<int64_t> axes) {
  node.ExpectNumbers(0);
  const ItemPtr x = node.In(0);
  if (axes.empty())
    for (int i = 0; i < x->rank; ++i) axes.push_back(i);
  const bool last = x->rank >= 3 && !x->fixed && x->values[1] >= 0;
  const std::vector<int> places = FileOrder(x->rank);  // of the file's axes among ours
  for (int64_t& axis : axes) {
    if (axis < -x->rank || axis >= x->rank) node.Refuse("axis {} of {} asked for", axis, x->rank);
    const auto at = static_cast<size_t>(axis < 0 ? axis + x->rank : axis);
    settings.axes.push_back(last ? places[at] : static_cast<int>(at));
  }
  node.Out(
      node.Apply(ops::Resize(settings), {x, sizes}, last ? Order::kChannelsLast : Order::kFile)[0]);
}

void ImportUpsample(NodeImport& node) {
  Settings settings{
      .mode = ModeOf(node), .coordinates = Settings::kAsymmetric, .rounding = Settings::kFloor};
  if (node.opset() >= 9) return AddResize(node, node.In(1), settings, {});
  const auto* scales = node.FloatList("scales");
  if (!scales) node.Refuse("has no attribute 'scales', expected it");
  Tensor tensor(Layout::Unlabelled(std::vector<int64_t>{scales->floats_size()}));
  std::copy(scales->floats().begin(), scales->floats().end(), tensor.values<float>().begin());
  AddResize(node, node.importer().Constant(std::move(tensor)), settings, {});
}

void ImportResize(NodeImport& node) {
  Settings settings{.mode = ModeOf(node)};
  settings.coordinates =
      Choose<Settings::Coordinates>(node, "coordinate_transformation_mode", "half_pixel",
                                    {{"half_pixel", Settings::kHalfPixel},
                                     {"half_pixel_symmetric", Settings::kHalfPixelSymmetric},
                                     {"pytorch_half_pixel", Settings::kPytorchHalfPixel},
                                     {"align_corners", Settings::kAlignCorners},
                                     {"asymmetric", Settings::kAsymmetric},
                                     {"tf_half_pixel_for_nn", Settings::kTfHalfPixel}});
  settings.rounding =
      Choose<Settings::Rounding>(node, "nearest_mode", "round_prefer_floor",
                                 {{"round_prefer_floor", Settings::kRoundPreferFloor},
                                  {"round_prefer_ceil", Settings::kRoundPreferCeil},
                                  {"floor", Settings::kFloor},
                                  {"ceil", Settings::kCeil}});
  settings.cubic = node.Float("cubic_coeff_a", -0.75f);
  settings.exclude_outside = node.Int("exclude_outside", 0) != 0;
  node.Float("extrapolation_value", 0);
  node.Expect("antialias", 0);
  const std::string policy = node.Text("keep_aspect_ratio_policy", "stretch");
  if (policy != "stretch")
    node.Refuse("attribute 'keep_aspect_ratio_policy' is '{}', expected 'stretch'", policy);
  const std::vector<int64_t> axes = node.List("axes");
  const bool scales = node.HasInput(2) && node.Type(2).shape.size() > 0;
  if (!scales && !node.HasInput(3)) node.Refuse("has neither scales nor sizes, expected either");
  AddResize(node, node.In(scales ? 2 : 3), settings, axes);
}

void ImportResizeOf10(NodeImport& node) {
  AddResize(
      node, node.In(1),
      {.mode = ModeOf(node), .coordinates = Settings::kAsymmetric, .rounding = Settings::kFloor},
      {});
}

// ---- Reductions ---------------------------------------------------------------------------------

// Of a vector of whole numbers, as sizes are: one after the other.
void ReduceWhole(NodeImport& node, ops::Reduction reduction, bool keep) {
  const char* name = reduction == ops::Reduction::kSum       ? "add"
                     : reduction == ops::Reduction::kProduct ? "multiply"
                     : reduction == ops::Reduction::kMaximum ? "maximum"
                     : reduction == ops::Reduction::kMinimum ? "minimum"
                                                             : nullptr;
  const int64_t size = node.Type(0).shape.size();
  constexpr int64_t kMost = 64;
  if (!name || node.Rank(0) != 1 || size < 1 || size > kMost)
    node.Refuse(
        "input 0 is {}, expected floating-point numbers, or for sum, product, maximum and "
        "minimum a vector of 1 to {} whole ones",
        node.Type(0).ToString(), kMost);
  const auto op = ops::MakeBinary(ops::FindBinary(name));
  const auto at = [&](int64_t i) {
    return node.Apply(ops::Gather(0), {node.In(0), node.Ints({i})})[0];
  };
  ItemPtr result = at(0);
  for (int64_t i = 1; i < size; ++i) result = node.ApplyToElements(op, {result, at(i)});
  node.Out(keep ? result : node.Apply(ops::RemoveAxes({0}), {result})[0]);
}

// Of what lies channels last, over space: it stays so.
void AddReduction(NodeImport& node, ops::Reduction reduction, bool root, int axes_from) {
  const bool keep = node.Int("keepdims", 1) != 0;
  const bool nothing = node.Int("noop_with_empty_axes", 0) != 0;
  std::vector<int64_t> axes = node.opset() < axes_from ? node.List("axes")
                              : node.HasInput(1)       ? node.FixedInts(1)
                                                       : std::vector<int64_t>();
  const ItemPtr x = node.In(0);
  if (axes.empty() && nothing) return node.Out(x);
  const int rank = x->rank;
  if (axes.empty())
    for (int i = 0; i < rank; ++i) axes.push_back(i);
  for (int64_t& axis : axes) {
    if (axis < -rank || axis >= rank) node.Refuse("axis {} of {} asked for", axis, rank);
    if (axis < 0) axis += rank;
  }
  if (node.Type(0).dtype == DType::kI64) return ReduceWhole(node, reduction, keep);
  node.ExpectNumbers(0);
  const bool last = rank >= 3 && !x->fixed && x->values[1] >= 0;
  std::vector<int64_t> ours = axes;
  if (last)
    for (int64_t& axis : ours) axis = FileOrder(rank)[static_cast<size_t>(axis)];
  const Order order = last ? Order::kChannelsLast : Order::kFile;
  std::vector<int64_t> sorted = ours, space(static_cast<size_t>(std::max(rank - 2, 0)));
  std::ranges::sort(sorted);
  std::iota(space.begin(), space.end(), 1);
  const bool global = last && reduction == ops::Reduction::kMean && sorted == space;
  ItemPtr y =
      node.Apply(global ? ops::GlobalAverage() : ops::Reduce(reduction, ours), {x}, order)[0];
  if (root) y = node.ApplyToElements(ops::MakeFunction(ops::FindFunction("square root")), {y});
  node.Out(keep ? y : node.Apply(ops::RemoveAxes(axes), {y})[0]);
}

template <ops::Reduction kReduction, bool kRoot = false>
void ImportReduction(NodeImport& node) {
  AddReduction(node, kReduction, kRoot, kReduction == ops::Reduction::kSum ? 13 : 18);
}

}  // namespace

std::vector<ImportRow> ShapeRows() {
  using enum ops::Reduction;
  return {
      {"Constant", 1, kNewestImported, ImportConstant},
      {"ConstantOfShape", 9, kNewestImported, ImportConstantOfShape},
      {"Shape", 1, kNewestImported, ImportShape},
      {"Size", 1, kNewestImported, ImportSize},
      {"Reshape", 5, kNewestImported, ImportReshape},
      {"Flatten", 1, kNewestImported, ImportFlatten},
      {"Squeeze", 1, kNewestImported, ImportSqueeze},
      {"Unsqueeze", 1, kNewestImported, ImportUnsqueeze},
      {"Concat", 4, kNewestImported, ImportConcat},
      {"Slice", 1, 9, ImportSliceOfAttributes},
      {"Slice", 10, kNewestImported, ImportSlice},
      {"Split", 2, kNewestImported, ImportSplit},
      {"Transpose", 1, kNewestImported, ImportTranspose},
      {"Gather", 1, kNewestImported, ImportGather},
      {"Range", 11, kNewestImported, ImportRange},
      {"Expand", 8, kNewestImported, ImportExpand},
      {"Pad", 2, 10, ImportPadOfAttributes, true},
      {"Pad", 11, kNewestImported, ImportPad},
      {"Crop", 1, 9, ImportCrop, true},
      {"Upsample", 7, 9, ImportUpsample, true},
      {"Resize", 10, 10, ImportResizeOf10, true},
      {"Resize", 11, kNewestImported, ImportResize, true},
      {"ReduceMean", 1, kNewestImported, ImportReduction<kMean>},
      {"ReduceSum", 1, kNewestImported, ImportReduction<kSum>},
      {"ReduceSumSquare", 1, kNewestImported, ImportReduction<kSumOfSquares>},
      {"ReduceL2", 1, kNewestImported, ImportReduction<kSumOfSquares, true>},
      {"ReduceMax", 1, kNewestImported, ImportReduction<kMaximum>},
      {"ReduceMin", 1, kNewestImported, ImportReduction<kMinimum>},
      {"ReduceProd", 1, kNewestImported, ImportReduction<kProduct>},
  };
}

}  // namespace normkit
