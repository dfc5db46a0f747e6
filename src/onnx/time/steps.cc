#include "src/onnx/time/steps.h"

#include <vector>

#include "src/nn/layers/normalization.h"
#include "src/onnx/time/values.h"

namespace normkit {

bool HasPictures(const Layout& x) { return x.packed() && x.Has(kS); }

Layout AsPictures(const Layout& x) {
  std::vector<Axis> axes = x.axes();
  axes[0] = {kB, 1};
  return Layout(std::move(axes));
}

namespace {

// C and the sizes of space, for [-1,C,H,W].
std::vector<int64_t> PictureShape(const Layout& x) {
  std::vector<int64_t> shape{-1, x.channels()};
  for (const Axis& axis : x.axes())
    if (axis.label == kS) shape.push_back(axis.size);
  return shape;
}

}  // namespace

std::string WriteAsPictures(GraphWriter& writer, TimeValues& time, const std::string& x,
                            const Layout& layout) {
  return writer.AddNode("Reshape", x + "/pictures", {x, time.Whole(PictureShape(layout))});
}

std::string WriteAsSteps(GraphWriter& writer, TimeValues& time, const std::string& x,
                         const Layout& layout) {
  return writer.AddNode("Reshape", x + "/steps", {x, time.steps_of({layout.channels()})});
}

namespace {

// As [N,T,groups,channels of a group,space]: statistics over some of these axes, of the steps that
// there are where time is one of them.
class PictureNormalization {
 public:
  PictureNormalization(LayerWriter& writer, const NormalizationLayer& layer)
      : writer_(writer), layer_(layer), x_(writer.layouts()[0]) {
    const NormSpec spec = layer.SpecFor(x_);
    over_time_ = spec.reduce & kT;
    centers_ = spec.center;
    groups_ = layer.kind() == NormKind::kInstance ? x_.channels() : layer.GroupsFor(x_);
    if (over_time_) axes_.push_back(1);
    if (spec.reduce & kC) axes_.push_back(3), each_ *= x_.channels() / groups_;
    if (spec.reduce & kS) axes_.push_back(4), each_ *= x_.SizeOf(kS);
  }

  std::string Write() {
    std::string kept = Kept("steps", Node("Reshape", "groups", {writer_.inputs()[0], Whole()}));
    if (centers_) kept = Kept("deviations", Node("Sub", "centered", {kept, Mean("mean", kept)}));
    const std::string variance = Mean("variance", Node("Mul", "squares", {kept, kept}));
    const std::string epsilon =
        writer_.Number("epsilon", static_cast<float>(layer_.options().epsilon));
    const std::string deviation =
        Node("Sqrt", "deviation", {Node("Add", "variance_epsilon", {variance, epsilon})});
    const std::string y = Affine(Node("Div", "quotient", {kept, deviation}));
    return Node("Reshape", "", {y, writer_.time().Whole(PictureShape(x_))});
  }

 private:
  std::string Node(std::string_view op, std::string_view part, std::vector<std::string> inputs) {
    return writer_.Node(op, part, std::move(inputs));
  }
  std::string Whole() {
    return writer_.time().steps_of({groups_, x_.channels() / groups_, x_.SizeOf(kS)});
  }
  // Zeros where there are no steps.
  std::string Kept(const std::string& part, const std::string& x) {
    if (!over_time_) return x;
    TimeValues& time = writer_.time();
    if (mask_.empty()) mask_ = Node("Unsqueeze", "mask", {time.mask(), time.Whole({3, 4})});
    return Node("Where", part, {mask_, x, time.zero()});
  }
  std::string Mean(const std::string& part, const std::string& x) {
    const std::string sum = Node("ReduceSum", part + "_sum", {x, writer_.time().Whole(axes_)});
    return Node("Div", part, {sum, Count()});
  }
  const std::string& Count() {
    if (!count_.empty()) return count_;
    TimeValues& time = writer_.time();
    count_ = writer_.Number("values", static_cast<float>(each_));
    if (!over_time_) return count_;
    const std::string lengths =
        Node("Unsqueeze", "lengths", {time.lengths_f32(), time.Whole({2, 3, 4})});
    return count_ = Node("Mul", "count", {lengths, count_});
  }
  std::string Affine(std::string y) {
    if (!layer_.options().affine) return y;
    const std::vector<int64_t> shape{groups_, x_.channels() / groups_, 1};
    y = Node("Mul", "scaled", {y, writer_.ParameterConstant("scale", shape)});
    if (!layer_.has_offset()) return y;
    return Node("Add", "moved", {y, writer_.ParameterConstant("offset", shape)});
  }

  LayerWriter& writer_;
  const NormalizationLayer& layer_;
  const Layout x_;
  bool over_time_ = false, centers_ = true;
  int64_t groups_ = 1, each_ = 1;
  std::vector<int64_t> axes_;
  std::string mask_, count_;
};

}  // namespace

bool WritePictureNormalization(LayerWriter& writer) {
  const auto* layer = writer.As<NormalizationLayer>();
  if (!layer || layer->kind() == NormKind::kBatch) return false;
  writer.set_output(PictureNormalization(writer, *layer).Write());
  return true;
}

}  // namespace normkit
