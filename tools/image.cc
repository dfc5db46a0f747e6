// normkit image: from pictures to arrays and back.

#include "normkit/data/image.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "normkit/data/npy.h"
#include "src/core/fail.h"
#include "src/core/files.h"
#include "src/core/log.h"
#include "src/data/image_codec.h"
#include "src/data/npy_format.h"
#include "src/stylize/pixels.h"
#include "tools/commands.h"
#include "tools/options.h"
#include "tools/picture_options.h"

namespace normkit::tools {
namespace {

struct ImageArgs {
  std::string input, output, layout = "nchw";
  int64_t size = 0;
  double largest = 255;
};

// An array's axes as [H,W,C], from the axes that the layout names.
std::vector<size_t> ToPixels(const std::string& layout) {
  return layout.ends_with("chw") ? std::vector<size_t>{1, 2, 0} : std::vector<size_t>{0, 1, 2};
}
std::vector<size_t> FromPixels(const std::string& layout) {
  return layout.ends_with("chw") ? std::vector<size_t>{2, 0, 1} : std::vector<size_t>{0, 1, 2};
}

NpyArray ToArray(const Image& image, const ImageArgs& args) {
  const auto scale = static_cast<float>(args.largest / 255);
  std::vector<float> values;
  for (const uint8_t pixel : image.pixels) values.push_back(scale * pixel);
  NpyArray array =
      Transposed(MakeNpy(DType::kF32, {image.height, image.width, image.channels}, values.data()),
                 FromPixels(args.layout));
  if (args.layout.starts_with("n")) array.shape.insert(array.shape.begin(), 1);
  return array;
}

// Rounded to whole numbers from 0 to 255; what lies beyond is cut off, NaN is black.
Image ToImage(NpyArray array, const ImageArgs& args) {
  const std::string given = fmt::format("{}", fmt::join(array.shape, ","));
  if (args.layout.starts_with("n") && array.shape.size() == 4 && array.shape[0] == 1)
    array.shape.erase(array.shape.begin());
  const size_t channels = args.layout.ends_with("chw") ? 0 : 2;
  if (array.shape.size() != 3 || (array.shape[channels] != 1 && array.shape[channels] != 3))
    Fail("{}: is [{}], expected one picture of 1 or 3 channels, {} (--layout)", args.input, given,
         args.layout);
  const NpyArray pixels = Transposed(array, ToPixels(args.layout));
  const double scale = 255 / args.largest;
  Image image{pixels.shape[0], pixels.shape[1], pixels.shape[2], {}};
  int64_t beyond = 0;
  for (const float x : pixels.AsFloats()) {
    const double value = scale * static_cast<double>(x);
    beyond += !(value > -0.5 && value < 255.5);
    image.pixels.push_back(
        static_cast<uint8_t>(value > 0 ? std::min(std::floor(value + 0.5), 255.0) : 0));
  }
  if (beyond > 0)
    Warn("{}: {} of {} values are not between 0 and {}: cut off, NaN is black", args.input, beyond,
         image.pixels.size(), args.largest);
  return image;
}

void RunImage(const ImageArgs& args) {
  CheckWritable(args.output, 0);
  const bool array_in = ReadFileStart(args.input, 6) == "\x93NUMPY",
             array_out = Ending(args.output) == ".npy";
  const Image image =
      LongerSide(array_in ? ToImage(ReadNpy(args.input), args) : ReadImage(args.input), args.size);
  if (array_out)
    WriteNpy(args.output, ToArray(image, args));
  else
    WriteImage(args.output, image);
}

}  // namespace

void AddImage(const Command& app) {
  auto args = std::make_shared<ImageArgs>();
  const Command command = AddCommand(
      app, "image", "Turn pictures into arrays and arrays into pictures",
      {"normkit image photo.jpg -o x.npy --size 256 --range 1", "normkit image y.npy -o out.png"});
  AddText(command, "input", args->input, "IN", "A picture, or a .npy that holds one").Required();
  AddText(command, "-o,--output", args->output, "FILE", "Where it goes: .npy (f32), .png or .jpg")
      .Required();
  AddNumber(command, "--size", args->size, {0, 65'535},
            "Scale so that the longer side has so many pixels; 0: leave it as it is");
  AddChoice(command, "--layout", args->layout, {"nchw", "chw", "nhwc", "hwc"},
            "Axes of the array: 1 picture, channels, height, width");
  AddRangeOption(command, args->largest, /*may_be_auto=*/false, "The value of white in the array");
  command.Run([args] { RunImage(*args); });
}

}  // namespace normkit::tools
