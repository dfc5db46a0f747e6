// normkit normalize: one layer applied to an array in a file.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "normkit/core/threads.h"
#include "normkit/data/image.h"
#include "normkit/data/npy.h"
#include "normkit/norm/normalization.h"
#include "src/core/fail.h"
#include "src/core/files.h"
#include "src/core/memory_needs.h"
#include "src/data/npy_format.h"
#include "src/norm/choose.h"
#include "tools/commands.h"
#include "tools/layer_options.h"
#include "tools/normalize_args.h"
#include "tools/picture_arrays.h"

namespace normkit::tools {
namespace {

// ---- Arrays -----------------------------------------------------------------------------------

// Calls f(); what it throws is said of the file at `path`.
template <class F>
auto OfFile(const std::string& path, const F& f) {
  try {
    return f();
  } catch (const Error& error) {
    Fail("{}: {}", path, error.what());
  }
}

// The array at `path` as a tensor of `dtype` with one axis of its values: parameters and given
// statistics, whatever the shape. Empty where there is no path.
Tensor ReadValues(const std::string& path, const char* option, int64_t size, DType dtype,
                  const std::string& of) {
  if (path.empty()) return {};
  const NpyArray array = ReadNpy(path);
  if (array.size() != size)
    Fail("{}: {} has {} values, expected {} ({})", path, option, array.size(), size, of);
  Tensor values(Layout({{kC, size}}), dtype);
  if (dtype == DType::kF32) {
    std::ranges::copy(OfFile(path, [&] { return array.AsFloats(); }),
                      values.values<float>().begin());
  } else if (OfFile(path, [&] { return array.dtype(); }) == DType::kF64) {
    std::ranges::copy(array.data, static_cast<std::byte*>(values.data()));
  } else {
    std::ranges::copy(OfFile(path, [&] { return array.AsFloats(); }),
                      values.values<double>().begin());
  }
  return values;
}

const void* DataOrNull(const Tensor& tensor, const std::string& path) {
  return path.empty() ? nullptr : tensor.data();
}

// Sizes of the axes that are not reduced, as the shape of saved statistics.
std::vector<int64_t> StatisticsShape(const Normalization& op) {
  std::vector<int64_t> shape;
  for (const Axis& axis : op.layout().axes())
    if (!(axis.label & op.spec().reduce)) shape.push_back(axis.size);
  return shape;
}

// That of the gradients of gamma and beta: [channels], or the axes that they have, in the order of
// x.
std::vector<int64_t> ParameterShape(const Normalization& op, Dims axes) {
  if (axes == 0) return {op.num_parameters()};
  std::vector<int64_t> shape;
  int64_t groups = 1;
  for (const Axis& axis : op.layout().axes()) {
    if (axis.label == kG) groups = axis.size;  // which a file does not show
    if ((axis.label & axes) != 0)
      shape.push_back(axis.label == kC ? std::exchange(groups, 1) * axis.size : axis.size);
  }
  return shape;
}

// ---- The work ---------------------------------------------------------------------------------

// One application of the layer: reads, computes, writes at the end.
class Application {
 public:
  explicit Application(const NormalizeArgs& args)
      : args_(args),
        x_(args.x_is_picture ? ToArray(ReadImage(args.x), "nchw", 1) : ReadNpy(args.x)),
        dtype_(OfFile(args.x, [&] { return x_.dtype(); })),
        op_(MakeOperation()),
        mean_(static_cast<size_t>(op_.num_statistics())),
        rstd_(mean_.size()),
        variance_(mean_.size()) {
    const DType parameter = ParameterDType(dtype_);
    const std::string parameters = Of(args.parameter_axes == 0 ? "channels" : "parameters");
    const std::string statistics = Of("statistics");
    scale_ = ReadValues(args.scale, "--scale", op_.num_parameters(), parameter, parameters);
    offset_ = ReadValues(args.offset, "--offset", op_.num_parameters(), parameter, parameters);
    given_mean_ = ReadValues(args.mean, "--mean", op_.num_statistics(), parameter, statistics);
    given_variance_ =
        ReadValues(args.variance, "--variance", op_.num_statistics(), parameter, statistics);
    if (!args.lengths.empty()) ReadLengths();
  }

