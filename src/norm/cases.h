// The one table of cases that tests and benchmarks of the operation walk: spec x layout x dtype,
// and what a row may have beside: axes of its parameters, an activation, y in 8 bits, arrays that
// lie in their own ways.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <string>
#include <vector>

#include "normkit/norm/normalization.h"
#include "src/norm/activation_cases.h"
#include "src/norm/choose.h"
#include "src/norm/lies.h"
#include "src/norm/names.h"
#include "src/norm/plan.h"

namespace normkit::cases {

inline constexpr DType kDTypes[] = {DType::kF32, DType::kF64, DType::kBF16, DType::kF16};

// Every format of the toolbox that a normalization takes, in the orders in which its memory is
// found: channels first, channels last and time where frameworks put it.
inline constexpr const char* kFormats[] = {"BC",   "BCT",  "BTC",  "TBC",   "CT",    "TC",
                                           "BCS",  "BSC",  "BCSS", "BSSC",  "BCSSS", "BSSSC",
                                           "TBCS", "BTSC", "BCTS", "BTCSS", "BTSSC"};

// Beside the axes of the spec.
inline constexpr Dims kParameterAxes[] = {kC | kS, kB | kC, kB | kT | kC,     kS,
                                          kT | kS, kB,      kB | kT | kS | kC};

inline constexpr OutputType kOutputTypes[] = {
    OutputType::kInt8, OutputType::kUint8, OutputType::kFloat8E4M3, OutputType::kInt8PerStatistic};

struct Case {
  NormSpec spec;
  Layout layout;
  DType dtype = DType::kF32;
  Dims parameter_axes = 0;
  Activation activation = Activation::kNone;
  OutputType output = OutputType::kSame;
  const Lie* lie = nullptr;  // null: arrays are dense

  // But for strides, which are each array's own.
  NormOptions Options() const {
    NormOptions options = WithActivation(activation);
    options.parameter_axes = parameter_axes;
    options.output = output;
    if (output != OutputType::kSame && output != OutputType::kInt8PerStatistic)
      options.output_scale = 0.0171875;
    if (output == OutputType::kInt8) options.output_zero_point = -3;
    if (output == OutputType::kUint8) options.output_zero_point = 121;
    return options;
  }
  // What the operation makes of the spec and the axes.
  NormSpec Spec() const {
    NormSpec result = spec;
    if (parameter_axes) result.affine = WithGroups(parameter_axes);
    return result;
  }
  bool DenseAndWhole() const { return !lie && output == OutputType::kSame; }
  static Dims WithGroups(Dims axes) { return static_cast<Dims>(axes | (axes & kC ? kG : 0)); }

