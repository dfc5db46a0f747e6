// The page that shows how a style was learned.
#pragma once

#include <string>
#include <vector>

#include "src/stylize/style_trainer.h"

namespace normkit::tools {

// What the network made of some pictures at one time.
struct StyleSnapshot {
  int64_t step = 0;
  std::vector<std::vector<Image>> styled;  // [style][content]
};

// How far the results of one style are from it, and how far the pictures were that they are made
// of.
struct StyleDistance {
  std::string style;
  double content_pictures = 0, results = 0;
  double low_contrast = 0, high_contrast = 0;  // results of the pictures with half and twice of it
  double grid = 0;                             // GridShare of the results, period 4
  double ratio() const { return content_pictures / results; }
};

struct StyleReportFacts {
  std::string command;
  std::vector<std::string> style_names;
  std::vector<Image> styles, contents;
  bool learned_on = false;               // the contents are among those that are learned on
  int64_t steps = 0;                     // of the whole training
  std::vector<StyleDistance> distances;  // empty: not done yet
};

// Self-contained: styles, curves of the losses, results over time, options.
std::string StyleReport(const StyleTrainer& trainer, const std::vector<StyleSnapshot>& snapshots,
                        const StyleReportFacts& facts);

}  // namespace normkit::tools
