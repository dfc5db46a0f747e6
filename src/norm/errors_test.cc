// Every message of the operation.
#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "normkit/norm/normalization.h"
#include "src/core/log_capture.h"
#include "src/core/testing.h"
#include "src/norm/choose.h"

namespace normkit {
namespace {

const Layout kImage = Layout::Make("BCSS", std::vector<int64_t>{2, 3, 4, 4});

TEST(Errors, Epsilon) {
  for (double epsilon : {0.0, -1.0, std::numeric_limits<double>::infinity()})
    EXPECT_EQ(
        ErrorOf([&] { Normalization(kBatchNorm, kImage, DType::kF32, {.epsilon = epsilon}); }),
        "batch normalization: epsilon is " +
            std::string(epsilon == 0  ? "0"
                        : epsilon < 0 ? "-1"
                                      : "inf") +
            ", expected a finite number above 0");
}

// Its root is what a variance of 0 divides by, and rstd^2 is a factor of dx.
TEST(Errors, EpsilonBelowTheRange) {
  for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF16})
    EXPECT_EQ(ErrorOf([&] { Normalization(kBatchNorm, kImage, dtype, {.epsilon = 1e-38}); }),
              "batch normalization of " + std::string(Name(dtype)) +
                  ": epsilon is 1e-38, expected at least 1.1754943508222875e-38");
  EXPECT_EQ(ErrorOf([] { Normalization(kRmsNorm, kImage, DType::kF64, {.epsilon = 1e-310}); }),
            "rms normalization of f64: epsilon is 1e-310, expected at least "
            "2.2250738585072014e-308");
  Normalization(kBatchNorm, kImage, DType::kF32, {.epsilon = 0x1p-126});
  Normalization(kBatchNorm, kImage, DType::kF64, {.epsilon = 1e-310 * 1e10});
}

TEST(Errors, NoChannel) {
  EXPECT_EQ(ErrorOf([] {
              Normalization(kLayerNorm, Layout::Make("BS", std::vector<int64_t>{2, 3}));
            }),
            "layer normalization: layout BS [2,3] has no channel axis (C)");
}

// `count` axes, every other one reduced by batch normalization.
Layout Alternating(size_t count, int64_t size = 2) {
  std::vector<Axis> axes(count, {kS, size});
  for (size_t i = 0; i < count; i += 2) axes[i].label = kC;
  return Layout(axes);
}

TEST(Errors, MoreLoopsThanANestHolds) {
  EXPECT_EQ(Normalization(kBatchNorm, Alternating(16)).num_statistics(), 1 << 8);
  // Beyond, the reference computes it, and a line says so (backend_test.cc). Empty axes are loops
  // too, and no number of elements bounds how many there are.
  const LogCapture log;
  for (const Layout& layout : {Alternating(17), Alternating(1000, 0)}) {
    const Normalization norm(kBatchNorm, layout);
    EXPECT_NE(norm.Describe().find("kernel reference"), std::string::npos);
  }
  EXPECT_EQ(log.lines().size(), 2u);
  // However many axes a file has: neighbours are one loop.
  const std::vector<int64_t> twos(20, 2);
  EXPECT_EQ(Normalization(kBatchNorm, Layout::Make("BSSSSSSSSSSSSSSSSSSC", twos)).reduced_count(),
            1 << 19);
}

TEST(Errors, NullArrays) {
  const Normalization norm(kBatchNorm, kImage);
  std::vector<float> x(96);
  EXPECT_EQ(
      ErrorOf([&] { norm.ForwardTraining(nullptr, nullptr, nullptr, x.data(), {}); }),
      "batch normalization of BCSS [2,3,4,4]: x is null, expected an array of 96 f32 elements");
  EXPECT_EQ(
      ErrorOf([&] { norm.ForwardTraining(x.data(), nullptr, nullptr, nullptr, {}); }),
      "batch normalization of BCSS [2,3,4,4]: y is null, expected an array of 96 f32 elements");
  EXPECT_EQ(
      ErrorOf(
          [&] { norm.ForwardInference(x.data(), nullptr, nullptr, nullptr, x.data(), x.data()); }),
      "batch normalization of BCSS [2,3,4,4]: mean is null, expected an array of 3 f32 elements");
  EXPECT_EQ(ErrorOf([&] { norm.Backward({.x = x.data(), .dy = x.data()}); }),
            "batch normalization of BCSS [2,3,4,4]: saved mean is null, expected an array of 3 f64 "
            "elements");
}

