// normkit stylize: pictures in the style that a network was trained for.

#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "normkit/core/threads.h"
#include "normkit/data/image.h"
#include "src/core/fail.h"
#include "src/core/files.h"
#include "src/core/log.h"
#include "src/data/image_codec.h"
#include "src/report/progress.h"
#include "src/report/report.h"
#include "src/stylize/stylizer.h"
#include "tools/commands.h"
#include "tools/json_text.h"
#include "tools/options.h"
#include "tools/picture_options.h"

namespace normkit::tools {
namespace {

using nlohmann::json;

struct StylizeArgs {
  std::string model, output, order = "auto";
  std::vector<std::string> photos;
  std::vector<double> style_mix;
  int64_t size = 0, tile = 0;
  double strength = 1, largest = 0;
  int threads = 0;
  bool preserve_colors = false, compare = false, json = false;
};

// Where each picture goes: the file that is named, or one of the picture's name in the folder.
std::vector<std::string> Outputs(const StylizeArgs& args, const std::vector<std::string>& photos) {
  namespace fs = std::filesystem;
  const auto is_written = [](const std::string& ending) {
    return ending == ".png" || ending == ".jpg" || ending == ".jpeg";
  };
  if (IsPictureEnding(Ending(args.output)) && !is_written(Ending(args.output)))
    FailUsage("--output", fmt::format("'{}' given, expected .png, .jpg or a folder", args.output));
  const bool one = args.photos.size() == 1 && photos.size() == 1 && photos[0] == args.photos[0];
  std::vector<std::string> outputs;
  if (one && IsPictureEnding(Ending(args.output))) {
    outputs.push_back(args.output);
  } else {
    if (IsPictureEnding(Ending(args.output)))
      Fail("--output: '{}' names one file for {} pictures, expected a folder", args.output,
           photos.size());
    for (const std::string& photo : photos) {
      const std::string ending = Ending(photo);
      const bool kept = is_written(ending);
      outputs.push_back((fs::path(args.output) / fs::path(photo).stem()).string() +
                        (kept ? ending : ".png"));
    }
    MakeFolder(args.output);
  }
  std::map<std::string, std::string> taken;
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (SameFile(outputs[i], photos[i]))
      Fail("{}: the result would replace the picture, expected another --output", photos[i]);
    const auto [other, is_new] = taken.emplace(outputs[i], photos[i]);
    if (!is_new)
      Fail("{} and {} would both become {}, expected pictures of different names", other->second,
           photos[i], outputs[i]);
    CheckWritable(outputs[i], 0);
  }
  return outputs;
}

json StylizeOne(const StylizeArgs& args, Stylizer& stylizer, const std::string& photo,
                const std::string& output, const Stylizer::Progress& progress) {
  const auto begin = std::chrono::steady_clock::now();
  const Image content = LongerSide(ReadImage(photo, 3), args.size);
  const Image styled = stylizer.Stylize(content, progress);
  WriteImage(output, args.compare ? SideBySide(content, styled) : styled);
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  const Tiling& tiling = stylizer.tiling();
  json tile = nullptr;
  if (tiling.rows > 0) tile = {{"width", tiling.columns}, {"height", tiling.rows}};
  return {
      {"photo", photo},
      {"output", output},
      {"width", content.width},
      {"height", content.height},
      {"seconds", seconds},
      {"seconds_a_megapixel", seconds * 1e6 / static_cast<double>(content.width * content.height)},
      {"tile", tile},
      {"work", stylizer.work()}};
}

void Print(const StylizeArgs& args, const json& done) {
  if (args.json) return fmt::print("{}\n", JsonText(done, 2));
  if (done.empty()) return;
  Table table{{"picture", "result", "pixels", "tiles", "seconds", "a megapixel"}, {}};
  const auto size = [](const json& of) {
    return of.is_null()
               ? std::string("one")
               : fmt::format("{} x {}", of["width"].get<int64_t>(), of["height"].get<int64_t>());
  };
  for (const json& one : done)
    table.rows.push_back({one["photo"].get<std::string>(), one["output"].get<std::string>(),
                          size(one), size(one["tile"]),
                          fmt::format("{:.2f}", one["seconds"].get<double>()),
                          fmt::format("{:.2f}", one["seconds_a_megapixel"].get<double>())});
  fmt::print("{}", ToText(table));
}

void RunStylize(const StylizeArgs& args) {
  SetNumThreads(args.threads);
  Stylizer stylizer(args.model, {.strength = args.strength,
                                 .preserve_colors = args.preserve_colors,
                                 .channel_order = args.order == "auto" ? "" : args.order,
                                 .largest = args.largest,
                                 .tile = args.tile});
  if (!args.style_mix.empty())
    Checked("--style-mix", [&] {
      stylizer.MixStyles({args.style_mix.begin(), args.style_mix.end()});
    });
  size_t failed = 0;
  const std::vector<std::string> photos = PictureFiles(args.photos, failed);
  const std::vector<std::string> outputs = Outputs(args, photos);
  Warn("{}: {}", args.model, stylizer.meaning());
  if (const std::string styles = stylizer.DescribeStyles(); !styles.empty())
    Warn("{}: {}", args.model, styles);
  if (stylizer.height() > 0 || stylizer.width() > 0)
    Warn("{}: takes {} x {} pixels: pictures are scaled to that and the results back", args.model,
         stylizer.width(), stylizer.height());
  json done = json::array();
  constexpr int64_t kParts = 100;  // of a picture, on the line
  ProgressLine progress(std::ssize(photos) * kParts);
  for (size_t i = 0; i < photos.size(); ++i) {
    const auto show = [&](double part) {
      progress.Update(static_cast<int64_t>((static_cast<double>(i) + part) * kParts), "stylize",
                      photos[i]);
    };
    show(0);
    try {
      done.push_back(StylizeOne(args, stylizer, photos[i], outputs[i], show));
    } catch (const Error& error) {  // one bad picture does not cost the others
      progress.Clear();
      LogWarning(error.what());
      ++failed;
    }
  }
  progress.Clear();
  Print(args, done);
  if (failed > 0) Fail("{} of {} pictures could not be stylized", failed, done.size() + failed);
}

}  // namespace

