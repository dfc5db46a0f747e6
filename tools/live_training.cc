#include "tools/live_training.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ctime>

#include "src/nn/norm_sites.h"
#include "src/train/batches.h"
#include "src/train/objective.h"
#include "tools/interrupt.h"

namespace normkit::tools {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kBetweenSamples = std::chrono::milliseconds(250);
constexpr int kShareOfTime = 100;  // one part of so many
constexpr size_t kMostCurves = 200;

// What a normalization learned and gathered: where it is, what the plot is called.
struct NormPlot {
  int NormSite::*place;
  const char* title;
};
constexpr NormPlot kNormPlots[] = {{&NormSite::scale, "Scale"},
                                   {&NormSite::offset, "Offset"},
                                   {&NormSite::mean, "Trained mean"},
                                   {&NormSite::variance, "Trained standard deviation"}};

size_t CurvesOf(const NormSite& site) {
  return static_cast<size_t>(std::ranges::count_if(
      kNormPlots, [&](const NormPlot& plot) { return site.*plot.place >= 0; }));
}

void SayLeftOut(size_t shown, size_t all, const char* of, LiveFacts& facts) {
  if (shown == all) return;
  facts.left_out +=
      fmt::format("{}{} of the first {} of {}", facts.left_out.empty() ? "" : "; ", of, shown, all);
}

double SumOfSquares(std::span<const float> values) {
  double sum = 0;
  for (const float value : values) sum += double{value} * value;
  return sum;
}

// Of the processor: time in which others had it is not the samples'.
Clock::duration TimeOfThread() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace

LiveTraining::LiveTraining(const LiveTexts& texts, const DataSource& data, const Graph& graph,
                           const TrainingOptions& options)
    : to_stderr_(texts.to_stderr) {
  const int64_t per_epoch = IterationsPerEpoch(options, data.size());
  LiveFacts facts{.title = texts.title,
                  .measure = TellsClasses(graph, data, options.loss) ? "accuracy" : "RMSE",
                  .iterations = TotalIterations(options, data.size()),
                  .per_epoch = per_epoch,
                  .settings = texts.settings};
  const Parameters parameters(graph);
  AddGradients(graph, parameters, facts);
  AddNorms(graph, facts);
  sample_.reserve(SampleWidth(facts));
  page_.emplace(std::move(facts), [] { Interrupt(); });
}

void LiveTraining::AddGradients(const Graph& graph, const Parameters& parameters,
                                LiveFacts& facts) {
  const char* plot = "Norm of the gradient";
  Probe all{Probe::What::kAllGradients, {}};
  for (size_t i = 0; i < parameters.list().size(); ++i)
    if (parameters.list()[i].trainable) all.parameters.push_back(i);
  facts.curves.push_back({.plot = plot, .layer = "all", .log = true});
  probes_.push_back(std::move(all));
  size_t shown = 0, learning = 0;
  for (int layer = 0; layer < graph.num_layers(); ++layer) {
    Probe probe{Probe::What::kGradients, {}};
    for (size_t i = 0; i < parameters.list().size(); ++i)
      if (parameters.list()[i].layer == layer && parameters.list()[i].trainable)
        probe.parameters.push_back(i);
    if (probe.parameters.empty()) continue;
    ++learning;
    if (probes_.size() >= kMostCurves / 2) continue;
    ++shown;
    facts.curves.push_back({.plot = plot, .layer = graph.layer(layer).layer->name(), .log = true});
    probes_.push_back(std::move(probe));
  }
  SayLeftOut(shown, learning, "gradients of layers", facts);
}

// All curves of the first normalizations, rather than some of all.
void LiveTraining::AddNorms(const Graph& graph, LiveFacts& facts) {
  std::vector<NormSite> sites = NormSites(graph);
  std::erase_if(sites, [](const NormSite& site) { return CurvesOf(site) == 0; });
  const size_t all = sites.size();
  size_t shown = 0, curves = probes_.size();
  while (shown < all && curves + CurvesOf(sites[shown]) <= kMostCurves)
    curves += CurvesOf(sites[shown++]);
  sites.resize(shown);
  SayLeftOut(shown, all, "normalizations", facts);
  for (const auto& [place, title] : kNormPlots)
    for (const NormSite& site : sites) {
      if (site.*place < 0) continue;
      facts.curves.push_back({.plot = title, .layer = site.name, .band = true});
      probes_.push_back({place == &NormSite::variance ? Probe::What::kRoots : Probe::What::kValues,
                         {static_cast<size_t>(site.*place)}});
    }
  if (!facts.left_out.empty()) facts.left_out = "Shown are " + facts.left_out + ".";
}

void LiveTraining::Put(const Probe& probe, const TrainingInfo& info) {
  const auto& list = info.parameters->list();
  if (probe.what == Probe::What::kGradients || probe.what == Probe::What::kAllGradients) {
    double sum = 0;
    for (const size_t i : probe.parameters) sum += SumOfSquares(info.gradients->Get(list[i]));
    sample_.push_back(std::sqrt(sum));
    return;
  }
  const auto values = info.parameters->Get(list[probe.parameters[0]]);
  const auto shown = [&](double value) {
    return probe.what == Probe::What::kRoots ? std::sqrt(value) : value;
  };
  double low = INFINITY, high = -INFINITY, sum = 0;
  for (const float value : values) {
    low = std::min(low, shown(value));
    high = std::max(high, shown(value));
    sum += shown(value);
  }
  sample_.insert(sample_.end(), {low, sum / static_cast<double>(values.size()), high});
}

bool LiveTraining::IsTime() { return Clock::now() >= next_sample_; }

void LiveTraining::Sample(const TrainingInfo& info) {
  const Clock::duration begin = TimeOfThread();
  sample_.assign({static_cast<double>(info.row.iteration)});
  for (const Probe& probe : probes_) Put(probe, info);
  page_->log().Append(TrainingLog::kSamples, sample_);
  next_sample_ = Clock::now() + std::max<Clock::duration>(kBetweenSamples,
                                                          kShareOfTime * (TimeOfThread() - begin));
}

// At once, also into a pipe: whoever waits for it can look.
void LiveTraining::Say() const {
  std::FILE* file = to_stderr_ ? stderr : stdout;
  std::fprintf(file, "The training is shown at %s\n", page_->url().c_str());
  std::fflush(file);
  OpenOnDesktop(page_->url());
}

void LiveTraining::Tell(const TrainingInfo& info) {
  if (info.state == TrainingInfo::State::kStart) Say();
  if (info.state != TrainingInfo::State::kIteration) return;
  const ProgressRow& row = info.row;
  const auto iteration = static_cast<double>(row.iteration);
  const double values[] = {iteration, row.seconds, row.batch_loss, row.batch_accuracy,
                           row.learn_rate};
  static_assert(std::size(values) == TrainingLog::kIterationWidth);
  page_->log().Append(TrainingLog::kIterations, values);
  if (row.has_validation) {
    const double validated[] = {iteration, row.validation_loss, row.validation_accuracy};
    page_->log().Append(TrainingLog::kValidations, validated);
  }
  if (IsTime() || row.iteration == info.iterations) Sample(info);
  if (row.iteration == info.iterations) page_->log().SetState("finishing", "");
}

void LiveTraining::End(const std::string& state, const std::string& note) {
  page_->log().SetState(state, note);
}

}  // namespace normkit::tools
