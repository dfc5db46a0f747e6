#include "src/stylize/style_trainer.h"

#include <algorithm>
#include <cmath>

#include "normkit/nn/batch_statistics.h"
#include "normkit/train/train.h"
#include "src/core/fail.h"
#include "src/core/memory_needs.h"
#include "src/stylize/pixels.h"

namespace normkit {
namespace {

constexpr float kOnly = 1;

// Of scales or offsets of all styles, [C,styles], which no other array of the network is alike.
bool IsTable(const Parameter& p, int64_t styles) {
  return p.shape.size() == 2 && p.shape[1] == styles;
}

StyleTrainingOptions Checked(StyleTrainingOptions options, const StyleFeatures& features,
                             size_t styles) {
  const int64_t smallest = std::max<int64_t>(features.SmallestSide(), 16);
  if (options.size < smallest || options.size % 4 != 0)
    Fail("style training: size is {}, expected a multiple of 4 from {}", options.size, smallest);
  options.network.styles = static_cast<int64_t>(styles);
  options.network.picture_height = options.network.picture_width = options.size;
  return options;
}

}  // namespace

StyleTrainer::StyleTrainer(const StyleTrainingOptions& options,
                           std::shared_ptr<const StyleFeatures> features,
                           const std::vector<Image>& styles, ContentPictures contents)
    : options_(Checked(options, *features, styles.size())),
      features_(std::move(features)),
      targets_(TargetsOf(*features_, styles)),
      styles_hash_(HashOf(styles)),
      contents_(std::move(contents)),
      graph_(LossGraph(/*of_network=*/true)),
      parameters_(BeginStyleNetwork(graph_, options_.seed)),
      gradients_(graph_),
      optimizer_(SolverOptions(), parameters_),
      executor_(graph_, {.training = true, .keep = graph_.layers().back().outputs}),
      start_(std::chrono::steady_clock::now()) {
  MemoryNeeds needs;
  needs.Add("activations",
            Executor::PlannedBytes(graph_, options_.mini_batch_size, /*training=*/true));
  needs.Check("training the style network", "a smaller size or mini-batch takes less");
  executor_.SetBatchSize(options_.mini_batch_size);
}

// Of what the network makes of the first input, or of the pictures themselves.
Graph StyleTrainer::LossGraph(bool of_network) const {
  Graph graph;
  std::vector<Value> reads;
  if (of_network) {
    graph = MakeStyleNetwork(options_.network);
    reads = {graph.output(), graph.inputs()[0]};
  } else {
    reads = {graph.Add(ImageInput({.name = "image",
                                   .input_size = {options_.size, options_.size, 3},
                                   .normalization = InputNormalization::kNone}))};
    reads.push_back(reads[0]);
    if (options_.network.styles > 1)
      graph.Add(FeatureInput({.name = "style", .num_features = options_.network.styles}), {});
  }
  if (options_.network.styles > 1) reads.push_back(graph.inputs()[1]);
  graph.Add(std::make_shared<StyleLossLayer>(features_, targets_, options_.weights), reads);
  return graph;
}

TrainingOptions StyleTrainer::SolverOptions() const {
  return Resolve({.solver = Solver::kAdam,
                  .max_epochs = 1,
                  .mini_batch_size = options_.mini_batch_size,
                  .initial_learn_rate = options_.learn_rate,
                  .learn_rate_schedule = Schedule::kCosine,
                  .l2_regularization = 0,
                  .seed = options_.seed});
}

double StyleTrainer::Seconds() const {
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start_;
  return seconds_before_ + passed.count();
}

// One style an observation, in turn; `only`: that one.
void StyleTrainer::FillStyles(Executor& executor, const Graph& graph, int64_t step,
                              int64_t only) const {
  if (graph.inputs().size() < 2) return;
  const std::span<float> weights = executor.input(1).values<float>();
  std::ranges::fill(weights, 0.f);
  const int64_t styles = options_.network.styles, count = std::ssize(weights) / styles;
  for (int64_t b = 0; b < count; ++b) {
    const int64_t style = only >= 0 ? only : (step * count + b) % styles;
    weights[static_cast<size_t>(b * styles + style)] = kOnly;
  }
}

StyleLosses StyleTrainer::LossesOf(const Executor& executor, const Graph& graph) const {
  const std::vector<Value>& outputs = graph.layers().back().outputs;
  const auto number = [&](size_t i) { return static_cast<double>(executor.value(outputs[i])[0]); };
  return {number(0), number(1), number(2), number(3)};
}

void StyleTrainer::RunStep() {
  const int64_t step = std::ssize(history_) + 1;
  contents_.CutOut(options_.seed, step, options_.size, executor_.input(0).values<float>());
  FillStyles(executor_, graph_, step, only_last_ ? options_.network.styles - 1 : -1);
  const RunContext run{
      .training = true, .seed = options_.seed, .iteration = static_cast<uint64_t>(step)};
  executor_.Forward(parameters_, run);
  if (!only_last_) MoveStatistics(graph_, executor_, parameters_);
  const StyleLosses losses = LossesOf(executor_, graph_);
  if (!std::isfinite(losses.loss))
    Fail<DivergedError>(
        "style training: loss is {} at step {}, expected a finite number; try a lower learning "
        "rate (it is {})",
        losses.loss, step, options_.learn_rate);
  executor_.Backward(parameters_, {&kOnly, 1}, graph_.output(), run, gradients_);
  if (only_last_) KeepToLastStyle();
  optimizer_.Step(parameters_, gradients_, LearnRate(SolverOptions(), step, options_.steps));
  history_.push_back({step, Seconds(), losses});
}

// Adam leaves alone what never had a gradient.
void StyleTrainer::KeepToLastStyle() {
  const int64_t styles = options_.network.styles;
  for (const Parameter& p : gradients_.list()) {
    const std::span<float> gradient = gradients_.Get(p);
    const bool is_table = IsTable(p, styles);
    for (int64_t i = 0; i < p.size; ++i)
      if (!is_table || i % styles != styles - 1) gradient[static_cast<size_t>(i)] = 0;
  }
}

void StyleTrainer::AddStyleTo(const Network& network) {
  const int64_t styles = options_.network.styles;
  for (const Parameter& p : parameters_.list()) {
    if (!p.trainable) continue;  // a constant to other readers of the file
    const Parameter* from = network.parameters.Find(p.name);
    const bool is_table = IsTable(p, styles);
    if (!from || from->size != (is_table ? p.size / styles * (styles - 1) : p.size))
      Fail("adding a style: '{}' has {} values in the network, expected {} of {} styles", p.name,
           from ? from->size : 0, is_table ? p.size / styles * (styles - 1) : p.size, styles - 1);
    const std::span<const float> values = network.parameters.Get(*from);
    const std::span<float> to = parameters_.Get(p);
    if (!is_table) {
      std::ranges::copy(values, to.begin());
      continue;
    }
    // A row a channel; the new style begins as the mean of the others.
    const auto known = static_cast<size_t>(styles - 1);
    for (size_t row = 0; row < static_cast<size_t>(p.shape[0]); ++row) {
      const auto others = values.subspan(row * known, known);
      float sum = 0;
      for (const float value : others) sum += value;
      std::ranges::copy(others, to.begin() + static_cast<int64_t>(row * (known + 1)));
      to[row * (known + 1) + known] = sum / static_cast<float>(known);
    }
  }
  only_last_ = true;
}

bool StyleTrainer::Run(const std::function<void(const StyleRow&)>& on_step) {
  while (std::ssize(history_) < options_.steps) {
    if (options_.stop && *options_.stop) return false;
    RunStep();
    on_step(history_.back());
  }
  return true;
}

Network StyleTrainer::network() const {
  Network network;
  network.graph = MakeStyleNetwork(options_.network);
  network.parameters = Parameters(network.graph);
  for (const Parameter& p : network.parameters.list())
    std::ranges::copy(parameters_.Get(*parameters_.Find(p.name)),
                      network.parameters.Get(p).begin());
  network.facts = {{"Image.BitmapPixelFormat", "Rgb8"},
                   {"Image.NominalPixelRange", "Normalized_0_1"}};
  for (const auto& [name, value] : Identity().options)
    if (name != "layers") network.facts["style." + name] = value;
  return network;
}

std::vector<Image> StyleTrainer::Show(const std::vector<Image>& contents, int64_t style) const {
  const Network current = network();
  Executor executor(current.graph, std::ssize(contents), /*training=*/false);
  const std::span<float> x = executor.input(0).values<float>();
  const size_t each = x.size() / contents.size();
  for (size_t i = 0; i < contents.size(); ++i)
    ToValues(contents[i], {.largest = 1}, x.subspan(i * each, each));
  FillStyles(executor, current.graph, 0, style);
  const std::span<const float> y = executor.Forward(current.parameters, {});
  std::vector<Image> styled;
  for (size_t i = 0; i < contents.size(); ++i)
    styled.push_back(
        FromValues(y.subspan(i * each, each), options_.size, options_.size, {.largest = 1}));
  return styled;
}

StyleLosses StyleTrainer::Measure(const std::vector<Image>& contents, int64_t style,
                                  bool as_they_are) {
  const Graph graph = LossGraph(!as_they_are);
  ExecutorOptions options;
  options.keep = graph.layers().back().outputs;
  Executor executor(graph, options);
  executor.SetBatchSize(std::ssize(contents));
  const std::span<float> x = executor.input(0).values<float>();
  const size_t each = x.size() / contents.size();
  for (size_t i = 0; i < contents.size(); ++i) {
    const int64_t side = options_.size;
    if (contents[i].height != side || contents[i].width != side)
      Fail("style losses: a picture of {} x {} pixels, expected {} x {}", contents[i].width,
           contents[i].height, side, side);
    ToValues(contents[i], {.largest = 1}, x.subspan(i * each, each));
  }
  FillStyles(executor, graph, 0, style);
  const Parameters none(graph);
  executor.Forward(as_they_are ? none : parameters_, {});
  return LossesOf(executor, graph);
}

}  // namespace normkit
