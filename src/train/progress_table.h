// The table that a training prints, row by row, in the columns of the toolbox.
#pragma once

#include <string>

#include "normkit/train/options.h"

namespace normkit {

// Lines end with a newline. Classification shows accuracies in percent, regression the root of the
// mean squared error.
class ProgressTable {
 public:
  ProgressTable(bool classification, bool validation);
  std::string Header() const;
  std::string Row(const ProgressRow& row) const;
  std::string Rule() const;

 private:
  bool classification_, validation_;
};

}  // namespace normkit
