#include "normkit/nn/conventions.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "src/core/fail.h"
#include "src/core/names.h"

namespace normkit {

template <>
struct EnumNames<Framework> {
  static constexpr std::string_view kWhat = "framework";
  static constexpr std::string_view kNames[] = {"normkit", "toolbox", "pytorch", "keras", "onnx"};
};

template <>
struct EnumNames<WeightKind> {
  static constexpr std::string_view kWhat = "kind of weights";
  static constexpr std::string_view kNames[] = {"convolution", "connection", "lstm", "gru"};
};

namespace {

using Sizes = std::vector<int64_t>;

// The axes of an array, each made of finer ones, the outermost first. These are the same for all
// frameworks: outputs 0, inputs 1, then those of space. Flattened inputs are channels 1, rows 2 and
// columns 3; outputs of gates are which gate, 0, and which of its units, 2.
using Axes = std::vector<std::vector<int>>;

std::vector<int> FlattenedAxes(Framework framework) {
  if (framework == Framework::kToolbox) return {1, 3, 2};
  return framework == Framework::kKeras ? std::vector{2, 3, 1} : std::vector{1, 2, 3};
}

bool IsGates(WeightKind kind) { return kind == WeightKind::kLstm || kind == WeightKind::kGru; }

Axes AxesOf(WeightKind kind, Framework framework, size_t rank, bool flattened) {
  std::vector<int> outputs{0}, inputs{1};
  if (IsGates(kind)) outputs = {0, 2};
  if (flattened) inputs = FlattenedAxes(framework);
  if (IsGates(kind) && rank == 1) return {outputs};
  Axes axes;
  for (int k = 2; kind == WeightKind::kConvolution && k < static_cast<int>(rank); ++k)
    axes.push_back({k});
  const bool last = framework == Framework::kKeras ||
                    (framework == Framework::kToolbox && kind == WeightKind::kConvolution);
  axes.insert(last ? axes.end() : axes.begin(), {outputs, inputs});
  if (last) std::swap(axes.back(), axes[axes.size() - 2]);
  return axes;
}

// Which gate stands at each place; numbered as in normkit.
std::vector<int64_t> GateOrder(WeightKind kind, Framework framework) {
  if (kind == WeightKind::kLstm)
    return framework == Framework::kOnnx ? Sizes{0, 3, 1, 2} : Sizes{0, 1, 2, 3};
  const bool update_first = framework == Framework::kOnnx || framework == Framework::kKeras;
  return update_first ? Sizes{1, 0, 2} : Sizes{0, 1, 2};
}

// One array in two orders.
class Conversion {
 public:
  Conversion(WeightKind kind, const WeightArray& weights, Framework from, Framework to,
             const Sizes& flattened)
      : kind_(kind), weights_(weights), from_(from), to_(to), flattened_(flattened) {
    CheckShape();
    before_ = AxesOf(kind, from, weights.shape.size(), !flattened.empty());
    after_ = AxesOf(kind, to, weights.shape.size(), !flattened.empty());
    MeasureAxes();
  }

  WeightArray Run() const {
    WeightArray result{std::vector<float>(weights_.values.size()), {}};
    std::vector<int> order;
    for (const std::vector<int>& axis : after_) {
      int64_t size = 1;
      for (const int fine : axis) {
        order.push_back(fine);
        size *= sizes_[static_cast<size_t>(fine)];
      }
      result.shape.push_back(size);
    }
    Sizes place(order.size());
    for (float& value : result.values) {
      int64_t at = 0;
      for (size_t i = 0; i < order.size(); ++i)
        at += GivenPlace(order[i], place[i]) * strides_[static_cast<size_t>(order[i])];
      value = weights_.values[static_cast<size_t>(at)];
      for (size_t i = order.size(); i-- > 0;) {
        if (++place[i] < sizes_[static_cast<size_t>(order[i])]) break;
        place[i] = 0;
      }
    }
    return result;
  }

 private:
  [[noreturn]] void Refuse(const char* expected) const {
    Fail("converting weights of '{}' from {}: shape is [{}] with {} values{}, expected {}",
         Name(kind_), Name(from_), fmt::join(weights_.shape, ","), weights_.values.size(),
         flattened_.empty() ? std::string()
                            : fmt::format(" behind a flattened [{}]", fmt::join(flattened_, ",")),
         expected);
  }

  void CheckShape() const {
    constexpr int64_t kMost = int64_t{1} << 40;  // so that products stay numbers
    int64_t count = 1;
    for (const int64_t size : weights_.shape) {
      if (size < 1 || size > kMost / count) Refuse("sizes of 1 or more");
      count *= size;
    }
    const size_t rank = weights_.shape.size();
    if (kind_ == WeightKind::kConvolution && rank < 3) Refuse("3 axes or more");
    if (kind_ == WeightKind::kConnection && rank != 2) Refuse("2 axes");
    if (IsGates(kind_) && rank != 1 && rank != 2) Refuse("1 or 2 axes");
    if (count != std::ssize(weights_.values)) Refuse("as many values as the shape has");
  }

