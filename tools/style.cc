// normkit style train: a network that gives pictures a style.

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "normkit/core/threads.h"
#include "normkit/onnx/import.h"
#include "normkit/onnx/onnx.h"
#include "src/core/fail.h"
#include "src/core/files.h"
#include "src/core/log.h"
#include "src/data/image_codec.h"
#include "src/onnx/model.h"
#include "src/report/progress.h"
#include "src/report/report.h"
#include "src/stylize/pixels.h"
#include "src/stylize/style_measures.h"
#include "src/stylize/style_trainer.h"
#include "src/stylize/synthetic_pictures.h"
#include "tools/commands.h"
#include "tools/interrupt.h"
#include "tools/json_text.h"
#include "tools/options.h"
#include "tools/picture_options.h"
#include "tools/style_report.h"

namespace normkit::tools {
namespace {

using nlohmann::json;

constexpr const char* kSynthetic = "synthetic";
constexpr int64_t kSyntheticPictures = 400, kMostPictures = 2000;
constexpr int64_t kSnapshots = 12, kCheckpointSteps = 250;
constexpr size_t kShown = 4;
constexpr int64_t kGrid = 4;  // pixels: of what is upsampled twice

struct StyleArgs {
  std::string action, content = kSynthetic, output, norm = "instance", features, add_to, resume;
  std::string line;  // the command, for the report
  std::vector<std::string> styles, style_nodes, content_nodes;
  int64_t style_size = 0;
  StyleTrainingOptions options;
  int threads = 0;
  bool overwrite = false, json = false;
};

std::string WithEnding(const std::string& output, const char* ending) {
  return std::filesystem::path(output).replace_extension(ending).string();
}
std::string CheckpointOf(const StyleArgs& args) {
  return args.resume.empty() ? WithEnding(args.output, ".checkpoint.npz") : args.resume;
}
std::string PageOf(const StyleArgs& args) { return WithEnding(args.output, ".html"); }

// ---- What it learns from ------------------------------------------------------------------------

bool IsDrawn(const std::string& name) {
  return std::ranges::find(SyntheticStyles(), name) != SyntheticStyles().end() &&
         !std::filesystem::exists(name);
}

// As large as strokes are to be seen: about twice as large as what is learned on.
std::vector<Image> Styles(const StyleArgs& args) {
  const int64_t side = args.style_size > 0 ? args.style_size : 2 * args.options.size;
  std::vector<Image> styles;
  for (const std::string& name : args.styles)
    styles.push_back(IsDrawn(name) ? SyntheticStyle(name, args.options.seed, side, side)
                                   : LongerSide(ReadImage(name, 3), side));
  return styles;
}

std::vector<std::string> StyleNames(const StyleArgs& args) {
  std::vector<std::string> names;
  for (const std::string& name : args.styles)
    names.push_back(std::filesystem::path(name).stem().string());
  return names;
}

ContentPictures Contents(const StyleArgs& args) {
  const int64_t size = args.options.size;
  if (args.content == kSynthetic && !std::filesystem::exists(kSynthetic))
    return ContentPictures::Synthetic(args.options.seed, kSyntheticPictures, size);
  size_t failed = 0;
  const std::vector<std::string> files = PictureFiles({args.content}, failed);
  ProgressLine progress(std::min<int64_t>(std::ssize(files), kMostPictures));
  return ContentPictures::FromFiles(args.content, files, size, kMostPictures,
                                    [&](int64_t done) { progress.Update(done, "read"); });
}

// Pictures that are drawn from another seed, or the first of the folder: to look at and to measure.
std::vector<Image> Shown(const StyleArgs& args, const ContentPictures& contents) {
  std::vector<Image> shown;
  const int64_t size = args.options.size;
  for (size_t i = 0; i < kShown; ++i)
    shown.push_back(args.content == kSynthetic
                        ? SyntheticContent(~args.options.seed - i, size, size)
                        : contents.Middle(i % contents.size(), size));
  return shown;
}

// ---- Files --------------------------------------------------------------------------------------

// What can fail at the end is tried at the beginning; what stands there already is not replaced.
void CheckOutput(const StyleArgs& args) {
  const std::string checkpoint = CheckpointOf(args);
  const bool stopped = std::filesystem::exists(checkpoint);
  if (args.resume.empty() && !args.overwrite) {
    if (stopped)
      Fail(
          "{0}: the checkpoint of another run, expected none; --resume {0} goes on with it, "
          "--overwrite replaces it",
          checkpoint);
    if (std::filesystem::exists(args.output))
      Fail("{}: is there already, expected another name; --overwrite replaces it", args.output);
  }
}

void CheckCanSave(const StyleArgs& args, StyleTrainer& trainer) {
  CheckWritable(args.output, OnnxBytes(trainer.network(), ImageSizes::kAny).size());
  CheckWritable(PageOf(args), uint64_t{1} << 22);
  if (args.resume.empty()) trainer.Save(CheckpointOf(args));
}

// ---- The run ------------------------------------------------------------------------------------

class StyleRun {
 public:
  explicit StyleRun(const StyleArgs& args, ContentPictures contents)
      : args_(args),
        shown_(Shown(args, contents)),
        styles_(Styles(args)),
        trainer_(args.options,
                 args.features.empty()
                     ? RandomFeatures(args.options.seed)
                     : FeaturesOfNetwork(args.features, args.style_nodes, args.content_nodes),
                 styles_, std::move(contents)),
        progress_(args.options.steps) {
    if (!args.add_to.empty()) trainer_.AddStyleTo(ImportOnnx(args.add_to).network);
    if (!args.resume.empty()) trainer_.Resume(CheckpointOf(args));
    CheckCanSave(args, trainer_);
  }