TEST(Errors, Overlap) {
  const Normalization norm(kBatchNorm, kImage);
  std::vector<float> x(97);
  EXPECT_EQ(
      ErrorOf([&] { norm.ForwardTraining(x.data(), nullptr, nullptr, x.data() + 1, {}); }),
      "batch normalization of BCSS [2,3,4,4]: x and y overlap, expected the same array or apart");
  std::vector<double> saved(3, 1.0);
  std::vector<float> dy(97);
  EXPECT_EQ(ErrorOf([&] {
              norm.Backward({.x = x.data(),
                             .dy = dy.data(),
                             .mean = saved.data(),
                             .rstd = saved.data(),
                             .dx = dy.data() + 1});
            }),
            "batch normalization of BCSS [2,3,4,4]: dy and dx overlap, expected the same array or "
            "apart");
}

TEST(Errors, GivenVariance) {
  const Normalization norm(kBatchNorm, kImage);
  std::vector<float> x(96), mean(3);
  for (float bad :
       {-0.5f, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    const std::vector<float> variance = {1, bad, 1};
    const std::string message = ErrorOf([&] {
      norm.ForwardInference(x.data(), nullptr, nullptr, mean.data(), variance.data(), x.data());
    });
    EXPECT_EQ(message.substr(0, 58), "batch normalization of BCSS [2,3,4,4]: variance 1 of 3 is ");
    EXPECT_NE(message.find(", expected finite and >= 0"), std::string::npos);
  }
}

TEST(Errors, SizesOfTensors) {
  const Tensor x(kImage), wrong(Layout({{kC, 4}})), right(Layout({{kC, 3}}));
  EXPECT_EQ(ErrorOf([&] { ForwardTraining(kBatchNorm, x, &wrong, nullptr); }),
            "batch normalization: gamma has 4 f32 values, expected 3 f32 (channels of x, BCSS "
            "[2,3,4,4])");
  EXPECT_EQ(ErrorOf([&] { ForwardTraining(kBatchNorm, x, nullptr, &wrong); }),
            "batch normalization: beta has 4 f32 values, expected 3 f32 (channels of x, BCSS "
            "[2,3,4,4])");
  EXPECT_EQ(ErrorOf([&] { ForwardInference(kBatchNorm, x, nullptr, nullptr, &right, &wrong); }),
            "batch normalization: variance has 4 f32 values, expected 3 f32 (statistics of x, BCSS "
            "[2,3,4,4])");
  EXPECT_EQ(ErrorOf([&] { Backward(kBatchNorm, x, nullptr, nullptr, wrong, {}); }),
            "batch normalization: dy is f32 C [4], expected that of x, f32 BCSS [2,3,4,4]");
  EXPECT_EQ(ErrorOf([&] { Backward(kBatchNorm, x, nullptr, nullptr, x, {}); }),
            "batch normalization: saved mean has 0 values, expected 3 (statistics of x, BCSS "
            "[2,3,4,4])");
}

TEST(Errors, Names) {
  EXPECT_EQ(
      ErrorOf([] { FindNormSpec("batc"); }),
      "normalization 'batc' is unknown, did you mean 'batch'?; expected one of batch, layer, "
      "layer/channel-only, layer/spatial-channel, instance, group, rms, group-rms, l2, scale, "
      "mean-only");
  EXPECT_EQ(ErrorOf([] { ParseOperationDimension("channel"); }),
            "operation dimension 'channel' is unknown, expected batch-excluded, auto, "
            "channel-only, spatial-channel, did you mean 'channel-only'?");
}

TEST(Errors, Groups) {
  const auto error = [](const NormSpec& spec, const Layout& layout, int64_t groups) {
    return ErrorOf([&] { Normalization(spec, layout, DType::kF32, {.num_groups = groups}); });
  };
  const Layout wide = Layout::Make("BCSS", std::vector<int64_t>{2, 6, 4, 4});
  EXPECT_EQ(error(kGroupNorm, wide, 0),
            "group normalization of BCSS [2,6,4,4]: the channels are not split into groups, "
            "expected options.num_groups (1 or more, kAllChannels or kChannelWise) or a layout "
            "from Layout::SplitChannels");
  EXPECT_EQ(error(kGroupNorm, wide, -3),
            "group normalization of BCSS [2,6,4,4]: num_groups is -3, expected 1 or more, "
            "kAllChannels (-1) or kChannelWise (-2)");
  EXPECT_EQ(error(kGroupNorm, wide, 4),
            "group normalization: 4 groups do not divide 6 channels of BCSS [2,6,4,4]");
  EXPECT_EQ(error(kGroupNorm, wide.SplitChannels(2), 3),
            "group normalization of BCSS [2,6,4,4]: num_groups is 3, expected 0 or 2, the groups "
            "that the layout is split into");
  for (const NormSpec& spec : NormSpecs())
    if (!IsGrouped(spec)) {
      EXPECT_EQ(error(spec, wide, 2), std::string(spec.name) +
                                          " normalization of BCSS [2,6,4,4]: num_groups is 2, "
                                          "expected 0: only group normalization has groups");
    }
}

TEST(Spec, GroupsAreAnOption) {
  const Layout x = Layout::Make("BSSC", std::vector<int64_t>{2, 4, 4, 6});
  for (const auto& [option, groups] :
       {std::pair{int64_t{3}, 3}, {kAllChannels, 1}, {kChannelWise, 6}}) {
    const Normalization norm(kGroupNorm, x, DType::kF32, {.num_groups = option});
    EXPECT_EQ(norm.layout(), x.SplitChannels(groups));
    EXPECT_EQ(norm.num_statistics(), 2 * groups);
    EXPECT_EQ(norm.num_parameters(), 6);
  }
  EXPECT_EQ(Normalization(kGroupNorm, x.SplitChannels(2), DType::kF32, {.num_groups = 2})
                .num_statistics(),
            4);
  const Layout none = Layout::Make("BC", std::vector<int64_t>{2, 0});
  EXPECT_EQ(
      Normalization(kGroupNorm, none, DType::kF32, {.num_groups = kChannelWise}).num_parameters(),
      0);
}

// What the statistics of each layer are taken over, for every format of the toolbox in every order
// in which its memory is found: the table of the documentation.
TEST(Spec, EveryFormatReducesWhatTheTableSays) {
  struct Row {
    std::vector<const char*> formats;
    const char *batch, *instance, *excluded, *automatic, *channel_only, *spatial_channel, *group;
  };
  const Row rows[] = {
      {{"BC", "CB"}, "B", "", "C", "C", "C", "C", "C"},
      {{"BCT", "BTC", "TBC", "CTB"}, "BT", "T", "CT", "C", "C", "C", "CT"},
      {{"CT", "TC"}, "T", "T", "CT", "C", "C", "C", "CT"},
      {{"BCS", "BSC", "SCB"}, "BS", "S", "CS", "C", "C", "CS", "CS"},
      {{"BCSS", "BSSC", "BCSSS", "BSSSC", "SSCB"}, "BS", "S", "CS", "CS", "C", "CS", "CS"},
      {{"TBCS", "BTCS", "BTSC", "BCTS", "SCBT"}, "BST", "ST", "CST", "C", "C", "CS", "CST"},
      {{"TBCSS", "BTCSS", "BTSSC", "BTCSSS", "BTSSSC", "BSTSC"},
       "BST",
       "ST",
       "CST",
       "C",
       "C",
       "CS",
       "CST"},
  };
  // The letters that are reduced of those that the format has.
  const auto reduced = [](const NormSpec& spec, const Layout& layout) {
    std::string letters;
    for (const auto& [label, letter] : {std::pair{kB, 'B'}, {kC, 'C'}, {kS, 'S'}, {kT, 'T'}})
      if ((spec.reduce & label) && layout.Has(label)) letters += letter;
    return letters;
  };
  for (const Row& row : rows)
    for (const char* format : row.formats) {
      SCOPED_TRACE(format);
      const Layout layout =
          Layout::Make(format, std::vector<int64_t>(std::string_view(format).size(), 2));
      const auto layer = [&](OperationDimension dimension) {
        return reduced(LayerNormSpec(dimension, layout), layout);
      };
      EXPECT_EQ(reduced(kBatchNorm, layout), row.batch);
      EXPECT_EQ(reduced(kInstanceNorm, layout), row.instance);
      EXPECT_EQ(layer(OperationDimension::kBatchExcluded), row.excluded);
      EXPECT_EQ(layer(OperationDimension::kAuto), row.automatic);
      EXPECT_EQ(layer(OperationDimension::kChannelOnly), row.channel_only);
      EXPECT_EQ(layer(OperationDimension::kSpatialChannel), row.spatial_channel);
      EXPECT_EQ(reduced(kGroupNorm, layout), row.group);
      EXPECT_EQ(reduced(kRmsNorm, layout), "C");
    }
}

TEST(Spec, OperationDimensions) {
  for (auto dimension : {OperationDimension::kBatchExcluded, OperationDimension::kAuto,
                         OperationDimension::kChannelOnly, OperationDimension::kSpatialChannel})
    EXPECT_EQ(ParseOperationDimension(Name(dimension)), dimension);
}

TEST(Spec, FindsEveryRow) {
  for (const NormSpec& spec : NormSpecs()) EXPECT_EQ(FindNormSpec(spec.name).reduce, spec.reduce);
}

}  // namespace
}  // namespace normkit
