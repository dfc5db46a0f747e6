// What normkit style train is given: options, pictures, places to write to.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "src/stylize/style_trainer.h"

namespace normkit::tools {

inline constexpr int64_t kLeastSize = 40;  // of pictures in which all features can be found
inline constexpr const char* kSynthetic = "synthetic";

struct StyleArgs {
  std::string action, content = kSynthetic, output, norm = "instance", features, add_to, resume;
  std::string line;  // the command, for the report
  std::vector<std::string> styles, style_nodes, content_nodes;
  int64_t style_size = 0;
  StyleTrainingOptions options;
  int threads = 0;
  bool overwrite = false, json = false;
};

// Wrong command lines; what --add-to says of the network goes into the options. Throws Error where
// a style has no picture, or the network is none of as many styles.
void CheckArguments(StyleArgs& args);

// Throws Error where the network would replace what it is made of or, without --overwrite, what
// stands there.
void CheckOutput(const StyleArgs& args);
void CheckIsFree(const std::string& path);  // for a new file
// What can fail at the end fails here: writes the first checkpoint.
void CheckCanSave(const StyleArgs& args, StyleTrainer& trainer);

std::string CheckpointOf(const StyleArgs& args);  // the run's own
std::string PageOf(const StyleArgs& args);

std::vector<std::string> StyleNames(const StyleArgs& args);
std::vector<std::string> StyleTitles(const StyleArgs& args);  // "mosaic (drawn)"
std::vector<Image> Styles(const StyleArgs& args);
std::shared_ptr<const StyleFeatures> Features(const StyleArgs& args);

ContentPictures Contents(const StyleArgs& args);
// A few pictures to look at and to measure: drawn ones that are not learned on, or the first of
// the folder.
std::vector<Image> Shown(const StyleArgs& args, const ContentPictures& contents);

}  // namespace normkit::tools
