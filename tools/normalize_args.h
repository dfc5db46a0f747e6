// The command line of normkit normalize, and what is wrong with one.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "normkit/norm/normalization.h"
#include "tools/layer_options.h"

namespace normkit::tools {

// How a picture is read: [1,C,H,W], f32, 0 to 255.
inline constexpr const char* kPictureFormat = "BCSS";

// X, a layer and where the results go; paths that are not given are empty.
struct NormalizeArgs {
  std::string x, format, y;
  bool x_is_picture = false, y_is_picture = false;  // as CheckCommandLine finds them
  LayerChoice layer;
  double epsilon = 1e-5;
  Dims parameter_axes = 0;
  bool scale_plus_one = false;
  Activation activation = Activation::kNone;
  double negative_slope = NormOptions().negative_slope;
  double activation_alpha = NormOptions().activation_alpha;
  std::string scale, offset;
  std::string mean, variance;
  std::string lengths;
  std::string dy, dx, dscale, doffset;
  std::string stats_mean, stats_variance;
  int threads = 0;
  bool quiet = false;
  bool overwrite = false;

  std::vector<std::string> inputs() const {
    return {x, scale, offset, mean, variance, lengths, dy};
  }
  std::vector<std::string> outputs() const {
    return {y, dx, dscale, doffset, stats_mean, stats_variance};
  }
  bool given_statistics() const { return !mean.empty() || !variance.empty(); }
};

// Throws Error where `format` is none, or has no channels.
void CheckFormat(const std::string& format);

// What no array or activation of the command line is there for.
void CheckParameters(const NormalizeArgs& args, bool slope_given, bool alpha_given);

// The rest, with a look at the beginning of X: pictures have their own format.
void CheckCommandLine(NormalizeArgs& args);

// A file that is there is replaced where it is of the kind that is written (X itself as well, if it
// is an array) or empty; else throws Error.
void CheckReplaced(const NormalizeArgs& args, const std::string& path);

}  // namespace normkit::tools