  // Sizes and strides of the fine axes in the array that is given.
  void MeasureAxes() {
    constexpr size_t kFine = 4;
    sizes_.assign(std::max(kFine, weights_.shape.size()), 1);
    strides_ = sizes_;
    if (IsGates(kind_)) sizes_[0] = std::ssize(GateOrder(kind_, from_));
    if (!flattened_.empty()) {
      if (kind_ != WeightKind::kConnection || flattened_.size() != 3)
        Refuse("a connection, and height, width and channels");
      sizes_[1] = flattened_[2];
      sizes_[2] = flattened_[0];
      sizes_[3] = flattened_[1];
    }
    int64_t stride = 1;
    for (size_t i = before_.size(); i-- > 0;) {
      const std::vector<int>& axis = before_[i];
      int64_t left = weights_.shape[i];
      for (size_t j = axis.size(); j-- > 0;) {
        int64_t& size = sizes_[static_cast<size_t>(axis[j])];
        const bool known = axis.size() > 1 && (!flattened_.empty() || axis[j] == 0);
        if (!known) size = axis.size() == 1 ? left : left / sizes_[0];
        if (size < 1 || left % size != 0) left = 0;
        strides_[static_cast<size_t>(axis[j])] = stride;
        if (left == 0) break;
        left /= size;
        stride *= size;
      }
      if (left != 1)
        Refuse(IsGates(kind_) ? "as many units for each gate"
                              : "as many inputs as height, width and channels make");
    }
  }

  int64_t GivenPlace(int axis, int64_t place) const {
    if (axis != 0 || !IsGates(kind_)) return place;
    const auto before = GateOrder(kind_, from_), after = GateOrder(kind_, to_);
    return std::ranges::find(before, after[static_cast<size_t>(place)]) - before.begin();
  }

  WeightKind kind_;
  const WeightArray& weights_;
  Framework from_, to_;
  const Sizes& flattened_;
  Axes before_, after_;
  Sizes sizes_, strides_;  // by fine axis
};

}  // namespace

std::string_view Name(Framework framework) { return NameOf(framework); }
Framework ParseFramework(std::string_view name) { return ParseNamed<Framework>(name); }
std::string_view Name(WeightKind kind) { return NameOf(kind); }
WeightKind ParseWeightKind(std::string_view name) { return ParseNamed<WeightKind>(name); }

BatchNormConvention ConventionOf(Framework framework) {
  switch (framework) {
    case Framework::kPyTorch:
      return {.divisor = RunningDivisor::kCountMinusOne};
    case Framework::kKeras:
      return {.epsilon = 1e-3, .momentum = 0.99, .weighs_new = false};
    case Framework::kOnnx:
      return {.momentum = 0.9, .weighs_new = false};
    default:
      return {};
  }
}

double ConvertMomentum(double momentum, Framework from, Framework to) {
  if (!(momentum >= 0 && momentum <= 1))
    Fail("converting momentum: {} given, expected a number from 0 to 1", momentum);
  return ConventionOf(from).weighs_new == ConventionOf(to).weighs_new ? momentum : 1 - momentum;
}

void ConvertVariance(std::span<float> variance, int64_t count, Framework from, Framework to) {
  if (count < 2)
    Fail("converting running variances: count is {}, expected 2 or more values behind each", count);
  const auto divisor = [&](Framework framework) {
    const bool less = ConventionOf(framework).divisor == RunningDivisor::kCountMinusOne;
    return static_cast<double>(less ? count - 1 : count);
  };
  const double factor = divisor(from) / divisor(to);
  for (float& value : variance) value = static_cast<float>(value * factor);
}

void ConvertEpsilon(std::span<float> scale, std::span<const float> variance, double from,
                    double to) {
  if (scale.size() != variance.size())
    Fail("converting epsilon: {} scales and {} variances, expected as many", scale.size(),
         variance.size());
  if (!(from > 0 && to > 0)) Fail("converting epsilon: {} to {}, expected more than 0", from, to);
  for (size_t c = 0; c < scale.size(); ++c)
    scale[c] = static_cast<float>(scale[c] * std::sqrt((variance[c] + to) / (variance[c] + from)));
}

WeightArray ConvertWeights(WeightKind kind, const WeightArray& weights, Framework from,
                           Framework to, const std::vector<int64_t>& flattened) {
  return Conversion(kind, weights, from, to, flattened).Run();
}

}  // namespace normkit
