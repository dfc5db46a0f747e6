// normkit image: from pictures to arrays and back.

#include "normkit/data/image.h"

#include <fmt/format.h>

#include <memory>
#include <string>

#include "normkit/data/npy.h"
#include "src/core/fail.h"
#include "src/core/files.h"
#include "src/core/log.h"
#include "src/data/image_codec.h"
#include "src/stylize/pixels.h"
#include "src/stylize/synthetic_pictures.h"
#include "tools/commands.h"
#include "tools/options.h"
#include "tools/picture_arrays.h"
#include "tools/picture_options.h"

namespace normkit::tools {
namespace {

constexpr const char* kContent = "content";
constexpr int64_t kDrawnSide = 512;

struct ImageArgs {
  std::string input, output, layout = "nchw", draw;
  int64_t size = 0;
  uint64_t seed = 1;
  double largest = 255;
};

CutPicture PictureIn(const ImageArgs& args) {
  CutPicture picture = ToImage(ReadNpy(args.input), args.layout, 255 / args.largest, 0, args.input);
  if (picture.beyond > 0)
    Warn("{}: {} of {} values are not between 0 and {}: cut off, NaN is black", args.input,
         picture.beyond, picture.image.pixels.size(), args.largest);
  return picture;
}

Image Drawn(const ImageArgs& args) {
  const int64_t side = args.size > 0 ? args.size : kDrawnSide;
  return args.draw == kContent ? SyntheticContent(args.seed, side, side)
                               : SyntheticStyle(args.draw, args.seed, side, side);
}

Image Given(const ImageArgs& args) {
  const bool array = ReadFileStart(args.input, 6) == "\x93NUMPY";
  return LongerSide(array ? PictureIn(args).image : ReadImage(args.input), args.size);
}

void RunImage(const ImageArgs& args) {
  CheckWritable(args.output, 0);
  const Image image = args.draw.empty() ? Given(args) : Drawn(args);
  if (Ending(args.output) == ".npy")
    WriteNpy(args.output, ToArray(image, args.layout, args.largest / 255));
  else
    WriteImage(args.output, image);
}

}  // namespace

void AddImage(const Command& app) {
  auto args = std::make_shared<ImageArgs>();
  const Command command = AddCommand(
      app, "image", "Turn pictures into arrays and arrays into pictures",
      {"normkit image photo.jpg -o x.npy --size 256 --range 1", "normkit image y.npy -o out.png",
       "normkit image --draw content --seed 7 -o scene.png"});
  AddText(command, "input", args->input, "IN", "A picture, or a .npy that holds one").Required();
  AddText(command, "-o,--output", args->output, "FILE", "Where it goes: .npy (f32), .png or .jpg")
      .Required();
  AddNumber(command, "--size", args->size, {0, 65'535},
            "Scale so that the longer side has so many pixels; 0: leave it as it is, drawn 512");
  std::vector<std::string> drawn{kContent};
  drawn.insert(drawn.end(), SyntheticStyles().begin(), SyntheticStyles().end());
  AddChoice(command, "--draw", args->draw, drawn,
            "Draw a picture instead of reading one: " + fmt::format("{}", fmt::join(drawn, ", ")));
  AddNumber(command, "--seed", args->seed, {0, ~uint64_t{0}}, "Of what is drawn");
  command.Replaces("--draw", {"input"});
  // Drawn and read would be two pictures.
  command.Find("input").Excludes(command.Find("--draw"));
  AddChoice(command, "--layout", args->layout, PictureLayouts(),
            "Axes of the array: 1 picture, channels, height, width");
  AddRangeOption(command, args->largest, /*may_be_auto=*/false, "The value of white in the array");
  command.Run([args] { RunImage(*args); });
}

}  // namespace normkit::tools
