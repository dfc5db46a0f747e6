// What a training reads: data to train on, and others to validate on.
#pragma once

#include <string>

#include "normkit/data/source.h"

namespace normkit {

// Which data, each as OpenData takes them.
struct TrainingDataNames {
  std::string data;
  std::string validation_data;        // empty: a part of `data` is held out
  double validation_fraction = 0.15;  // of each class, where it is; 0: nothing
};

// Both (the second is null where nothing is held out), and a line that says what was read how.
struct TrainingData : Split {
  std::string summary = {};
  int64_t bytes = 0;  // that they take in memory once loaded; parts of one source count once

  // Decodes what is kept in memory, so that damaged files are found before work begins. Whether
  // there is memory for it is to be asked before.
  void Load() const;
};

// Opens both. What is held out depends on options.seed only. Validation data of their own are read
// as the training data are, their classes matched by name. Throws Error where there is one class
// only, or nothing can be held out.
TrainingData OpenTrainingData(const TrainingDataNames& names, const OpenOptions& options);

}  // namespace normkit
