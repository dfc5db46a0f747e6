// Training a style network.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "normkit/graph/executor.h"
#include "normkit/train/optimizer.h"
#include "src/stylize/content_pictures.h"
#include "src/stylize/style_loss.h"
#include "src/stylize/style_network.h"
#include "src/train/checkpoint.h"

namespace normkit {

struct StyleTrainingOptions {
  StyleNetworkOptions network;
  StyleLossWeights weights;
  int64_t steps = 2000, mini_batch_size = 4;
  int64_t size = 128;        // side of the pictures that are learned on
  double learn_rate = 2e-3;  // at first; falls to 0 along a cosine (Adam)
  uint64_t seed = 1;
  const std::atomic<bool>* stop = nullptr;  // set: stop at the next step
};

// Losses of pictures, as StyleLossLayer has them.
struct StyleLosses {
  double loss = 0, content = 0, style = 0, variation = 0;
};
struct StyleRow {
  int64_t step = 0;  // from 1
  double seconds = 0;
  StyleLosses of;
};

// Same options, same pictures: same bytes, for any number of threads, stopped and resumed or not.
class StyleTrainer {
 public:
  // Throws Error where an option is out of range or memory is short.
  StyleTrainer(const StyleTrainingOptions& options, std::shared_ptr<const StyleFeatures> features,
               const std::vector<Image>& styles, ContentPictures contents);

  // Begins with the arrays of a network of fewer styles, and trains the scales and offsets of the
  // last style alone. Throws Error where it is another network.
  void AddStyleTo(const Network& network);

  // What another run of the same options and pictures wrote. Throws Error where it was another.
  void Resume(const std::string& checkpoint);
  void Save(const std::string& checkpoint);

  // Trains until all steps are done (true) or it is stopped. Throws DivergedError where the loss is
  // no finite number.
  bool Run(const std::function<void(const StyleRow&)>& on_step);
  const std::vector<StyleRow>& history() const { return history_; }
  const StyleFeatures& features() const { return *features_; }

  // As it is now; facts say how it was trained.
  Network network() const;

  // What the network makes of pictures of one size, each in one of the styles.
  std::vector<Image> Show(const std::vector<Image>& contents, int64_t style) const;

  // Of what the network makes of pictures of one size, and, `as_they_are`, of these themselves, for
  // one of the styles.
  StyleLosses Measure(const std::vector<Image>& contents, int64_t style, bool as_they_are);

 private:
  Graph LossGraph(bool of_network) const;
  StyleLosses LossesOf(const Executor& executor, const Graph& graph) const;
  void RunStep();
  void FillStyles(Executor& executor, const Graph& graph, int64_t step, int64_t only) const;
  void KeepToLastStyle();
  RunIdentity Identity() const;
  TrainingOptions SolverOptions() const;
  double Seconds() const;

  StyleTrainingOptions options_;
  std::shared_ptr<const StyleFeatures> features_;
  StyleTargets targets_;
  std::string styles_hash_;
  ContentPictures contents_;
  Graph graph_;
  Parameters parameters_, gradients_;
  Optimizer optimizer_;
  Executor executor_;
  std::vector<StyleRow> history_;
  bool only_last_ = false;
  double seconds_before_ = 0;  // of the run that is resumed
  std::chrono::steady_clock::time_point start_;
};

}  // namespace normkit
