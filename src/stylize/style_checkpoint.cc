// Stopping a style training and going on: a checkpoint of training, whose rows hold the losses.
#include "src/core/fail.h"
#include "src/stylize/style_trainer.h"

namespace normkit {
namespace {

// A row's accuracy of the mini-batch is not there; its validation holds the parts of the loss.
ProgressRow ToProgress(const StyleRow& row) {
  return {.epoch = 1,
          .iteration = row.step,
          .seconds = row.seconds,
          .batch_accuracy = row.of.variation,
          .batch_loss = row.of.loss,
          .has_validation = true,
          .validation_accuracy = row.of.content,
          .validation_loss = row.of.style};
}

StyleRow FromProgress(const ProgressRow& row) {
  return {row.iteration,
          row.seconds,
          {row.batch_loss, row.validation_accuracy, row.validation_loss, row.batch_accuracy}};
}

}  // namespace

RunIdentity StyleTrainer::Identity() const {
  RunIdentity identity{.data = contents_.Identity(), .data_name = contents_.description()};
  std::string layers;
  for (const LayerRecord& record : graph_.layers())
    layers += fmt::format("{} ({}); ", Title(*record.layer), record.layer->Description());
  const auto add = [&](const char* name, const auto& value) {
    identity.options.emplace_back(name, fmt::format("{}", value));
  };
  add("layers", layers);
  add("norm", Name(options_.network.norm));
  add("width", options_.network.width);
  add("blocks", options_.network.blocks);
  add("styles", options_.network.styles);
  add("style-pictures", styles_hash_);
  add("features", features_->Description());
  add("content-weight", options_.weights.content);
  add("style-weight", options_.weights.style);
  add("variation-weight", options_.weights.variation);
  add("steps", options_.steps);
  add("size", options_.size);
  add("mini-batch-size", options_.mini_batch_size);
  add("learn-rate", options_.learn_rate);
  add("seed", options_.seed);
  add("trains", only_last_ ? "the last style" : "all");
  return identity;
}

void StyleTrainer::Save(const std::string& checkpoint) {
  RunState state;
  for (const StyleRow& row : history_) state.history.push_back(ToProgress(row));
  WriteCheckpoint(checkpoint, Identity(), SolverOptions(), parameters_, optimizer_.State(), state);
}

void StyleTrainer::Resume(const std::string& checkpoint) {
  const RunState state =
      ReadCheckpoint(checkpoint, Identity(), graph_, parameters_, optimizer_.State());
  optimizer_.set_steps(state.iteration());
  history_.clear();
  for (const ProgressRow& row : state.history) history_.push_back(FromProgress(row));
  seconds_before_ = state.seconds();
  start_ = std::chrono::steady_clock::now();
}

}  // namespace normkit
