// normkit train --from: what a training that begins with a finished model is made of.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "normkit/nn/network_changes.h"
#include "normkit/onnx/model_file.h"
#include "src/data/training_data.h"
#include "tools/model_options.h"

namespace normkit::tools {

struct FromArgs {
  std::string from;  // "": it begins with a network of its own
  FormArgs form;
  NetworkChanges changes;
  bool new_end = false;  // the last layer begins anew even where it fits

  // As an own text, for checkpoints; the inverse.
  std::map<std::string, std::string> Notes() const;
  void TakeNotes(const std::map<std::string, std::string>& notes);
  // By the names of options; of a flag "".
  std::vector<std::pair<std::string, std::string>> Settings() const;
};
void AddFromOptions(const Command& command, FromArgs& args);
// Throws Error where one of them is given that means nothing without --from.
void CheckFrom(const FromArgs& args);

// The model that training begins with, fitted to what it is trained on.
class Beginning {
 public:
  // Looks at what the model takes: pictures are read that way where nothing else is said.
  Beginning(const FromArgs& args, ReadingArgs& reading);
  // Puts the data into the form that the model takes, classes in its order, and replaces its last
  // layer where they are others.
  void Fit(const FromArgs& args, const ReadingArgs& reading, uint64_t seed, TrainingData& data);

  const Network& network() const { return network_; }
  const ModelFile& file() const { return *file_; }
  // What a model file says of it: "from", "input-form".
  std::map<std::string, std::string> Facts() const;

 private:
  std::optional<ModelFile> file_;
  InputForm form_;
  Network network_;
};

}  // namespace normkit::tools
