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
#include "tools/commands.h"
#include "tools/options.h"
#include "tools/picture_arrays.h"
#include "tools/picture_options.h"

namespace normkit::tools {
namespace {

struct ImageArgs {
  std::string input, output, layout = "nchw";
  int64_t size = 0;
  double largest = 255;
};

CutPicture PictureIn(const ImageArgs& args) {
  CutPicture picture = ToImage(ReadNpy(args.input), args.layout, 255 / args.largest, 0, args.input);
  if (picture.beyond > 0)
    Warn("{}: {} of {} values are not between 0 and {}: cut off, NaN is black", args.input,
         picture.beyond, picture.image.pixels.size(), args.largest);
  return picture;
}

void RunImage(const ImageArgs& args) {
  CheckWritable(args.output, 0);
  const bool array_in = ReadFileStart(args.input, 6) == "\x93NUMPY",
             array_out = Ending(args.output) == ".npy";
  const Image image =
      LongerSide(array_in ? PictureIn(args).image : ReadImage(args.input), args.size);
  if (array_out)
    WriteNpy(args.output, ToArray(image, args.layout, args.largest / 255));
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
  AddChoice(command, "--layout", args->layout, PictureLayouts(),
            "Axes of the array: 1 picture, channels, height, width");
  AddRangeOption(command, args->largest, /*may_be_auto=*/false, "The value of white in the array");
  command.Run([args] { RunImage(*args); });
}

}  // namespace normkit::tools
