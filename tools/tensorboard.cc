#include "tools/tensorboard.h"

namespace normkit::tools {

void TensorBoardLog::Tell(const TrainingInfo& info) {
  const ProgressRow& row = info.row;
  if (info.state == TrainingInfo::State::kStart && row.iteration > 0)
    file_.BeginAt(row.iteration + 1);
  if (info.state == TrainingInfo::State::kIteration) {
    file_.Add(row.iteration, "loss", row.batch_loss);
    file_.Add(row.iteration, accuracy_, row.batch_accuracy);
    file_.Add(row.iteration, "learn_rate", row.learn_rate);
    if (row.has_validation) {
      file_.Add(row.iteration, "validation_loss", row.validation_loss);
      file_.Add(row.iteration, validation_accuracy_, row.validation_accuracy);
    }
  }
  file_.Flush(info.state != TrainingInfo::State::kIteration);
}

}  // namespace normkit::tools
