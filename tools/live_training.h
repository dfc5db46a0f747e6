// --plots training-progress: a page that shows the training (src/live), fed by its output function.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "normkit/train/train.h"
#include "src/live/live_page.h"

namespace normkit::tools {

// What the page says beside what the training says itself.
struct LiveTexts {
  std::string title = {};
  std::vector<std::pair<std::string, std::string>> settings = {};
  bool to_stderr = false;  // the address: standard output is for data
};

// Serves from its construction on; says where when the training begins, for what is wrong before
// stands alone. An iteration appends a few numbers to a log; gradients and what normalizations
// learned are looked at a few times a second, in at most a hundredth of the time.
class LiveTraining {
 public:
  LiveTraining(const LiveTexts& texts, const DataSource& data, const Graph& graph,
               const TrainingOptions& options);

  // For TrainingOptions::output_function. Allocates nothing once training runs.
  void Tell(const TrainingInfo& info);

  // "done", "stopped" or "failed"; the note says what there is, or how to go on.
  void End(const std::string& state, const std::string& note);

 private:
  struct Probe {  // of a curve
    enum class What { kValues, kRoots, kGradients, kAllGradients } what;
    std::vector<size_t> parameters;  // in the list
  };
  void AddNorms(const Graph& graph, LiveFacts& facts);
  void AddGradients(const Graph& graph, const Parameters& parameters, LiveFacts& facts);
  void Say() const;
  bool IsTime();
  void Sample(const TrainingInfo& info);
  void Put(const Probe& probe, const TrainingInfo& info);

  bool to_stderr_;
  std::vector<Probe> probes_;
  std::vector<double> sample_;
  std::chrono::steady_clock::time_point next_sample_;
  std::optional<LivePage> page_;
};

}  // namespace normkit::tools