void AddStylize(const Command& app) {
  auto args = std::make_shared<StylizeArgs>();
  const Command command = AddCommand(
      app, "stylize", "Give pictures the style of a network",
      {"normkit stylize photo.jpg --model candy.onnx -o out.png",
       "normkit stylize photos --model candy.onnx -o styled --size 1080 --strength 0.7"});
  AddText(command, "--model", args->model, "FILE",
          "The network, ONNX: a picture in and a picture out")
      .Required();
  AddText(command, "-o,--output", args->output, "FILE",
          "Where the result goes: .png or .jpg, or a folder")
      .Required();
  AddNumber(command, "--size", args->size, {0, 65'535},
            "Scale pictures so that the longer side has so many pixels; 0: leave them as they are");
  AddNumber(command, "--tile", args->tile, {0, 65'535},
            "Compute pictures by tiles of so many pixels squared, about; 0: by tiles where the "
            "whole would take more than 1 GiB of memory. The result is the same");
  AddNumber(command, "--strength", args->strength, {0, 1},
            "How much of the style: 0 is the picture, 1 what the network gives");
  AddNumbers(
      command, "--style-mix", args->style_mix, {0, 1000},
      "Weights of the styles of a network of several, which add up to 1 where they mix; auto: "
      "1,0,...")
      .Default("auto");
  AddFlag(command, "--preserve-colors", args->preserve_colors,
          "Keep the picture's colours: only its brightness takes the style");
  AddChoice(command, "--channel-order", args->order, {"auto", "rgb", "bgr"},
            "Order of the network's channels; auto: what the model says, else rgb");
  AddRangeOption(command, args->largest, /*may_be_auto=*/true,
                 "The value of white; auto: what the model says, else 255");
  AddFlag(command, "--compare", args->compare, "Write the picture and the result side by side");
  AddThreadsOption(command, args->threads);
  AddFlag(command, "--json", args->json, "Print JSON instead of a table");
  AddFiles(command, "photos", args->photos,
           "Pictures (JPEG, PNG, WebP, GIF, TIFF; any size) or folders of them")
      .Required();
  command.Run([args] { RunStylize(*args); });
}

}  // namespace normkit::tools
