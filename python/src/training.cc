// Training and evaluation, with functions of Python's along the way.
#include <nanobind/nanobind.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <atomic>
#include <map>
#include <optional>
#include <string>

#include "normkit/train/train.h"
#include "python/src/module.h"
#include "python/src/networks.h"
#include "src/core/fail.h"
#include "src/train/option_table.h"

namespace normkit::python {

namespace nb = nanobind;

namespace {

nb::dict ToDict(const ProgressRow& row) {
  nb::dict values;
  values["epoch"] = row.epoch;
  values["iteration"] = row.iteration;
  values["seconds"] = row.seconds;
  values["batch_accuracy"] = row.batch_accuracy;
  values["batch_loss"] = row.batch_loss;
  if (row.has_validation) {
    values["validation_accuracy"] = row.validation_accuracy;
    values["validation_loss"] = row.validation_loss;
  }
  values["learn_rate"] = row.learn_rate;
  return values;
}

// What Python is asked during a training. The first exception, of a function or of Ctrl-C, stops
// the training and is kept.
class Watch {
 public:
  Watch(nb::object on_iteration, nb::object on_row)
      : on_iteration_(std::move(on_iteration)), on_row_(std::move(on_row)) {}

  void Iteration(const ProgressRow& row) { Ask(on_iteration_, row); }
  void Row(const ProgressRow& row) { Ask(on_row_, row); }
  const std::atomic<bool>* stop() const { return &stop_; }
  void Rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  // A function that returns True wants the training to end here.
  void Ask(const nb::object& function, const ProgressRow& row) {
    if (error_) return;
    const nb::gil_scoped_acquire locked;
    try {
      if (PyErr_CheckSignals() != 0) throw nb::python_error();
      if (!function.is_none() && function(ToDict(row)).is(nb::bool_(true))) stop_ = true;
    } catch (...) {
      error_ = std::current_exception();
      stop_ = true;
    }
  }

  nb::object on_iteration_, on_row_;
  std::atomic<bool> stop_ = false;
  std::exception_ptr error_;
};

using Words = std::map<std::string, std::string>;

// What is wrong with a word, and whose it is.
void ParseWord(const std::string& name, const std::string& word, TrainingOptions* options) {
  const TrainingOption& option = FindTrainingOption(name);
  try {
    ParseInto(option, word, options);
  } catch (const Error& error) {
    Fail("training options: {}: {}", name, error.what());
  }
}

TrainingOptions ToOptions(const Words& words) {
  TrainingOptions options;
  for (const auto& [name, word] : words) {
    if (name == "checkpoint_path")
      options.checkpoint_path = word;
    else if (name == "resume_from")
      options.resume_from = word;
    else
      ParseWord(name, word, &options);
  }
  return options;
}

nb::dict ToDict(const TrainingResult& result, HeldNetwork network) {
  nb::list history;
  for (const ProgressRow& row : result.history) history.append(ToDict(row));
  nb::dict values;
  values["network"] = nb::cast(std::move(network));
  values["history"] = history;
  if (result.has_validation) {
    values["validation_accuracy"] = result.final_validation_accuracy;
    values["validation_loss"] = result.final_validation_loss;
  }
  values["stopped"] = result.stopped;
  values["stopped_early"] = result.stopped_early;
  values["seconds"] = result.seconds;
  values["peak_bytes"] = result.peak_bytes;
  return values;
}

const Graph& WhatBegins(const HeldGraph& held) { return held.graph; }
const Network& WhatBegins(const HeldNetwork& held) { return *held.network; }

template <class Held>
nb::dict Train(const HeldData& data, const Held& start, const Words& words,
               const HeldData* validation, nb::object on_iteration, nb::object on_row) {
  TrainingOptions options = ToOptions(words);
  Watch watch(std::move(on_iteration), std::move(on_row));
  if (validation) options.validation_data = validation->data;
  options.on_iteration = [&](const ProgressRow& row) { watch.Iteration(row); };
  options.on_row = [&](const ProgressRow& row) { watch.Row(row); };
  options.stop = watch.stop();
  std::optional<TrainingResult> result;
  {
    const nb::gil_scoped_release unlocked;
    result = TrainNetwork(data.data, WhatBegins(start), options);
  }
  watch.Rethrow();
  HeldNetwork network{std::make_shared<const Network>(std::move(result->network))};
  return ToDict(*result, std::move(network));
}

nb::dict EvaluateOn(const HeldNetwork& held, const HeldData& data, int64_t mini_batch_size) {
  Evaluation evaluation;
  {
    const nb::gil_scoped_release unlocked;
    evaluation = Evaluate(*held.network, data.data, mini_batch_size);
  }
  nb::dict values;
  values["accuracy"] = evaluation.accuracy;
  values["loss"] = evaluation.loss;
  values["predicted"] = evaluation.predicted;
  values["confusion"] = evaluation.confusion;
  return values;
}

}  // namespace

void AddTraining(nb::module_& m) {
  m.def("train", &Train<HeldGraph>, nb::arg(), nb::arg(), nb::arg(), nb::arg().none(),
        nb::arg().none(), nb::arg().none());
  m.def("train", &Train<HeldNetwork>, nb::arg(), nb::arg(), nb::arg(), nb::arg().none(),
        nb::arg().none(), nb::arg().none());
  m.def("evaluate", &EvaluateOn);
}

}  // namespace normkit::python
