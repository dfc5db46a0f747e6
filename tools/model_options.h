// Finished models as commands take them: what file, how pictures go into it, measured on what data.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "normkit/data/input_form.h"
#include "normkit/onnx/model_file.h"
#include "normkit/train/options.h"
#include "tools/data_options.h"

namespace normkit::tools {

// --range, --channel-order, --input-mean and --input-std.
struct FormArgs {
  double white = 0;  // 0: as the model says
  std::string order = "auto";
  std::vector<double> mean, std;
};
void AddFormOptions(const Command& command, FormArgs& args);

// What is not said is what the file says: one that was trained here keeps its form, of others the
// metadata and the first node tell. Where nothing does, pictures go in as they are, which is
// warned of for those of others.
InputForm FormOf(const FormArgs& args, const ModelFile& file);

// The network of the file as data of classes, or targets, want it.
Network NetworkFor(const ModelFile& file, const DataSource& data);

// Layers, or nodes of a file of others, by name or pattern.
Option AddLayers(const Command& command, const std::string& name, std::vector<std::string>& layers,
                 const std::string& description);

// A model and data to measure it on.
struct MeasureArgs {
  std::string model, data;
  ReadingArgs reading;
  FormArgs form;
  std::optional<uint64_t> seed;
  std::optional<int64_t> mini_batch_size;
  int threads = 0;
  bool json = false;
};
void AddMeasureOptions(const Command& command, MeasureArgs& args);
int64_t BatchSizeOf(const MeasureArgs& args, const Network& network);
Loss LossOf(const Network& network);
// As they are, without the form; decoded.
DataPtr OpenMeasureData(const MeasureArgs& args, const Network& network);

// "accuracy 81.30 %" or "RMSE 0.0123".
std::string MetricText(bool of_classes, double metric);

}  // namespace normkit::tools