  std::string ToString() const {
    std::string text = fmt::format("{} {} {}", spec.name, Name(dtype), layout.ToString());
    if (parameter_axes) text += fmt::format(", parameters over {}", int{parameter_axes});
    if (activation != Activation::kNone) text += fmt::format(", {}", NameOf(activation));
    if (output != OutputType::kSame) text += fmt::format(", as {}", NameOf(output));
    return lie ? fmt::format("{}, {}", text, lie->name) : text;
  }
};

// Sizes by letter, each dimension of S a little different from the one before.
struct Sizes {
  int64_t b = 3, t = 5, s = 7, c = 6, groups = 2;
};

inline Layout MakeLayout(std::string_view format, const Sizes& sizes) {
  std::vector<int64_t> shape;
  int64_t s = sizes.s;
  for (char letter : format) {
    const int64_t size = letter == 'B'   ? sizes.b
                         : letter == 'T' ? sizes.t
                         : letter == 'C' ? sizes.c
                                         : s;
    if (letter == 'S') s = std::max<int64_t>(1, s - 2);
    shape.push_back(size);
  }
  return Layout::Make(format, shape);
}

// Channels in blocks, as convolution libraries keep them: [B, C/8, S, 8], here G x C.
inline Layout MakeBlockedLayout(const Sizes& sizes) {
  return Layout({{kB, sizes.b}, {kG, sizes.groups}, {kS, sizes.s}, {kC, sizes.c / sizes.groups}});
}

// With the channels in groups where the spec has such.
inline Layout InGroups(const NormSpec& spec, const Layout& layout, int64_t groups) {
  return IsGrouped(spec) ? layout.SplitChannels(groups) : layout;
}

inline std::vector<Case> AllCases(DType dtype, const Sizes& sizes = {}) {
  std::vector<Case> result;
  for (const NormSpec& spec : NormSpecs()) {
    for (const char* format : kFormats) {
      result.push_back({spec, InGroups(spec, MakeLayout(format, sizes), sizes.groups), dtype});
    }
    result.push_back({spec, MakeBlockedLayout(sizes), dtype});
  }
  return result;
}

// Shapes with few, large statistics: their sums are cut in parts.
inline std::vector<Case> LargeStatisticCases(DType dtype) {
  std::vector<Case> result;
  const auto add = [&](const NormSpec& spec, std::string_view format, std::vector<int64_t> shape) {
    result.push_back({spec, Layout::Make(format, shape), dtype});
  };
  add(kLayerNorm, "TC", {1200, 301});
  add(kRmsNorm, "BC", {2, 300'001});
  add(kRmsNorm, "BCS", {1, 9001, 33});
  add(kLayerNormChannelOnly, "BCS", {2, 70'000, 5});
  return result;
}

// Specs that no row of the table is, for layouts that only they have.
inline std::vector<Case> CustomCases(DType dtype, const Sizes& sizes = {}) {
  const NormSpec over_time{"over time", kT, kT | kC};
  const NormSpec within_group{"within group", kC, kG | kC};
  // Mean-only batch normalization (Salimans & Kingma 2016).
  const NormSpec mean_only{"mean-only batch", kB | kT | kS,      kG | kC, true,
                           kG | kC,           NormDivisor::kNone};
  const Layout groups({{kB, sizes.b}, {kG, sizes.groups}, {kC, sizes.c}, {kS, sizes.s}});
  return {{over_time, MakeLayout("BTC", sizes), dtype},
          {over_time, MakeLayout("TBC", sizes), dtype},
          {mean_only, MakeLayout("BCSS", sizes), dtype},
          {mean_only, MakeLayout("BSSC", sizes), dtype},
          {within_group, groups, dtype}};
}

// The row with each type of y in 8 bits that it can have.
inline std::vector<Case> EachOutput(const Case& row) {
  std::vector<Case> result;
  for (const OutputType output : kOutputTypes) {
    const Plan plan = MakePlan(row.layout, static_cast<Dims>(~row.spec.reduce), 0);
    if (output == OutputType::kInt8PerStatistic && !plan.StatisticsAreRuns()) continue;
    result.emplace_back(row).output = output;
  }
  return result;
}

// Those of kParameterAxes that the layout has, each once.
inline std::vector<Dims> ParameterAxesOf(const Layout& layout) {
  std::vector<Dims> result;
  for (Dims axes : kParameterAxes) {
    for (const Dim label : {kB, kT, kS, kC})
      if (!layout.Has(label)) axes = static_cast<Dims>(axes & ~label);
    if (axes && std::ranges::find(result, axes) == result.end()) result.push_back(axes);
  }
  return result;
}

// Each spec and layout as it is, with all axes of parameters, all ways to lie, all types of y; the
// others' fields go round.
inline std::vector<Case> Table(DType dtype, const Sizes& sizes = {}) {
  std::vector<Case> plain = AllCases(dtype, sizes), result;
  for (Case& row : CustomCases(dtype, sizes)) plain.push_back(std::move(row));
  size_t turn = 0;
  for (const Case& row : plain) {
    const std::vector<Dims> axes = ParameterAxesOf(row.layout);
    const auto add = [&](Case with) {
      with.activation = kActivations[turn++ % std::size(kActivations)];
      result.push_back(std::move(with));
    };
    const auto some_axes = [&] { return turn % 2 ? axes[turn / 2 % axes.size()] : Dims{0}; };
    result.push_back(row);
    for (const Dims of : axes) add({row.spec, row.layout, dtype, of});
    for (const Lie& lie : kLies)
      add({.spec = row.spec,
           .layout = row.layout,
           .dtype = dtype,
           .parameter_axes = some_axes(),
           .lie = &lie});
    for (Case& narrow : EachOutput(row)) {
      narrow.parameter_axes = some_axes();
      if (turn % 3 == 0) narrow.lie = &kLies[turn / 3 % std::size(kLies)];
      add(narrow);
    }
  }
  return result;
}

// What norm_bench measures, beside shapes of the table of the program's: of the dtype, groups
// of 32.
inline std::vector<Case> BenchCases(DType dtype) {
  std::vector<Case> result;
  const auto add = [&](const NormSpec& spec, std::string_view format, std::vector<int64_t> shape) {
    return &result.emplace_back(Case{spec, InGroups(spec, Layout::Make(format, shape), 32), dtype});
  };
  const Lie* const slices = &kLies[std::size(kLies) - 1];
  add(kLayerNorm, "BC", {8192, 768});
  add(kLayerNorm, "BC", {4096, 4096});
  add(kLayerNorm, "BC", {4096, 4096})->lie = slices;
  add(kLayerNorm, "BC", {4096, 4096})->activation = Activation::kGelu;
  for (Case& narrow :
       EachOutput({kLayerNorm, Layout::Make("BC", std::vector<int64_t>{4096, 4096}), dtype}))
    result.push_back(std::move(narrow));
  add(kLayerNorm, "BTC", {8, 512, 1024})->parameter_axes = kB | kC;
  add(kRmsNorm, "BC", {131072, 128});
  add(kRmsNorm, "BC", {131072, 128})->lie = slices;
  add(kLayerNorm, "BC", {512, 50257});
  add(kLayerNorm, "BC", {64, 512});
  add(kRmsNorm, "BC", {4096, 4096});
  add(kBatchNorm, "BCSS", {32, 64, 56, 56});
  add(kBatchNorm, "BCSS", {8, 64, 224, 224});
  add(kBatchNorm, "BCSS", {32, 256, 14, 14});
  add(kBatchNorm, "BSSC", {32, 56, 56, 64});
  add(kBatchNorm, "BSSC", {8, 224, 224, 64});
  add(kBatchNorm, "BSSC", {32, 14, 14, 256});
  add(kInstanceNorm, "BCSS", {8, 64, 224, 224});
  add(kInstanceNorm, "BCSS", {1, 32, 720, 1280});
  add(kInstanceNorm, "BCSS", {8, 64, 224, 224})->parameter_axes = kB | kC;
  add(kGroupNorm, "BCSS", {8, 256, 56, 56});
  add(kGroupNorm, "BSSC", {8, 56, 56, 256});
  add(kGroupNorm, "BCSS", {8, 256, 56, 56})->activation = Activation::kSilu;
  return result;
}

}  // namespace normkit::cases