  void Run() {
    for (const std::string& path : args_.outputs()) {  // before there is anything to lose
      if (path.empty()) continue;
      CheckReplaced(args_, path);
      const bool as_x = path == args_.dx || (path == args_.y && !args_.y_is_picture);
      CheckWritable(path, as_x ? x_.data.size() : 0);
    }
    Forward();
    if (!args_.dy.empty()) Backward();
    const std::string cut = args_.y_is_picture ? WritePicture() : "";
    for (const auto& [path, array] : outputs_)
      if (path != args_.y || !args_.y_is_picture) WriteNpy(path, array);
    if (args_.quiet) return;
    // To stderr: what goes to stdout is data.
    fmt::print(stderr, "normkit: {}{}{}\n{}", op_.DescribeStatistics(),
               args_.given_statistics() ? ", given" : "", DescribeLengths(), cut);
  }

 private:
  Normalization MakeOperation() const {
    return OfFile(args_.x, [&] {
      const ChosenNorm chosen = ChooseNorm(args_.layer.name, Layout::Make(args_.format, x_.shape),
                                           args_.layer.num_groups, args_.layer.operation_dimension);
      return Normalization(chosen.spec, chosen.layout, dtype_,
                           {.epsilon = args_.epsilon,
                            .parameter_axes = args_.parameter_axes,
                            .scale_plus_one = args_.scale_plus_one,
                            .activation = args_.activation,
                            .negative_slope = args_.negative_slope,
                            .activation_alpha = args_.activation_alpha});
    });
  }

  void ReadLengths() {
    const NpyArray array = ReadNpy(args_.lengths);
    if (!IsRowOfNumbers(array))
      Fail("{}: --lengths is {} [{}], expected a row of whole numbers (int64)", args_.lengths,
           array.descr, fmt::join(array.shape, ","));
    lengths_ = OfFile(args_.lengths, [&] { return array.AsIntegers(); });
    const Layout& x = op_.layout();
    if (x.SizeOf(kT) == 0)
      Fail("{}: has no steps ({}), expected some where there are --lengths", args_.x, x.ToString());
    if (std::ssize(lengths_) != x.SizeOf(kB))
      Fail("{}: --lengths has {} values, expected {} (observations of {}, {})", args_.lengths,
           lengths_.size(), x.SizeOf(kB), args_.x, x.ToString());
    for (size_t i = 0; i < lengths_.size(); ++i)
      if (lengths_[i] < 1 || lengths_[i] > x.SizeOf(kT))
        Fail("{}: --lengths: number {} is {}, expected 1 to {} (steps of {}, {})", args_.lengths, i,
             lengths_[i], x.SizeOf(kT), args_.x, x.ToString());
  }
  const int64_t* lengths() const { return lengths_.empty() ? nullptr : lengths_.data(); }
  std::string DescribeLengths() const {
    if (lengths_.empty()) return "";
    return fmt::format("; {} of {} steps, the others are padding",
                       std::accumulate(lengths_.begin(), lengths_.end(), int64_t{0}),
                       op_.layout().SizeOf(kB | kT));
  }

  std::string Of(const char* what) const {
    return fmt::format("{} of {}, {}", what, args_.x, op_.layout().ToString());
  }

  // An array to fill that is written to `path` in the end.
  void* Output(const std::string& path, DType dtype, std::vector<int64_t> shape) {
    if (path.empty()) return nullptr;
    NpyArray array = MakeNpy(dtype, {0}, nullptr);
    array.shape = std::move(shape);
    array.data.resize(static_cast<size_t>(array.size()) * SizeOf(dtype));
    outputs_.emplace_back(path, std::move(array));
    return outputs_.back().second.data.data();
  }

  void Output(const std::string& path, const std::vector<double>& statistics) {
    void* data = Output(path, DType::kF64, StatisticsShape(op_));
    if (data) std::ranges::copy(statistics, static_cast<double*>(data));
  }

