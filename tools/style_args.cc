#include "tools/style_args.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "normkit/onnx/import.h"
#include "src/core/fail.h"
#include "src/core/files.h"
#include "src/core/memory_needs.h"
#include "src/core/numbers.h"
#include "src/core/suggest.h"
#include "src/data/image_codec.h"
#include "src/onnx/model.h"
#include "src/report/progress.h"
#include "src/stylize/pixels.h"
#include "src/stylize/synthetic_pictures.h"
#include "tools/options.h"
#include "tools/picture_options.h"

namespace normkit::tools {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kSyntheticPictures = 400, kMostPictures = 2000;
constexpr size_t kShown = 4;

std::string WithEnding(const std::string& output, const char* ending) {
  return fs::path(output).replace_extension(ending).string();
}

bool IsDrawn(const std::string& name) {
  return std::ranges::find(SyntheticStyles(), name) != SyntheticStyles().end() && !fs::exists(name);
}

// A word that is no file may be meant for a style that is drawn.
void CheckStyles(const StyleArgs& args) {
  const std::vector<std::string> drawn(SyntheticStyles().begin(), SyntheticStyles().end());
  for (const std::string& name : args.styles)
    if (!IsDrawn(name) && !fs::exists(name) && !fs::path(name).has_extension())
      Fail(
          "--style: there is no picture '{}', and none of that name is drawn, expected a file or "
          "{}{}",
          name, OneOf(drawn), DidYouMean(name, drawn));
}

int64_t NumberOf(const Network& network, const char* fact, int64_t otherwise) {
  const auto found = network.facts.find(fact);
  if (found == network.facts.end()) return otherwise;
  return ParseNumber<int64_t>(found->second).value_or(otherwise);
}

void TakeFrom(const std::string& file, StyleArgs& args) {
  const Network network = ImportOnnx(file).network;
  const auto names = network.facts.find("style.names");
  if (names == network.facts.end())
    Fail("{}: is no network of normkit style train, expected one to add a style to", file);
  std::vector<std::string> known = StyleNames(args);
  known.pop_back();
  const int64_t styles = NumberOf(network, "style.styles", 1);
  if (styles < 2 || styles != std::ssize(known))
    Fail("{}: has {} ({}), and --style names {}, expected {}", file,
         styles == 1 ? "one style" : fmt::format("{} styles", styles), names->second,
         args.styles.size(),
         styles < 2 ? "a network of several" : fmt::format("these and one more", styles));
  if (const std::string given = fmt::format("{}", fmt::join(known, ", ")); given != names->second)
    Fail("{}: has the styles {}, and --style begins with {}, expected the same in that order", file,
         names->second, given);
  args.options.network.width = NumberOf(network, "style.width", args.options.network.width);
  args.options.network.blocks = NumberOf(network, "style.blocks", args.options.network.blocks);
}

}  // namespace

std::string CheckpointOf(const StyleArgs& args) {
  return WithEnding(args.output, ".checkpoint.npz");
}
std::string PageOf(const StyleArgs& args) { return WithEnding(args.output, ".html"); }

void CheckArguments(StyleArgs& args) {
  for (const auto& [name, nodes] :
       {std::pair{"--style-nodes", &args.style_nodes}, {"--content-nodes", &args.content_nodes}})
    if (!nodes->empty() && args.features.empty())
      FailUsage(name,
                "given without --features FILE, expected with it: nodes are those of a network");
  if (Ending(args.output) != ".onnx")
    FailUsage("--output",
              fmt::format("'{}' given, expected a name that ends with .onnx", args.output));
  args.options.network.norm = Checked("--norm", [&] { return ParseNormChoice(args.norm); });
  CheckStyles(args);
  if (!args.add_to.empty()) TakeFrom(args.add_to, args);
}

// ---- Files --------------------------------------------------------------------------------------

void CheckIsFree(const std::string& path) {
  if (fs::is_directory(path)) Fail("{}: is a folder, expected a file", path);
  if (fs::exists(path))
    Fail("{}: is there already, expected another name; --overwrite replaces it", path);
}

