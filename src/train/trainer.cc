#include "src/train/trainer.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <limits>

#include "normkit/data/augment.h"
#include "normkit/data/identity.h"
#include "normkit/nn/batch_statistics.h"
#include "src/core/at_work.h"
#include "src/core/fail.h"
#include "src/core/hash.h"
#include "src/core/log.h"
#include "src/core/text.h"
#include "src/data/identity.h"
#include "src/nn/finite_parameters.h"
#include "src/nn/norm_sites.h"
#include "src/train/metrics.h"
#include "src/train/needs.h"
#include "src/train/option_table.h"
#include "src/train/statistics.h"

namespace normkit {
namespace {

// Of the history, so that an iteration allocates nothing; longer runs grow by doubling.
constexpr int64_t kReservedRows = 1 << 16;

DataPtr CheckData(const DataPtr& data) {
  if (!data) Fail("training: no data given");
  if (data->size() == 0) Fail("training on '{}': has no observations", data->Description());
  if (data->classes().size() == 1)
    Fail("training on '{}': has one class, '{}', expected two or more", data->Description(),
         data->classes()[0]);
  return data;
}

std::string Fingerprint(std::span<const float> values) {
  Hash hash;
  hash.Add(values);
  return fmt::format("{:016x}", hash.value());
}

// What else makes data the same, classes and layout, stands in a model already.
void AddIdentity(const std::string& prefix, const DataSource& data,
                 std::map<std::string, std::string>& facts) {
  for (const auto& [name, value] : Identify(data))
    if (name != "classes" && name != "layout") facts[prefix + name] = value;
}

// What a model file says about its training: only what does not change between runs of the same
// seed.
std::map<std::string, std::string> Facts(const TrainingOptions& options, const DataSource& data,
                                         const TrainingResult& result) {
  std::map<std::string, std::string> facts;
  for (const auto& [name, value] : Describe(options)) facts[name] = value;
  facts["training-data"] = OneLine(data.Description());
  AddIdentity("training-data-", data, facts);
  facts["input-range"] = Name(data.Range());
  facts["iterations"] = std::to_string(result.history.size());
  if (result.best_iteration > 0) facts["best-iteration"] = std::to_string(result.best_iteration);
  if (result.has_validation) {
    facts["validation-data"] = OneLine(options.validation_data->Description());
    AddIdentity("validation-data-", *options.validation_data, facts);
    facts["validation-accuracy"] = fmt::format("{}", result.final_validation_accuracy);
    facts["validation-loss"] = fmt::format("{}", result.final_validation_loss);
  }
  if (result.stopped) facts["stopped"] = "before the end";
  if (!result.converged.empty()) facts["stopped"] = result.converged;
  if (result.stopped_early) facts["stopped"] = "validation loss no longer fell";
  return facts;
}

// The table of progress, where it is wanted.
bool IsVerbose(const TrainingOptions& options) {
  if (options.reducer && options.reducer->rank() > 0) return false;
  return options.verbose == Verbose::kOn ||
         (options.verbose == Verbose::kAuto && !options.on_row && isatty(STDOUT_FILENO));
}
// What is lost with a closed terminal is not worth the training.
void Print(const std::string& text) {
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
}

// A line is searched by losses of one function, which is that of the iterations before, too.
void CheckOneLoss(const Graph& graph) {
  for (const Node& node : graph.nodes())
    if (node.op->name() == "dropout")
      Fail("training: {} with the solver lbfgs, expected a network without anything random",
           graph.TitleOf(node.outputs.front()));
  for (const NormSite& site : MovingSites(graph))
    if (site.settings.renormalization)
      Fail(
          "training: {} is renormalized with the solver lbfgs, expected a network without (its "
          "loss is another in each iteration)",
          graph.TitleOf(site.y));
}

// What keeps a loss from growing without end.
std::string SmallerSteps(const TrainingOptions& options) {
  if (options.solver != Solver::kLbfgs)
    return fmt::format("a lower initial_learn_rate (it is {}) or a gradient_threshold",
                       options.initial_learn_rate);
  return fmt::format("{} initial_step_size (it is {})",
                     options.initial_step_size > 0 ? "a lower" : "an", options.initial_step_size);
}

const char* Describe(Lbfgs::Status status) {
  switch (status) {
    case Lbfgs::Status::kGradientTolerance:
      return "the gradient is within gradient_tolerance";
    case Lbfgs::Status::kStepTolerance:
      return "the last step was within step_tolerance";
    case Lbfgs::Status::kNoDescent:
      return "no step lowers the loss any more";
    case Lbfgs::Status::kStepped:
      break;
  }
  return "";
}

// Whether a checkpoint is due after so many of a unit.
bool SavesAfter(const TrainingOptions& options, FrequencyUnit unit, int64_t count) {
  return options.checkpoint_frequency > 0 && options.checkpoint_frequency_unit == unit &&
         count % options.checkpoint_frequency == 0;
}

}  // namespace

Trainer::Trainer(DataPtr data, const Graph& graph, const TrainingOptions& options,
                 const Parameters* begin)
    : data_(CheckData(data)),
      graph_(graph),
      options_(Resolve(options)),
      identity_(IdentifyRun(*data_, graph_, options_)),
      objective_(graph_, *data_, ObjectiveOptions::Training(options_)),
      batch_sizes_(
          BatchSizes(data_->size(), ObservationsAStep(options_, data_->size()), Single::kDrop)),
      parameters_(graph_),
      gradients_(graph_),
      micro_(MicroBatches(options_, ObservationsAStep(options_, data_->size()))),
      executor_(std::in_place, graph_, ExecutorOptions{.training = true}),
      start_(std::chrono::steady_clock::now()) {
  if (options_.validation_data) {
    const DataSource& validation = *options_.validation_data;
    const std::string difference = DifferenceOfClasses(validation.classes(), data_->classes());
    if (!difference.empty())
      Fail("validating on '{}': {} (those of the training data)", validation.Description(),
           difference);
    validation_ = std::make_unique<Evaluator>(graph_, options_.validation_data,
                                              ObjectiveOptions::Validating(options_),
                                              options_.mini_batch_size, options_.reducer);
  }
  CheckAugments();
  if (options_.solver == Solver::kLbfgs) {
    CheckOneLoss(graph_);
    lbfgs_.emplace(options_, parameters_);
  } else {
    optimizer_.emplace(options_, parameters_);
  }
  parameters_.Initialize(graph_, options_.seed);
  if (begin) {
    identity_.options.emplace_back("begins-with", Fingerprint(begin->values()));
    std::ranges::copy(begin->values(), parameters_.values().begin());
  }
  if (options_.resume_from.empty()) {
    const bool resets = options_.reset_input_normalization == ResetInputNormalization::kOn;
    if (!begin || resets)
      if (!FillInputStatistics(graph_, parameters_, *data_) && begin && rank() == 0)
        Warn(
            "training: reset_input_normalization is on, and the network's input layer normalizes "
            "nothing");
    return;
  }
  state_ = ReadCheckpoint(options_.resume_from, identity_, graph_, parameters_, SolverState());
  if (lbfgs_) lbfgs_->set_steps(state_.iteration());
  if (optimizer_) optimizer_->set_steps(state_.iteration());
  if (state_.iteration() > total())
    Fail("checkpoint '{}': stands at iteration {}, expected at most {} ({} epochs of {})",
         options_.resume_from, state_.iteration(), total(), total() / per_epoch(), per_epoch());
  seconds_before_ = state_.seconds();
}

void Trainer::CheckAugments() const {
  if (!options_.augment.any()) return;
  const std::string& format = data_->layout().format();
  if (format != "BSSC")
    Fail("training on '{}': augmentation of {}, expected pictures, BSSC", data_->Description(),
         data_->layout().ToString());
  if (objective_.of_pixels())
    Fail(
        "training on '{}': augmentation of pictures whose pixels have classes, which stay where "
        "they are, expected none",
        data_->Description());
}

double Trainer::Seconds() const {
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start_;
  return seconds_before_ + passed.count();
}

// This rank's part of a mini-batch; the score and the gradients are those of all of it.
Score Trainer::ForwardBackward(const Part& part) {
  Executor& executor = *executor_;
  const int rank = part.reducer ? part.reducer->rank() : 0,
            ranks = part.reducer ? part.reducer->ranks() : 1;
  const BatchPart own = BatchPart::OfRank(std::ssize(part.indices), rank, ranks);
  const Batch& batch = reader_.Read(*data_, part.indices, own, executor);
  Augment(options_.augment, data_->layout(),
          part.indices.subspan(static_cast<size_t>(own.begin()), static_cast<size_t>(own.size())),
          options_.seed, part.epoch, executor.input());
  const RunContext run{
      .training = true,
      .seed = options_.seed,
      .iteration = static_cast<uint64_t>(part.iteration),
      .reducer = part.reducer,
      .synchronized = part.reducer == &micro_ || options_.batch_norm_sync == BatchNormSync::kOn};
  executor.Forward(parameters_, run);
  if (part.moves_statistics)
    MoveStatistics(graph_, executor, parameters_, run.synchronized ? nullptr : part.reducer);
  doutput_.resize(
      static_cast<size_t>(executor.part(objective_.from()).rows() * objective_.width()));
  const Score score = objective_.Evaluate(executor, batch, part.reducer, doutput_, nullptr);
  executor.Backward(parameters_, doutput_, objective_.from(), run, gradients_);
  return score;
}

// The same, a part at a time. In the walk in which the first part gets to its end all do.
Score Trainer::RunMicroBatches(Part part) {
  part.reducer = &micro_;
  micro_.BeginMiniBatch();
  for (bool last = false;;) {
    Score score;
    for (int i = 0; i < micro_.ranks(); ++i) {
      micro_.BeginPart(i);
      part.moves_statistics = last && i + 1 == micro_.ranks();
      try {
        score = ForwardBackward(part);
        last |= i == 0;
      } catch (const MicroReducer::Paused&) {
      }
    }
    if (last) return score;
  }
}

// Any rank stops all.
bool Trainer::Stops() const {
  double stops = stopped_ || (options_.stop && *options_.stop) ? 1 : 0;
  if (options_.reducer) options_.reducer->Sum({&stops, 1});
  return stops > 0;
}

void Trainer::CheckLoss(double loss, int64_t epoch, int64_t iteration) const {
  if (std::isfinite(loss)) return;
  Fail<DivergedError>(
      "training: loss is {} at iteration {} (epoch {}), expected a finite number; try {} (the "
      "observations are finite)",
      loss, iteration, epoch, SmallerSteps(options_));
}

bool Trainer::Validates(int64_t iteration) const {
  return validation_ && (iteration % options_.validation_frequency == 0 || iteration == total());
}

void Trainer::Validate(ProgressRow& row) {
  const bool answers = options_.metric_function || options_.objective_metric == Metric::kFScore ||
                       options_.objective_metric == Metric::kDice ||
                       options_.objective_metric == Metric::kAuc;
  const Score score = validation_->Run(parameters_, answers ? &predictions_ : nullptr);
  row.has_validation = true;
  row.validation_accuracy = score.accuracy();
  row.validation_loss = score.mean_loss();
  CheckLoss(row.validation_loss, row.epoch, row.iteration);
  {
    const Elsewhere may_be_the_callers;
    row.validation_metric = validation_->MetricOf(options_, score, predictions_);
  }
  if (!std::isfinite(row.validation_metric))
    Fail("training: the objective metric is {} at iteration {}, expected a finite number",
         row.validation_metric, row.iteration);
}

// The first of the best validations so far; null: there is none.
const ProgressRow* Trainer::BestRow() const {
  const Metric metric = options_.metric_function ? Metric::kAccuracy : options_.objective_metric;
  const ProgressRow* best = nullptr;
  for (const ProgressRow& row : state_.history)
    if (row.has_validation &&
        (!best || IsBetter(metric, row.validation_metric, best->validation_metric)))
      best = &row;
  return best;
}

bool Trainer::OutOfPatience() const {
  const ProgressRow* best = BestRow();
  if (options_.validation_patience == 0 || !best) return false;
  const auto since = std::count_if(state_.history.begin() + best->iteration, state_.history.end(),
                                   [](const ProgressRow& row) { return row.has_validation; });
  return since >= options_.validation_patience;
}

Score Trainer::RunAll(const Part& part) {
  return micro_.ranks() > 1 ? RunMicroBatches(part) : ForwardBackward(part);
}

void Trainer::Step(const Part& part, ProgressRow& row) {
  {
    const Elsewhere may_be_the_callers;
    row.learn_rate = LearnRate(options_, row.iteration, per_epoch());
  }
  if (!(row.learn_rate >= 0) || !std::isfinite(row.learn_rate))  // a function may give anything
    Fail("training: the learning rate is {} at iteration {}, expected a finite number, 0 or more",
         row.learn_rate, row.iteration);
  const Score score = RunAll(part);
  row.batch_accuracy = score.accuracy();
  row.batch_loss = score.mean_loss();
  CheckLoss(row.batch_loss, row.epoch, row.iteration);
  optimizer_->Step(parameters_, gradients_, row.learn_rate);
}

// What is no solver's, running statistics.
void Trainer::CopyState(std::span<const float> from, std::span<float> to) const {
  for (const Parameter& p : parameters_.list())
    if (!p.trainable) std::copy_n(from.begin() + p.offset, p.size, to.begin() + p.offset);
}

// A step of lbfgs, of which the row says where it ends; false: there is none to take. Running
// statistics move by what the observations are there, not by what was tried on the way.
bool Trainer::StepOfAll(const Part& part, ProgressRow& row) {
  std::optional<Score> first;
  Score score;
  state_before_.resize(parameters_.values().size());
  CopyState(parameters_.values(), state_before_);
  const auto loss = [&](const Parameters&, Parameters&) {
    CopyState(state_before_, parameters_.values());
    score = RunAll(part);
    if (!first) first = score;
    return score.mean_loss();
  };
  lbfgs_end_ = lbfgs_->Step(parameters_, gradients_, std::cref(loss));  // which allocates nothing
  if (lbfgs_end_ == Lbfgs::Status::kStepped) {
    row.learn_rate = lbfgs_->step_size();
  } else {
    CopyState(state_before_, parameters_.values());
    if (!state_.history.empty() || !first) return false;
    score = *first;  // a run of no step has a row, too
  }
  row.batch_accuracy = score.accuracy();
  row.batch_loss = score.mean_loss();
  return true;
}

// false: there is nothing to gain any more.
bool Trainer::RunIteration(int64_t epoch, std::span<const int64_t> indices) {
  ProgressRow row{.epoch = epoch, .iteration = state_.iteration() + 1};
  const Part part{indices, epoch, row.iteration, options_.reducer, true};
  if (!lbfgs_)
    Step(part, row);
  else if (!StepOfAll(part, row))
    return false;
  if (Validates(row.iteration)) Validate(row);
  row.seconds = Seconds();
  state_.history.push_back(row);
  KeepIfBest();
  if (rank() == 0) Report(row);
  return true;
}

void Trainer::KeepIfBest() {
  if (state_.history.back().has_validation && KeepsBest(options_) &&
      BestRow() == &state_.history.back())
    state_.best = parameters_.Clone();
}

// What converges ends between validations, and may be the best.
void Trainer::ValidateLast() {
  if (!validation_ || state_.history.back().has_validation) return;
  Validate(state_.history.back());
  KeepIfBest();
  const Elsewhere callers;
  if (rank() == 0) Show(state_.history.back());
}

void Trainer::Report(const ProgressRow& row) {
  const Elsewhere callers;
  if (options_.on_iteration) options_.on_iteration(row);
  const bool shown = row.has_validation || row.iteration == 1 || row.iteration == total() ||
                     row.iteration % options_.verbose_frequency == 0;
  if (shown) Show(row);
  if (Tells(TrainingInfo::State::kIteration)) stopped_ = true;
}

void Trainer::Show(const ProgressRow& row) {
  if (options_.on_row) options_.on_row(row);
  if (table_) Print(table_->Row(row));
}

// What the output function says: whether to stop.
bool Trainer::Tells(TrainingInfo::State state) const {
  if (!options_.output_function || rank() > 0) return false;
  return options_.output_function(
      {.state = state,
       .row = state_.history.empty() ? ProgressRow{} : state_.history.back(),
       .iterations = total(),
       .per_epoch = per_epoch(),
       .graph = &graph_,
       .parameters = &parameters_,
       .gradients = state == TrainingInfo::State::kIteration ? &gradients_ : nullptr});
}

void Trainer::CheckParameters() const {
  const std::string bad = FindBadParameter(graph_, parameters_);
  if (bad.empty()) return;
  Fail<DivergedError>("training: after iteration {} {}; try {}", state_.iteration(), bad,
                      SmallerSteps(options_));
}

SolverArrays Trainer::SolverState() { return lbfgs_ ? lbfgs_->State() : optimizer_->State(); }

void Trainer::SaveCheckpoint() {
  if (options_.checkpoint_path.empty()) return;
  CheckParameters();  // the checkpoint before is worth more
  if (rank() == 0) {
    const Elsewhere writes;
    WriteCheckpoint(options_.checkpoint_path, identity_, options_, parameters_, SolverState(),
                    state_);
  }
  saved_ = state_.iteration();
}

// Where that fails: what was learned is worth more than the file.
void Trainer::TrySaveCheckpoint() {
  try {
    SaveCheckpoint();
  } catch (const DivergedError&) {
    throw;
  } catch (const Error& error) {
    Warn("{} (the checkpoint after iteration {}; training is not lost)", error.what(),
         state_.iteration());
  }
}

Trainer::End Trainer::RunIterations() {
  const AtWork work;
  state_.history.reserve(static_cast<size_t>(std::min(total(), kReservedRows)));
  std::vector<int64_t> order;
  std::vector<std::span<const int64_t>> batches;
  while (state_.iteration() < total()) {
    const int64_t epoch = state_.iteration() / per_epoch() + 1;
    if (order.empty() || (!lbfgs_ && options_.shuffle == Shuffle::kEveryEpoch)) {
      order = EpochOrder(data_->size(), lbfgs_ ? Shuffle::kNever : options_.shuffle, options_.seed,
                         epoch);
      batches = Cut(order, batch_sizes_);
    }
    for (int64_t i = state_.iteration() % per_epoch(); i < per_epoch(); ++i) {
      if (Stops()) return End::kStopped;
      if (!RunIteration(epoch, batches[static_cast<size_t>(i)])) {
        ValidateLast();
        return End::kConverged;
      }
      if (state_.history.back().has_validation && OutOfPatience()) return End::kPatience;
      if (SavesAfter(options_, FrequencyUnit::kIteration, state_.iteration())) TrySaveCheckpoint();
    }
    if (SavesAfter(options_, FrequencyUnit::kEpoch, epoch)) TrySaveCheckpoint();
  }
  return End::kDone;
}

TrainingResult Trainer::Finish(End end) {
  TrainingResult result;
  result.of_classes = objective_.of_classes();
  result.stopped = end == End::kStopped;
  result.stopped_early = end == End::kPatience;
  if (end == End::kConverged) result.converged = Describe(lbfgs_end_);
  result.peak_bytes = executor_->arena_bytes();
  executor_.reset();
  // A stopped run goes on from where it is, and ends with the best one.
  if (state_.best && !result.stopped) {
    result.best_iteration = BestRow()->iteration;
    parameters_ = std::move(*state_.best);
  }
  CheckParameters();
  result.statistics_gaps = FinishStatistics(graph_, parameters_, MovingSites(graph_), *data_,
                                            {options_.mini_batch_size, options_.reducer},
                                            options_.batch_normalization_statistics);
  AddSampledGaps(graph_, parameters_, MovingSites(graph_), data_,
                 {options_.mini_batch_size, options_.reducer},
                 options_.batch_normalization_statistics, result.statistics_gaps);
  if (validation_) {
    const Score score = validation_->Run(parameters_);
    if (const std::string bad = validation_->BadOutput(score); !bad.empty())
      Fail<DivergedError>("{}", bad);
    result.has_validation = true;
    result.final_validation_accuracy = score.accuracy();
    result.final_validation_loss = score.mean_loss();
  }
  result.seconds = Seconds();
  Tells(TrainingInfo::State::kDone);
  result.history = std::move(state_.history);
  result.network.facts = Facts(options_, *data_, result);
  result.network.classes = data_->classes();
  result.network.graph = std::move(graph_);
  result.network.parameters = std::move(parameters_);
  return result;
}

TrainingResult Trainer::Run() {
  // A checkpoint of a run that ended by patience ends at once.
  SaveCheckpoint();
  End end = End::kPatience;
  stopped_ = Tells(TrainingInfo::State::kStart);
  if (IsVerbose(options_)) {
    table_.emplace(objective_.of_classes(), validation_ != nullptr);
    Print(table_->Header());
  }
  try {
    if (!OutOfPatience()) end = RunIterations();
  } catch (...) {  // a checkpoint in which nothing stands yet is not left
    if (rank() == 0 && saved_ == 0 && options_.resume_from.empty())
      std::remove(options_.checkpoint_path.c_str());
    throw;
  }
  if (saved_ != state_.iteration()) TrySaveCheckpoint();
  const bool checkpointed = saved_ == state_.iteration();
  if (table_) Print(table_->Rule());
  TrainingResult result = Finish(end);
  result.checkpointed = checkpointed;
  return result;
}

namespace {

TrainingResult Train(const DataPtr& data, const Graph& graph, const TrainingOptions& options,
                     const Parameters* begin) {
  TrainingNeeds(graph, options, *CheckData(data), options.validation_data.get())
      .Check(fmt::format("training on '{}'", data->Description()),
             "smaller observations or mini_batch_size take less");
  return Trainer(data, graph, options, begin).Run();
}

}  // namespace

TrainingResult TrainNetwork(const DataPtr& data, const Graph& graph,
                            const TrainingOptions& options) {
  return Train(data, graph, options, nullptr);
}

TrainingResult TrainNetwork(const DataPtr& data, const Network& network,
                            const TrainingOptions& options) {
  if (network.parameters.values().size() != Parameters(network.graph).values().size())
    Fail("training: the network's parameters are those of another graph");
  return Train(data, network.graph, options, &network.parameters);
}

}  // namespace normkit