  // Whether it came to its end.
  bool Run() {
    Snapshot();
    const bool done = trainer_.Run([&](const StyleRow& row) { OnStep(row); });
    progress_.Clear();
    if (!done) {
      trainer_.Save(CheckpointOf(args_));
      return false;
    }
    Measure();
    SaveOnnxOfAnySize(Trained(), args_.output);
    WritePage();
    std::remove(CheckpointOf(args_).c_str());
    return true;
  }

  const StyleTrainer& trainer() const { return trainer_; }
  const std::vector<StyleDistance>& distances() const { return distances_; }

 private:
  Network Trained() const {
    Network network = trainer_.network();
    network.facts["normkit.style.names"] = fmt::format("{}", fmt::join(StyleNames(args_), ", "));
    return network;
  }

  void OnStep(const StyleRow& row) {
    progress_.Update(row.step, "step",
                     fmt::format("style {:.4f}  content {:.4f}", row.of.style, row.of.content));
    const int64_t steps = args_.options.steps, every = std::max<int64_t>(1, steps / kSnapshots);
    if (row.step % every == 0 || row.step == steps) Snapshot();
    if (row.step % kCheckpointSteps == 0 && row.step < steps) trainer_.Save(CheckpointOf(args_));
  }

  void Snapshot() {
    StyleSnapshot snapshot{std::ssize(trainer_.history()), {}};
    for (size_t s = 0; s < styles_.size(); ++s)
      snapshot.styled.push_back(trainer_.Show(shown_, static_cast<int64_t>(s)));
    snapshots_.push_back(std::move(snapshot));
    WritePage();
  }

  void Measure() {
    const auto with = [&](double contrast) {
      std::vector<Image> pictures;
      for (const Image& image : shown_) pictures.push_back(WithContrast(image, contrast));
      return pictures;
    };
    for (size_t s = 0; s < styles_.size(); ++s) {
      const auto style = static_cast<int64_t>(s);
      const auto loss = [&](const std::vector<Image>& contents, bool as_they_are = false) {
        return trainer_.Measure(contents, style, as_they_are).style;
      };
      distances_.push_back({.style = StyleNames(args_)[s],
                            .content_pictures = loss(shown_, true),
                            .results = loss(shown_),
                            .low_contrast = loss(with(0.5)),
                            .high_contrast = loss(with(2)),
                            .grid = GridShare(trainer_.Show(shown_, style), kGrid)});
    }
  }

