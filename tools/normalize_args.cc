// What is wrong with the command line of normkit normalize.

#include "tools/normalize_args.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <string_view>

#include "src/core/fail.h"
#include "src/core/files.h"
#include "src/data/image_codec.h"
#include "src/norm/choose.h"
#include "src/norm/names.h"

namespace normkit::tools {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";

// The first bytes of a regular file, "" of what is none or is not there.
std::string StartOf(const std::string& path) {
  constexpr uint64_t kStart = 16;
  std::error_code error;
  return std::filesystem::is_regular_file(path, error) ? ReadFileStart(path, kStart) : "";
}

[[noreturn]] void Wrong(const std::string& option, const std::string& message) {
  FailUsage(option, message);
}

void CheckStatistics(const NormalizeArgs& args) {
  const auto spec = std::ranges::find(NormSpecs(), args.layer.name, &NormSpec::name);
  const bool centered = spec == NormSpecs().end() || spec->center;
  if (!args.mean.empty() && !centered)
    Wrong("--mean",
          fmt::format("{} normalization subtracts no mean, give --variance (the {}) alone",
                      spec->name,
                      spec->divisor == NormDivisor::kNorm ? "sum of squares" : "mean square"));
  const bool divides = spec == NormSpecs().end() || spec->divisor != NormDivisor::kNone;
  if (!args.variance.empty() && !divides)
    Wrong("--variance",
          fmt::format("{} normalization divides by nothing, give --mean alone", spec->name));
  if (!args.mean.empty() && args.variance.empty() && divides)
    Wrong("--mean", "needs --variance as well");
  if (centered && args.mean.empty() && !args.variance.empty())
    Wrong("--variance", "needs --mean as well");
  if (!args.given_statistics()) return;
  if (!args.stats_mean.empty())
    Wrong("--stats-mean", "the statistics are given by --mean and --variance, none are computed");
  if (!args.stats_variance.empty())
    Wrong("--stats-variance",
          "the statistics are given by --mean and --variance, none are computed");
}

void CheckGradients(const NormalizeArgs& args) {
  const bool wanted = !args.dx.empty() || !args.dscale.empty() || !args.doffset.empty();
  if (!args.dy.empty() && !wanted)
    Wrong("--dy", "needs at least one of --dx, --dscale and --doffset to write");
  if (args.dy.empty() && wanted)
    Wrong(!args.dx.empty()       ? "--dx"
          : !args.dscale.empty() ? "--dscale"
                                 : "--doffset",
          "needs --dy, the gradient with respect to Y");
}

void CheckOutputs(const NormalizeArgs& args) {
  std::vector<std::string> earlier;
  for (const std::string& path : args.outputs()) {
    if (path.empty()) continue;
    for (const std::string& other : earlier)
      if (path != "/dev/null" && SameFile(path, other))
        Wrong("--output", fmt::format("'{}' is named for two outputs", path));
    earlier.push_back(path);
  }
}

// Which of X and Y are pictures: X by what is in it, Y by its name.
void FindPictures(NormalizeArgs& args) {
  args.x_is_picture = IsPicture(StartOf(args.x));
  const std::string ending = Ending(args.y);
  args.y_is_picture = ending == ".png" || ending == ".jpg" || ending == ".jpeg";
  if (!args.x_is_picture && IsPictureEnding(ending))
    Wrong("--output",
          fmt::format("'{}' names a picture, but {} is an array: expected .npy (normkit "
                      "image makes pictures of arrays)",
                      args.y, args.x));
  if (args.x_is_picture && !args.y_is_picture && ending != ".npy" && IrregularKind(args.y).empty())
    Wrong("--output",
          fmt::format("'{}' given, expected .npy, or .png or .jpg for a picture of Y", args.y));
}

// A picture is one observation, and nothing is differentiated with respect to it.
void CheckPicture(NormalizeArgs& args) {
  const std::pair<const char*, const std::string*> of_arrays[] = {{"--lengths", &args.lengths},
                                                                  {"--dy", &args.dy},
                                                                  {"--dx", &args.dx},
                                                                  {"--dscale", &args.dscale},
                                                                  {"--doffset", &args.doffset}};
  for (const auto& [option, path] : of_arrays)
    if (!path->empty())
      Wrong(option, fmt::format("belongs to arrays, and {} is a picture (normkit image makes an "
                                "array of it)",
                                args.x));
  if (args.format.empty()) args.format = kPictureFormat;
  if (args.format != kPictureFormat)
    Wrong("--format", fmt::format("'{}' given, but {} is a picture, which is read as {}",
                                  args.format, args.x, kPictureFormat));
  if (SameFile(args.x, args.y))
    Fail("{}: the result would replace the picture, expected another --output", args.x);
}

}  // namespace

void CheckFormat(const std::string& format) {
  const Layout layout = Layout::Make(format, std::vector<int64_t>(format.size(), 1));
  if (!layout.Has(kC)) Fail("'{}' has no channel axis (C)", format);
}

void CheckParameters(const NormalizeArgs& args, bool slope_given, bool alpha_given) {
  const auto belongs = [&](const char* option, Activation activation) {
    if (args.activation != activation)
      Wrong(option, fmt::format("belongs to --activation {}, not {}", NameOf(activation),
                                NameOf(args.activation)));
  };
  if (slope_given) belongs("--negative-slope", Activation::kLeakyRelu);
  if (alpha_given) belongs("--activation-alpha", Activation::kElu);
  if (args.scale_plus_one && args.scale.empty())
    Wrong("--scale-plus-one", "needs --scale, to which 1 is added");
  if (args.parameter_axes != 0 && args.scale.empty() && args.offset.empty() &&
      args.dscale.empty() && args.doffset.empty())
    Wrong("--parameter-axes", "needs one of --scale, --offset, --dscale and --doffset");
}

void CheckCommandLine(NormalizeArgs& args) {
  const LayerChoice& layer = args.layer;
  const bool grouped = IsGrouped(FindNormSpec(layer.name));
  if (grouped && !layer.num_groups)
    Wrong("--num-groups", fmt::format("needed by --layer {}", layer.name));
  if (!grouped && layer.num_groups)
    Wrong("--num-groups", fmt::format("belongs to --layer group, not {}", layer.name));
  if (layer.operation_dimension && layer.name != kLayerNorm.name)
    Wrong("--operation-dimension", fmt::format("belongs to --layer layer, not {}", layer.name));
  CheckStatistics(args);
  CheckGradients(args);
  CheckOutputs(args);
  FindPictures(args);
  if (args.x_is_picture) return CheckPicture(args);
  if (args.format.empty())
    Wrong("--format", "needed where X is an array: a letter of B, T, S, C for each axis");
  if (!args.lengths.empty() && args.format.find('T') == std::string::npos)
    Wrong("--lengths", fmt::format("needs a time axis, T, in --format '{}'", args.format));
  if (!args.lengths.empty() && (args.parameter_axes & (kB | kT)))
    Wrong("--lengths", "does not go with --parameter-axes of B or T");
}

void CheckReplaced(const NormalizeArgs& args, const std::string& path) {
  const bool picture = args.y_is_picture && path == args.y;
  const std::string start = StartOf(path);
  if (args.overwrite || start.empty()) return;
  if (picture ? !IsPicture(start) : !start.starts_with(kMagic))
    Fail("{}: holds something else than {}, expected a new file or --overwrite", path,
         picture ? "a picture" : "an array");
}

}  // namespace normkit::tools