void CheckOutput(const StyleArgs& args) {
  std::vector<std::string> read = args.styles;
  read.insert(read.end(), {args.features, args.add_to});
  for (const std::string& file : read)
    for (const std::string& written : {args.output, PageOf(args), CheckpointOf(args)})
      if (!file.empty() && SameFile(file, written))
        Fail("{}: would be replaced by what is made of it, expected another --output", file);
  const std::string checkpoint = CheckpointOf(args);
  const bool goes_on = !args.resume.empty() && SameFile(args.resume, checkpoint);
  if (args.overwrite) return;
  if (!goes_on && fs::exists(checkpoint))
    Fail(
        "{0}: the checkpoint of another run, expected none; --resume {0} goes on with it, "
        "--overwrite replaces it",
        checkpoint);
  CheckIsFree(args.output);
  if (!goes_on) CheckIsFree(PageOf(args));
}

void CheckCanSave(const StyleArgs& args, StyleTrainer& trainer) {
  CheckWritable(args.output, OnnxBytes(trainer.network(), ImageSizes::kAny).size());
  CheckWritable(PageOf(args), uint64_t{1} << 22);
  trainer.Save(CheckpointOf(args));
}

// ---- What it learns from ------------------------------------------------------------------------

std::vector<std::string> StyleNames(const StyleArgs& args) {
  std::vector<std::string> names;
  for (const std::string& name : args.styles) names.push_back(fs::path(name).stem().string());
  return names;
}

std::vector<std::string> StyleTitles(const StyleArgs& args) {
  std::vector<std::string> titles;
  for (const std::string& name : args.styles)
    titles.push_back(IsDrawn(name) ? name + " (drawn)" : name);
  return titles;
}

// As large as strokes are to be seen: about twice as large as what is learned on.
std::vector<Image> Styles(const StyleArgs& args) {
  const int64_t side = args.style_size > 0 ? args.style_size : 2 * args.options.size;
  std::vector<Image> styles;
  for (const std::string& name : args.styles) {
    styles.push_back(IsDrawn(name) ? SyntheticStyle(name, args.options.seed, side, side)
                                   : LongerSide(ReadImage(name, 3), side));
    if (std::min(styles.back().height, styles.back().width) < kLeastSize)
      Fail("{}: is {} x {} pixels with the longer side at {} (--style-size), expected {} or more",
           name, styles.back().width, styles.back().height, side, kLeastSize);
  }
  return styles;
}

std::shared_ptr<const StyleFeatures> Features(const StyleArgs& args) {
  return args.features.empty()
             ? RandomFeatures(args.options.seed)
             : FeaturesOfNetwork(args.features, args.style_nodes, args.content_nodes);
}

ContentPictures Contents(const StyleArgs& args) {
  const int64_t size = args.options.size, side = ContentPictures::SideFor(size);
  const bool drawn = args.content == kSynthetic && !fs::exists(kSynthetic);
  size_t failed = 0;
  const std::vector<std::string> files =
      drawn ? std::vector<std::string>() : PictureFiles({args.content}, failed);
  const int64_t count = drawn ? kSyntheticPictures : std::min(std::ssize(files), kMostPictures);
  MemoryNeeds needs;
  needs.Add("pictures to learn on", 3.0 * static_cast<double>(count * side * side));
  needs.Check("training the style network", "a smaller --size takes less");
  if (drawn) return ContentPictures::Synthetic(args.options.seed, count, size);
  ProgressLine progress(count);
  return ContentPictures::FromFiles(args.content, files, size, kMostPictures,
                                    [&](int64_t done) { progress.Update(done, "read"); });
}

std::vector<Image> Shown(const StyleArgs& args, const ContentPictures& contents) {
  std::vector<Image> shown;
  const int64_t size = args.options.size;
  const bool drawn = args.content == kSynthetic && !fs::exists(kSynthetic);
  for (size_t i = 0; i < (drawn ? kShown : std::min(kShown, contents.size())); ++i)
    shown.push_back(drawn ? SyntheticContent(~args.options.seed - i, size, size)
                          : contents.Middle(i, size));
  return shown;
}

}  // namespace normkit::tools
