// From a normalization that a file spells out to the norm's own operation.
#include "src/onnx/import/spelled_norms.h"

#include <algorithm>
#include <numeric>

#include "normkit/norm/spec.h"
#include "src/ops/binary.h"
#include "src/ops/normalization.h"

namespace normkit {
namespace {

// Over space: [N,C,space] or [1,C,1,-1] of one observation, reduced behind C.
bool IsInstance(const SpelledNorm& norm, const std::vector<int64_t>& shape) {
  const auto rank = static_cast<int64_t>(shape.size());
  if (rank < 3 || rank > 5 || !norm.center) return false;
  if (norm.reshaped.empty()) {
    std::vector<int64_t> axes, space(static_cast<size_t>(rank - 2));
    for (const int64_t axis : norm.axes) axes.push_back(axis < 0 ? axis + rank : axis);
    std::ranges::sort(axes);
    std::iota(space.begin(), space.end(), 2);
    return axes == space;
  }
  const std::vector<int64_t>& to = norm.reshaped;
  const auto last = static_cast<int64_t>(to.size()) - 1;
  if (std::ssize(to) != rank || to.back() != -1 || norm.axes.size() != 1) return false;
  if (norm.axes[0] != last && norm.axes[0] != -1) return false;
  if (to[0] != 0 && !(to[0] == 1 && shape[0] == 1)) return false;
  if (to[1] != 0 && to[1] != shape[1]) return false;
  return std::all_of(to.begin() + 2, to.end() - 1, [](int64_t size) { return size == 1; });
}

// Over the last axes; which is the first of them, 0: it is not.
int RowAxis(const SpelledNorm& norm, int rank) {
  if (!norm.reshaped.empty()) return 0;
  std::vector<int64_t> axes;
  for (const int64_t axis : norm.axes) axes.push_back(axis < 0 ? axis + rank : axis);
  std::ranges::sort(axes);
  std::vector<int64_t> last(axes.size());
  std::iota(last.begin(), last.end(), rank - std::ssize(axes));
  return axes == last ? rank - static_cast<int>(axes.size()) : 0;
}

}  // namespace

std::string NameOfSpelled(Importer& importer, const SpelledNorm& norm) {
  const ItemPtr x = importer.Find(norm.x);
  if (!x || x->fixed || importer.TypeOf(x).dtype != DType::kF32) return "";
  const std::vector<int64_t> shape = importer.TypeOf(x).shape.shape();
  if (IsInstance(norm, shape)) return "instance normalization";
  if (RowAxis(norm, x->rank) > 0) return norm.center ? "layer normalization" : "RMS normalization";
  return "";
}

namespace {

class SpelledReader {
 public:
  SpelledReader(Importer& importer, const SpelledNorm& norm, const std::string& where)
      : importer_(importer), norm_(norm), x_(importer.Find(norm.x)) {
    settings_.options.epsilon = norm.epsilon;
    settings_.options.name = where;
    const std::vector<int64_t> shape = importer.TypeOf(x_).shape.shape();
    instance_ = IsInstance(norm, shape);
    if (instance_) {
      settings_.spec = &FindNormSpec("instance");
      settings_.format = "B" + std::string(shape.size() - 2, 'S') + "C";
      normalized_ = {shape[1]};
    } else {
      const int axis = RowAxis(norm, x_->rank);
      settings_.spec = &FindNormSpec(norm.center ? "layer/channel-only" : "rms");
      settings_.rows_to = axis;
      normalized_.assign(shape.begin() + axis, shape.end());
    }
  }

  // Scale and offset become the norm's where they are one for each of what it normalizes; else they
  // stay operations behind it.
  ItemPtr Read() {
    const Order order = instance_ ? Order::kChannelsLast : Order::kFile;
    const ItemPtr scale = norm_.scale.empty() ? nullptr : importer_.Find(norm_.scale),
                  offset = norm_.offset.empty() ? nullptr : importer_.Find(norm_.offset);
    const bool scaled = Fits(scale);
    settings_.offset = scaled && Fits(offset) && norm_.center;
    std::vector<Value> inputs{importer_.Get(x_, order),
                              scaled ? Parameter(scale, "scale") : Ones()};
    if (settings_.offset) inputs.push_back(Parameter(offset, "offset"));
    ItemPtr y = importer_.FromValue(
        importer_.graph().AddNode(ops::MakeNormalization(settings_), std::move(inputs))[0], order);
    if (scale && !scaled) y = Behind("multiply", y, scale);
    if (offset && !settings_.offset) y = Behind("add", y, offset);
    return y;
  }

 private:
  int64_t size() const { return Layout::Unlabelled(normalized_).size(); }

  // [C,1,..] or [1,C,1,..] of channels; the normalized axes, with axes of one element before them.
  bool Fits(ItemPtr item) const {
    if (!item || !item->fixed || item->fixed->dtype() != DType::kF32) return false;
    std::vector<int64_t> shape = item->fixed->layout().shape(), wanted = normalized_;
    if (instance_) wanted.resize(static_cast<size_t>(x_->rank) - 1, 1);
    while (shape.size() > wanted.size() && shape[0] == 1) shape.erase(shape.begin());
    return shape == wanted;
  }

  Value Parameter(ItemPtr item, const char* name) {
    Tensor whole(Layout::Unlabelled(std::vector<int64_t>{1}), DType::kI64);
    whole.values<int64_t>()[0] = -1;
    const ItemPtr inputs[] = {item, importer_.Constant(std::move(whole))};
    const ItemPtr flat = importer_.Apply(ops::Reshape(), inputs, Order::kFile)[0];
    return importer_.Parameter(flat, fmt::format("{}.{}", norm_.y, name), true, {});
  }

  Value Ones() {
    Tensor ones(Layout::Unlabelled(std::vector{size()}));
    std::ranges::fill(ones.values<float>(), 1.f);
    return importer_.Get(importer_.Constant(std::move(ones)), Order::kFile);
  }

  ItemPtr Behind(std::string_view name, ItemPtr y, ItemPtr other) {
    const ItemPtr inputs[] = {y, other};
    return importer_.ApplyToElements(ops::MakeBinary(ops::FindBinary(name)), inputs);
  }

  Importer& importer_;
  const SpelledNorm& norm_;
  ItemPtr x_;
  ops::NormalizationSettings settings_;
  bool instance_ = false;
  std::vector<int64_t> normalized_;  // sizes that carry the parameters
};

}  // namespace

void ReadSpelled(Importer& importer, const SpelledNorm& norm, const std::string& where) {
  importer.Name(norm.y, SpelledReader(importer, norm, where).Read(), where);
}

}  // namespace normkit
