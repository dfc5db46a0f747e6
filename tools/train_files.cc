#include "tools/train_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "normkit/onnx/onnx.h"
#include "src/core/fail.h"
#include "src/core/files.h"
#include "src/core/log.h"
#include "src/onnx/model.h"
#include "src/train/checkpoint.h"

namespace normkit::tools {
namespace {

namespace fs = std::filesystem;

constexpr const char *kModel = "model.onnx", *kHistory = "history.csv", *kReport = "report.html",
                     *kConfig = "config.json", *kCheckpoint = "checkpoint", *kEnding = ".npz";
constexpr uint64_t kFacts = 1 << 14, kPage = 1 << 20;  // bytes beside the numbers
constexpr uint64_t kCell = 64;                         // of the confusion matrix
constexpr uint64_t kRow = 128;                         // of history.csv
constexpr int64_t kMostRows = 1 << 20;                 // room is asked for; nobody waits for more

bool IsCheckpoint(const std::string& name) {
  return name.starts_with(kCheckpoint) && name.ends_with(kEnding);
}

// Whether the model of a training that was stopped stands there, to be replaced by that of its end.
bool IsUnfinished(const std::string& model) {
  try {
    const ModelFile file(model);
    const Network& network = file.network();
    const auto stopped = network.facts.find("stopped");
    return stopped != network.facts.end() && stopped->second == "before the end";
  } catch (const Error&) {
    return false;
  }
}

std::vector<std::string> CheckpointsIn(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
    if (const std::string name = at->path().filename().string(); IsCheckpoint(name))
      names.push_back(name);
  std::sort(names.begin(), names.end());
  return names;
}

std::string NameInFolder(const std::string& file, const OutputFolder& folder) {
  if (file.empty()) return "";
  const fs::path path(file);
  const fs::path parent = path.has_parent_path() ? path.parent_path() : fs::path(".");
  return SameFile(parent.string(), folder.path()) ? path.filename().string() : "";
}

}  // namespace

TrainFiles::TrainFiles(const std::string& output, const std::string& resume, bool overwrite)
    : folder_(output) {
  const std::string resumed = NameInFolder(resume, folder_);
  checkpoint_ = IsCheckpoint(resumed) ? resumed : folder_.FreeName(kCheckpoint, kEnding);
  CheckOthers(!resumed.empty(), overwrite);
}

void TrainFiles::CheckOthers(bool continues, bool overwrite) const {
  std::vector<std::string> others = CheckpointsIn(folder());
  std::erase(others, checkpoint_);
  const std::vector<std::string> present = folder_.Present({kModel, kHistory, kReport, kConfig});
  const bool own = continues && IsUnfinished(model());
  if (!present.empty() && !overwrite && !own) {
    const std::string resume =
        others.empty() || continues
            ? ""
            : fmt::format(", normkit train --resume {} goes on with it", folder_ / others.front());
    Fail("{}: holds {} of another run, expected a folder without; --overwrite replaces them{}",
         folder(), fmt::join(present, ", "), resume);
  }
  for (const std::string& name : others)
    Warn("{0}: the checkpoint of another run, it stays; normkit train --resume {0} goes on with it",
         folder_ / name);
}

std::string TrainFiles::model() const { return folder_ / kModel; }
std::string TrainFiles::checkpoint() const { return folder_ / checkpoint_; }

void TrainFiles::CheckCanSave(const Network& untrained, const TrainingOptions& options,
                              int64_t iterations) const {
  const int64_t rows = std::min(iterations, kMostRows);
  const uint64_t model_bytes =
      from_ && !from_->ours()
          ? ReadFile(from_->path()).size() + untrained.parameters.values().size_bytes()
          : OnnxBytes(untrained).size();
  const uint64_t checkpoint_bytes = CheckpointBytes(untrained.parameters, options, rows);
  const auto classes = static_cast<uint64_t>(untrained.classes.size());
  // While one checkpoint is written the last one stands beside it.
  folder_.CheckCanTake({{kModel, model_bytes + kFacts},
                        {kHistory, static_cast<uint64_t>(rows) * kRow},
                        {kReport, kPage + classes * classes * kCell},
                        {checkpoint_, checkpoint_bytes},
                        {checkpoint_, checkpoint_bytes}});
}

void TrainFiles::Save(const TrainingResult& result, const TrainingOptions& options,
                      const ReportFacts& facts) const {
  if (from_)
    from_->Save(result.network, model());
  else
    SaveOnnx(result.network, model());
  WriteFile(folder_ / kHistory, HistoryCsv(result.history));
  WriteFile(folder_ / kReport, TrainReport(result, options, facts));
  WriteFile(folder_ / kConfig, facts.config);
}

void TrainFiles::RemoveCheckpoint() const { std::remove(checkpoint().c_str()); }

}  // namespace normkit::tools
