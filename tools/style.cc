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
#include "tools/style_args.h"
#include "tools/style_report.h"

namespace normkit::tools {
namespace {

using nlohmann::json;

constexpr int64_t kSnapshots = 12, kCheckpointSteps = 250;
constexpr int64_t kGrid = 4;  // pixels: of what is upsampled twice

class StyleRun {
 public:
  explicit StyleRun(const StyleArgs& args, ContentPictures contents)
      : args_(args),
        shown_(Shown(args, contents)),
        styles_(Styles(args)),
        trainer_(args.options, Features(args), styles_, std::move(contents)),
        progress_(args.options.steps) {
    if (!args.add_to.empty()) trainer_.AddStyleTo(ImportOnnx(args.add_to).network);
    if (!args.resume.empty()) trainer_.Resume(args.resume);
    CheckCanSave(args, trainer_);
  }

  // Whether it came to its end.
  bool Run() {
    Snapshot();
    bool done = false;
    try {
      done = trainer_.Run([&](const StyleRow& row) { OnStep(row); });
    } catch (const DivergedError&) {  // nobody goes on from there
      std::remove(CheckpointOf(args_).c_str());
      throw;
    }
    progress_.Clear();
    trainer_.Save(CheckpointOf(args_));
    if (done) Finish();
    return done;
  }

  const StyleTrainer& trainer() const { return trainer_; }
  const std::vector<StyleDistance>& distances() const { return distances_; }

 private:
  Network Trained() const {
    Network network = trainer_.network();
    network.facts["style.names"] = fmt::format("{}", fmt::join(StyleNames(args_), ", "));
    return network;
  }

  // A network that another run wrote meanwhile is not replaced either.
  void Finish() {
    Measure();
    try {
      if (!args_.overwrite) CheckIsFree(args_.output);
      SaveOnnxOfAnySize(Trained(), args_.output);
      WritePage();
    } catch (const Error& error) {
      Fail("{}; nothing is lost, the same command with --resume {} saves it once that is mended",
           error.what(), CheckpointOf(args_));
    }
    std::remove(CheckpointOf(args_).c_str());
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
                                         {.command = args_.line,
                                          .style_names = StyleNames(args_),
                                          .styles = styles_,
                                          .contents = shown_,
                                          .learned_on = args_.content != kSynthetic,
                                          .steps = args_.options.steps,
                                          .distances = distances_}));
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
  CheckArguments(args);
  SetNumThreads(args.threads);
  CheckOutput(args);
  const InterruptGuard interrupt;
  args.options.stop = &interrupt.flag();
  ContentPictures contents = Contents(args);
  const std::string learns =
      fmt::format("learns {} on {}", fmt::join(StyleTitles(args), ", "), contents.description());
  StyleRun run(args, std::move(contents));
  Warn("{}, by {}", learns, run.trainer().features().Description());
  if (!run.Run())
    Fail("training stopped at step {}; the same command with --resume {} goes on",
         run.trainer().history().size(), CheckpointOf(args));
  Print(args, run);
}

void AddTrainingOptions(const Command& command, StyleArgs& args) {
  StyleTrainingOptions& o = args.options;
  AddText(command, "--norm", args.norm, "NORM",
          "Normalization: " + NormChoices() + "; several styles want instance")
      .Default(args.norm);
  AddNumber(command, "--width", o.network.width, {1, 256}, "Channels of the first convolution");
  AddNumber(command, "--blocks", o.network.blocks, {0, 64}, "Residual blocks");
  AddNumber(command, "--steps", o.steps, {1, 1'000'000'000}, "Mini-batches to learn on");
  AddNumber(command, "--mini-batch-size,--batch-size", o.mini_batch_size, {1, 1024},
            "Pictures a step");
  AddNumber(command, "--size", o.size, {kLeastSize, 4096},
            "Side of the pictures that are learned on, a multiple of 4");
  AddNumber(command, "--style-size", args.style_size, {kLeastSize, 8192},
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
  AddChoice(command, "action", args->action, {"train"}, "What to do: train")
      .Kind("train")
      .Required();
  AddList(command, "--style", "FILE,...", "pictures",
          "Pictures of the style, one each for several styles in one network; or one that is "
          "drawn: " +
              fmt::format("{}", fmt::join(SyntheticStyles(), ", ")),
          [args](const std::vector<std::string>& texts) { args->styles = texts; })
      .Required();
  AddText(command, "-o,--output", args->output, "FILE",
          "The network, NAME.onnx; its report, NAME.html, beside it")
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
          "Train nothing but one more style of this network: the last of --style, behind those "
          "that it has; width and blocks are the network's");
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
