#include "tools/bench_network.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "normkit/core/random.h"
#include "normkit/core/threads.h"
#include "normkit/graph/executor.h"
#include "normkit/nn/batch_statistics.h"
#include "normkit/nn/loss.h"
#include "normkit/train/optimizer.h"
#include "normkit/train/train.h"
#include "src/core/fail.h"
#include "src/core/files.h"
#include "src/core/numbers.h"
#include "src/core/text.h"
#include "src/report/report.h"
#include "src/train/needs.h"
#include "tools/json_text.h"
#include "tools/layer_table.h"
#include "tools/training_options.h"

namespace normkit::tools {
namespace {

constexpr double kLearnRate = 1e-3;
constexpr size_t kMinSteps = 5;
constexpr int64_t kMostSize = 1 << 20;

Graph MakeGraph(const NetworkBenchArgs& args) {
  Graph graph =
      MakeOrReadNetwork(args.network, {.input_size = {args.input[0], args.input[1], args.input[2]},
                                       .input_depth = args.depth,
                                       .num_classes = args.num_classes,
                                       .answers_each_position = args.network == "unet",
                                       .norm = ParseNormChoice(args.norm)});
  const LayerRecord& last = graph.layers().back();
  if (last.layer->type() != "softmax")
    Fail("network '{}': ends in {} '{}', expected softmax", args.network, last.layer->type(),
         last.layer->name());
  return graph;
}

// All that one iteration of a training does but for reading the images.
class TrainingStep {
 public:
  TrainingStep(const Graph& graph, int64_t batch_size)
      : graph_(&graph),
        executor_(graph, batch_size, true),
        parameters_(graph),
        gradients_(graph),
        optimizer_(Resolve({}), parameters_),
        logits_(graph.layers().back().inputs.front()) {
    parameters_.Initialize(graph, 1);
    Random random(1);
    for (float& x : executor_.input()) x = static_cast<float>(random.Normal());
    const Layout scores = graph.layout(logits_).WithBatch(batch_size);
    num_classes_ = scores.channels();
    dlogits_.resize(static_cast<size_t>(scores.size()));
    for (int64_t b = 0; b < scores.size() / num_classes_; ++b)  // or positions
      labels_.push_back(b % num_classes_);
  }

  void Run() {
    const RunContext mode{.training = true, .seed = 1, .iteration = ++i_};
    executor_.Forward(parameters_, mode);
    MoveStatistics(*graph_, executor_, parameters_);
    CrossEntropyLoss(executor_.value(logits_), labels_, num_classes_, dlogits_);
    executor_.Backward(parameters_, dlogits_, logits_, mode, gradients_);
    optimizer_.Step(parameters_, gradients_, kLearnRate);
  }

  size_t arena_bytes() const { return executor_.arena_bytes(); }
  const Parameters& parameters() const { return parameters_; }

 private:
  const Graph* graph_;
  Executor executor_;
  Parameters parameters_, gradients_;
  Optimizer optimizer_;
  Value logits_;
  int64_t num_classes_ = 0;
  std::vector<int64_t> labels_;
  std::vector<float> dlogits_;
  uint64_t i_ = 0;
};

double MedianMilliseconds(TrainingStep& step, double seconds) {
  using Clock = std::chrono::steady_clock;
  for (int i = 0; i < 2; ++i) step.Run();
  std::vector<double> times;
  const auto begin = Clock::now();
  for (auto end = begin;
       times.size() < kMinSteps || std::chrono::duration<double>(end - begin).count() < seconds;) {
    const auto start = Clock::now();
    step.Run();
    end = Clock::now();
    times.push_back(std::chrono::duration<double, std::milli>(end - start).count());
  }
  std::ranges::nth_element(times, times.begin() + static_cast<ptrdiff_t>(times.size() / 2));
  return times[times.size() / 2];
}

// From /proc: getrusage would tell of the process that started this one, too.
int64_t PeakResidentBytes() {
  const std::string status = ReadFile("/proc/self/status");
  const std::string name = "VmHWM:";
  const size_t at = status.find(name);
  if (at == status.npos) return 0;  // else "VmHWM:     1234 kB"
  const std::string_view line = std::string_view(status).substr(at + name.size());
  return ParseNumber<int64_t>(Trimmed(line.substr(0, line.find('k')))).value_or(0) * 1024;
}

// Of an observation: a file's own, whatever --input says.
std::vector<int64_t> InputOf(const Graph& graph) {
  const std::vector<int64_t> shape = graph.input_layout().shape();
  return {shape.begin() + 1, shape.end()};
}

std::string Megabytes(double bytes) { return fmt::format("{:.1f}", bytes / 1e6); }

}  // namespace

void AddNetworkBenchOptions(const Command& command, NetworkBenchArgs& args) {
  AddNetworkOption(command, args.network);
  AddNormOption(command, args.norm);
  AddNumbers(command, "--input", args.input, {1, kMostSize}, "Height, width and channels of images",
             {}, 3)
      .Kind("H,W,C");
  AddNumber(command, "--depth", args.depth, {0, kMostSize}, "Depth of volumes; 0: images");
  AddNumber(command, "--mini-batch-size,--batch-size,--batch", args.batch_size, {1, kMostSize},
            "Images of a step");
  AddNumber(command, "--classes", args.num_classes, {2, kMostSize}, "Outputs of the network");
}

void RunNetworkBench(const NetworkBenchArgs& args, const std::vector<int>& threads, double seconds,
                     bool json) {
  const Graph graph = MakeGraph(args);
  TrainingNeeds(
      graph,
      {.mini_batch_size = args.batch_size, .batch_normalization_statistics = Statistics::kMoving},
      args.batch_size, 0)
      .Check("the training step", "a smaller --mini-batch-size or --input takes less");
  TrainingStep step(graph, args.batch_size);
  Table table{{"network", "norm", "input", "batch", "threads", "step ms", "images/s", "arena MB",
               "peak MB"},
              {}};
  for (const int n : threads) {
    SetNumThreads(n);
    const double ms = MedianMilliseconds(step, seconds);
    const double rate = 1e3 * static_cast<double>(args.batch_size) / ms;
    if (json) {
      const nlohmann::ordered_json line{{"network", args.network},
                                        {"norm", args.norm},
                                        {"input", InputOf(graph)},
                                        {"batch", args.batch_size},
                                        {"threads", n},
                                        {"learnables", CountLearnables(step.parameters())},
                                        {"step_ms", std::round(ms * 1e4) / 1e4},
                                        {"images_per_second", std::round(rate)},
                                        {"arena_bytes", step.arena_bytes()},
                                        {"peak_bytes", PeakResidentBytes()}};
      std::puts(JsonText(line).c_str());
      std::fflush(stdout);
    }
    table.rows.push_back(
        {args.network, args.norm, fmt::format("{}", fmt::join(InputOf(graph), "x")),
         std::to_string(args.batch_size), std::to_string(n), fmt::format("{:.3f}", ms),
         fmt::format("{:.0f}", rate), Megabytes(static_cast<double>(step.arena_bytes())),
         Megabytes(static_cast<double>(PeakResidentBytes()))});
  }
  if (!json) std::fputs(ToText(table).c_str(), stdout);
}

}  // namespace normkit::tools
