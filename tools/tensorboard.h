// --tensorboard DIR: what TensorBoard shows of a training.
#pragma once

#include <string>

#include "normkit/train/options.h"
#include "src/report/event_file.h"

namespace normkit::tools {

// loss, accuracy (rmse of regression) and learn_rate of each iteration, validation_loss and
// validation_accuracy of each validation, by the iteration.
class TensorBoardLog {
 public:
  TensorBoardLog(const std::string& folder, bool of_classes)
      : file_(folder),
        accuracy_(of_classes ? "accuracy" : "rmse"),
        validation_accuracy_("validation_" + accuracy_) {}

  // For TrainingOptions::output_function.
  void Tell(const TrainingInfo& info);

 private:
  EventFile file_;
  std::string accuracy_, validation_accuracy_;
};

}  // namespace normkit::tools
