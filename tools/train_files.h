// The files of a training: which of those in its folder are its own, and whether they can be
// written.
#pragma once

#include <cstdint>
#include <string>

#include "normkit/onnx/model_file.h"
#include "normkit/train/train.h"
#include "src/core/output_folder.h"
#include "tools/train_report.h"

namespace normkit::tools {

// model.onnx, history.csv, report.html and a checkpoint. A folder in which one of the first three
// stands holds a training that ended: it is refused unless it is to be overwritten, or goes on here
// from its checkpoint. Checkpoints of other runs stay, whatever happens: they are named on stderr.
class TrainFiles {
 public:
  // Locks the folder. `resume`: the checkpoint that the training goes on from, "" for none. Throws
  // Error where the folder is in use, cannot be written to, or holds what is not to be replaced.
  TrainFiles(const std::string& output, const std::string& resume, bool overwrite);

  const std::string& folder() const { return folder_.path(); }
  std::string model() const;
  std::string checkpoint() const;

  // The model is saved as one that this file became.
  void BeginWith(const ModelFile* from) { from_ = from; }

  // Throws Error where a network like this one cannot be saved: a name that cannot stand in a file,
  // a limit of the format, no room on the disk. `iterations`: of the whole training.
  void CheckCanSave(const Network& untrained, const TrainingOptions& options,
                    int64_t iterations) const;

  void Save(const TrainingResult& result, const TrainingOptions& options,
            const ReportFacts& facts) const;
  void RemoveCheckpoint() const;

 private:
  void CheckOthers(bool continues, bool overwrite) const;

  OutputFolder folder_;
  const ModelFile* from_ = nullptr;
  std::string checkpoint_;  // its name
};

}  // namespace normkit::tools