  void WritePage() const {
    WriteFile(PageOf(args_), StyleReport(trainer_, snapshots_,
                                         {args_.line, StyleNames(args_), styles_, shown_,
                                          args_.options.steps, distances_}));
  }

  const StyleArgs& args_;
  std::vector<Image> shown_, styles_;
  StyleTrainer trainer_;
  ProgressLine progress_;
  std::vector<StyleSnapshot> snapshots_;
  std::vector<StyleDistance> distances_;
};

void Print(const StyleArgs& args, const StyleRun& run) {
  const StyleRow& last = run.trainer().history().back();
  if (args.json) {
    json history = json::array();
    for (const StyleRow& row : run.trainer().history())
      history.push_back(json::array({row.of.loss, row.of.content, row.of.style}));
    json styles = json::array();
    for (const StyleDistance& one : run.distances())
      styles.push_back({{"style", one.style},
                        {"style_loss_of_content", one.content_pictures},
                        {"style_loss", one.results},
                        {"style_loss_at_half_contrast", one.low_contrast},
                        {"style_loss_at_twice_contrast", one.high_contrast},
                        {"grid_share", one.grid}});
    fmt::print("{}\n", JsonText(json{{"model", args.output},
                                     {"report", PageOf(args)},
                                     {"steps", last.step},
                                     {"seconds", last.seconds},
                                     {"loss", last.of.loss},
                                     {"content_loss", last.of.content},
                                     {"styles", styles},
                                     {"history", history}},
                                2));
    return;
  }
  Table table{{"style", "style loss", "of the pictures themselves", "nearer", "at half contrast",
               "at twice", "grid"},
              {}};
  const auto number = [](double x) { return fmt::format("{:.4f}", x); };
  for (const StyleDistance& one : run.distances())
    table.rows.push_back({one.style, number(one.results), number(one.content_pictures),
                          fmt::format("{:.1f} x", one.ratio()), number(one.low_contrast),
                          number(one.high_contrast), fmt::format("{:.2f} %", 100 * one.grid)});
  fmt::print(
      "{}Trained {} steps in {}\nModel    {}\nReport   {}\nUse it   normkit stylize "
      "photo.jpg --model {} -o out.png\n",
      ToText(table), last.step, FormatDuration(last.seconds), args.output, PageOf(args),
      args.output);
}

void RunStyle(StyleArgs& args) {
  for (const auto& [name, nodes] :
       {std::pair{"--style-nodes", &args.style_nodes}, {"--content-nodes", &args.content_nodes}})
    if (!nodes->empty() && args.features.empty())
      FailUsage(name,
                "given without --features FILE, expected with it: nodes are those of a network");
  SetNumThreads(args.threads);
  args.options.network.norm = Checked("--norm", [&] { return ParseNormChoice(args.norm); });
  CheckOutput(args);
  const InterruptGuard interrupt;
  args.options.stop = &interrupt.flag();
  ContentPictures contents = Contents(args);
  Warn("learns {} on {}", fmt::join(StyleNames(args), ", "), contents.description());
  StyleRun run(args, std::move(contents));
  if (!run.Run())
    Fail("training stopped at step {}; the same command with --resume {} goes on",
         run.trainer().history().size(), CheckpointOf(args));
  Print(args, run);
}

void AddTrainingOptions(const Command& command, StyleArgs& args) {
  StyleTrainingOptions& o = args.options;
  AddText(command, "--norm", args.norm, "NORM",
          "Normalization: instance, " + NormChoices() + "; several styles want instance")
      .Default(args.norm);
  AddNumber(command, "--width", o.network.width, {1, 256}, "Channels of the first convolution");
  AddNumber(command, "--blocks", o.network.blocks, {0, 64}, "Residual blocks");
  AddNumber(command, "--steps", o.steps, {1, 1'000'000'000}, "Mini-batches to learn on");
  AddNumber(command, "--mini-batch-size", o.mini_batch_size, {1, 1024}, "Pictures a step");
  AddNumber(command, "--size", o.size, {16, 4096},
            "Side of the pictures that are learned on, a multiple of 4");
  AddNumber(command, "--style-size", args.style_size, {16, 65'535},
            "Longer side that the style is scaled to: strokes get as large; auto: twice --size",
            {"auto", 0});
  const NumberRange<double> weight{0};
  AddNumber(command, "--content-weight", o.weights.content, weight, "Weight of what is where");
  AddNumber(command, "--style-weight", o.weights.style, weight, "Weight of the style");
  AddNumber(command, "--variation-weight", o.weights.variation, weight, "Weight of smoothness");
  AddNumber(command, "--learn-rate", o.learn_rate, {.low = 0, .open_low = true},
            "Learning rate at the start (Adam); it falls to 0 along a cosine");
  AddNumber(command, "--seed", o.seed, {0, ~uint64_t{0}}, "Of all that is random");
}

}  // namespace

void AddStyle(const Command& app) {
  auto args = std::make_shared<StyleArgs>();
  const Command command = AddCommand(
      app, "style", "Train a network that gives pictures a style",
      {"normkit style train --style strokes -o strokes.onnx",
       "normkit style train --style mosaic.jpg --content photos -o mosaic.onnx --steps 2000",
       "normkit style train --style a.jpg,b.jpg,c.jpg -o three.onnx"});
  AddChoice(command, "action", args->action, {"train"}, "What to do: train").Required();
  AddList(command, "--style", "FILE,...", "pictures",
          "Pictures of the style, one each for several styles in one network; or one that is "
          "drawn: " +
              fmt::format("{}", fmt::join(SyntheticStyles(), ", ")),
          [args](const std::vector<std::string>& texts) { args->styles = texts; })
      .Required();
  AddText(command, "-o,--output", args->output, "FILE",
          "The network, .onnx; its report, .html, beside it")
      .Required();
  AddText(command, "--content", args->content, "DIR",
          "A folder of pictures to learn on, or synthetic: 400 that are drawn")
      .Default(args->content);
  AddText(command, "--features", args->features, "FILE",
          "A network whose features tell style and content, ONNX, such as VGG")
      .Default("random filters");
  const auto add_nodes = [&](const char* name, std::vector<std::string>& nodes,
                             const std::string& what) {
    AddList(command, name, "NODE,...", "names of nodes",
            "Nodes of --features, ReLU, that tell " + what,
            [&nodes](const std::vector<std::string>& texts) { nodes = texts; })
        .Default("auto");
  };
  add_nodes("--style-nodes", args->style_nodes,
            "the style; auto: the last at each of the first four sizes");
  add_nodes("--content-nodes", args->content_nodes, "content; auto: the second of these");
  AddText(command, "--add-to", args->add_to, "FILE",
          "Train nothing but one more style of this network: the last of --style");
  AddTrainingOptions(command, *args);
  AddText(command, "--resume", args->resume, "FILE",
          "Go on from the checkpoint that the same command left when it was stopped");
  AddFlag(command, "--overwrite", args->overwrite, "Replace what an earlier run left");
  AddThreadsOption(command, args->threads);
  AddFlag(command, "--json", args->json, "Print JSON instead of a table");
  command.Run([args, command] {
    args->line =
        fmt::format("normkit style train {}",
                    fmt::join(command.GivenOptions({"action", "--resume", "--json"}), " "));
    RunStyle(*args);
  });
}

}  // namespace normkit::tools