  void Forward() {
    const void* gamma = DataOrNull(scale_, args_.scale);
    const void* beta = DataOrNull(offset_, args_.offset);
    void* y = Output(args_.y, dtype_, x_.shape);
    y_ = y;
    Normalization::ForwardArgs args{
        .x = x_.data.data(), .gamma = gamma, .beta = beta, .y = y, .lengths = lengths()};
    if (args_.given_statistics()) {
      op_.ForwardInference(args, DataOrNull(given_mean_, args_.mean),
                           DataOrNull(given_variance_, args_.variance));
      return;
    }
    args.saved = {.mean = mean_.data(), .rstd = rstd_.data(), .variance = variance_.data()};
    op_.ForwardTraining(args);
    Output(args_.stats_mean, mean_);
    Output(args_.stats_variance, variance_);
  }

  // mean and rstd of the given statistics, as ForwardTraining would have saved them.
  template <class T>
  void SaveGiven() {
    for (size_t i = 0; i < mean_.size(); ++i) {
      mean_[i] = args_.mean.empty() ? 0 : given_mean_.values<T>()[i];
      rstd_[i] = args_.variance.empty()
                     ? 1
                     : 1 / std::sqrt(given_variance_.values<T>()[i] + args_.epsilon);
    }
  }

  void Backward() {
    const NpyArray dy = ReadNpy(args_.dy);
    if (dy.shape != x_.shape || OfFile(args_.dy, [&] { return dy.dtype(); }) != dtype_)
      Fail("{}: --dy is {} [{}], expected that of {}, {} [{}]", args_.dy, dy.descr,
           fmt::join(dy.shape, ","), args_.x, x_.descr, fmt::join(x_.shape, ","));
    if (args_.given_statistics())
      ParameterDType(dtype_) == DType::kF64 ? SaveGiven<double>() : SaveGiven<float>();
    const std::vector<int64_t> parameters = ParameterShape(op_, args_.parameter_axes);
    op_.Backward({.x = x_.data.data(),
                  .dy = dy.data.data(),
                  .gamma = DataOrNull(scale_, args_.scale),
                  .beta = DataOrNull(offset_, args_.offset),
                  .mean = mean_.data(),
                  .rstd = rstd_.data(),
                  .dx = Output(args_.dx, dtype_, x_.shape),
                  .dgamma = Output(args_.dscale, ParameterDType(dtype_), parameters),
                  .dbeta = Output(args_.doffset, ParameterDType(dtype_), parameters),
                  .y = y_,
                  .fixed_statistics = args_.given_statistics(),
                  .lengths = lengths()});
  }

  // Y as a picture: three deviations each way around grey, or what --offset made of it.
  std::string WritePicture() const {
    const bool placed = !args_.offset.empty();
    const auto is_y = [&](const auto& output) { return output.first == args_.y; };
    const CutPicture picture = ToImage(std::ranges::find_if(outputs_, is_y)->second, "nchw",
                                       placed ? 1 : 42.5, placed ? 0 : 127.5, args_.y);
    WriteImage(args_.y, picture.image);
    return fmt::format("normkit: {}: pixels are {}; {} of {} values lie beyond 0 to 255, cut off\n",
                       args_.y, placed ? "y" : "127.5 + 42.5 y", picture.beyond,
                       picture.image.pixels.size());
  }

  const NormalizeArgs& args_;
  NpyArray x_;
  DType dtype_;
  Normalization op_;
  std::vector<double> mean_, rstd_, variance_;
  Tensor scale_, offset_, given_mean_, given_variance_;
  std::vector<int64_t> lengths_;  // of the observations; empty: no padding
  const void* y_ = nullptr;       // what Forward wrote, among outputs_
  std::vector<std::pair<std::string, NpyArray>> outputs_;
};

// The bytes of X in memory.
double SizeOfX(const NormalizeArgs& args, double file) {
  if (!args.x_is_picture) return file;
  const ImageInfo info = ReadImageInfo(args.x);
  return static_cast<double>(info.height * info.width * info.channels) * sizeof(float);
}

// By the sizes of the files: an array that is read, or made and written, stands there twice.
void CheckMemory(const NormalizeArgs& args) {
  MemoryNeeds needs;
  double x = 0;
  for (const std::string& path : args.inputs()) {
    std::error_code error;
    auto bytes = static_cast<double>(path.empty() ? 0 : std::filesystem::file_size(path, error));
    if (error) continue;
    if (path == args.x) x = bytes = SizeOfX(args, bytes);
    needs.Add(path, bytes);
  }
  needs.Add("the result", x);
  if (!args.dx.empty()) needs.Add("its gradient", x);
  needs.Add("the bytes of a file", x);
  needs.Check("normalizing", "a part of the array at a time takes less");
}

void RunNormalize(NormalizeArgs& args) {
  CheckCommandLine(args);
  CheckMemory(args);
  SetNumThreads(args.threads);
  Application(args).Run();
}

}  // namespace

void AddNormalize(const Command& app) {
  auto args = std::make_shared<NormalizeArgs>();
  const Command command = AddCommand(
      app, "normalize", "Apply one normalization layer to an array or a picture",
      {"normkit normalize x.npy --layer batch --format BCSS -o y.npy",
       "normkit normalize x.npy --layer group:8 --format BSSC --scale g.npy -o y.npy",
       "normkit normalize x.npy --layer rms --format BTC --dy dy.npy --dx dx.npy -o y.npy",
       "normkit normalize photo.jpg --layer instance -o out.png"});
  const auto option = [&command](const char* name, std::string& value, const char* kind,
                                 const char* text) {
    return AddText(command, name, value, kind, text);
  };
  option("X", args->x, "X.npy",
         "The array: .npy of f32, f64, f16 or bfloat16; or a picture, which is taken as f32 "
         "[1,C,H,W], 0 "
         "to 255")
      .Required();
  AddLayerOptions(command, args->layer);
  AddValue(command, "--format", "LETTERS", "a letter of B, T, S, C for each axis",
           "What the axes of X are, outermost first: B observations, T time, S space, C channels "
           "(NCHW is BCSS, NHWC is BSSC); needed where X is an array, a picture is BCSS",
           [args](const std::string& text) { CheckFormat(args->format = text); });
  option(
      "-o,--output", args->y, "FILE",
      "Where Y goes: .npy of the type of X; of a picture also .png or .jpg, whose pixels are 127.5 "
      "+ 42.5 y, three deviations each way, or with --offset y itself")
      .Required();
  AddNumber(command, "--epsilon", args->epsilon, {.low = 0, .open_low = true},
            "Added to the variance");
  AddActivationOption(command, args->activation);
  const Option slope = AddNumber(command, "--negative-slope", args->negative_slope, {.low = 0},
                                 "What --activation leaky-relu multiplies by below 0");
  const Option alpha = AddNumber(command, "--activation-alpha", args->activation_alpha, {.low = 0},
                                 "The alpha of --activation elu");
  option("--scale", args->scale, "FILE",
         "gamma, one value a channel (or see --parameter-axes); else 1");
  option("--offset", args->offset, "FILE", "beta, likewise; else 0");
  AddValue(command, "--parameter-axes", "LETTERS", "letters of B, T, S, C, each once",
           "The axes that gamma and beta have, in the order of X: CS gives each channel and "
           "position its own, BC each channel of each observation (default C)",
           [args](const std::string& text) { args->parameter_axes = ParseAxes(text); });
  AddFlag(command, "--scale-plus-one", args->scale_plus_one, "1 + gamma stands for gamma");
  option("--mean", args->mean, "FILE", "Given means instead of those of X");
  option("--variance", args->variance, "FILE", "Given variances instead of those of X");
  option("--lengths", args->lengths, "FILE",
         "How many steps along T each observation has: whole numbers, one for each index of B. The "
         "others are padding: they enter no statistic, and Y and --dx are 0 there");
  option("--stats-mean", args->stats_mean, "FILE", "Where the means of X go (f64)");
  option("--stats-variance", args->stats_variance, "FILE", "Where the variances of X go (f64)");
  option("--dy", args->dy, "FILE", "The gradient of a loss with respect to Y");
  option("--dx", args->dx, "FILE", "Where the gradient with respect to X goes");
  option("--dscale", args->dscale, "FILE", "Where the gradient of the scale goes");
  option("--doffset", args->doffset, "FILE", "Where the gradient of the offset goes");
  AddFlag(command, "--overwrite", args->overwrite,
          "Replace files of another kind than what is written; else that is an error");
  AddThreadsOption(command, args->threads);
  AddFlag(command, "-q,--quiet", args->quiet,
          "Leave out the line on stderr that says what the statistics are taken over");
  command.Run([args, slope, alpha] {
    CheckParameters(*args, slope.given(), alpha.given());
    RunNormalize(*args);
  });
}

}  // namespace normkit::tools
