#include "normkit/onnx/model_file.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "src/core/fail.h"
#include "src/core/files.h"
#include "src/core/glob.h"
#include "src/core/log.h"
#include "src/nn/changes.h"
#include "src/nn/finite_parameters.h"
#include "src/nn/norm_sites.h"
#include "src/onnx/import/constants.h"
#include "src/onnx/import/importer.h"
#include "src/onnx/import/rows.h"
#include "src/onnx/metadata.h"
#include "src/onnx/model.h"
#include "src/onnx/model_edit.h"
#include "src/onnx/model_proto.h"
#include "src/ops/ops.h"

namespace normkit {

struct ModelFile::Impl {
  std::string path, input;
  bool ours = false, streams = false;
  Network network;
  PictureHint picture;
  // Of others.
  onnx::ModelProto model;
  std::vector<ImportedParameter> parameters;
  std::vector<float> values;  // of the parameters, as the file has them

  void OpenOurs(std::string_view bytes, const NetworkChanges& changes);
  void OpenOthers(std::string_view bytes, const NetworkChanges& changes);
  void FreezeComputed();
};

void ModelFile::Impl::OpenOurs(std::string_view bytes, const NetworkChanges& changes) {
  network = NetworkFromOnnx(bytes, path);
  if (!(changes == NetworkChanges())) network = ChangeNetwork(network, changes);
  input = network.graph.layer(0).layer->name();
}

// What follows from other arrays of the file cannot be written into it.
void ModelFile::Impl::FreezeComputed() {
  for (size_t p = 0; p < parameters.size(); ++p)
    if (parameters[p].tensor.empty()) network.graph.Freeze(p);
}

void ModelFile::Impl::OpenOthers(std::string_view bytes, const NetworkChanges& changes) {
  model = ParseModel(bytes, path);
  EditModel(path, changes, model);
  Globs freeze(changes.freeze_statistics, "freeze_statistics"),
      use(changes.use_trained_statistics, "use_trained_statistics");
  ImportOptions options;
  options.batch_norm_training = [&](const std::string& node) -> BatchNormTraining {
    const bool frozen = freeze.Match({node}), used = use.Match({node});
    return {.batch_statistics = !used, .freeze_statistics = frozen};
  };
  const std::string folder = std::filesystem::path(path).parent_path().string();
  ImportedNetwork imported =
      NetworkFromOthers(model.SerializeAsString(), path, folder.empty() ? "." : folder, options);
  freeze.CheckAllNamed();
  use.CheckAllNamed();
  if (imported.inputs.size() != 1)
    Fail("{}: has {} inputs, expected 1", path, imported.inputs.size());
  network = std::move(imported.network);
  picture = imported.picture;
  parameters = imported.parameters;
  input = imported.inputs[0].name;
  const auto given = network.parameters.values();
  values.assign(given.begin(), given.end());
  FreezeComputed();
  FreezeAndReset(network, changes);
  Metadata metadata = ReadMetadata(model, path);
  network.classes = changes.classes.empty() ? std::move(metadata.classes) : changes.classes;
  network.facts = std::move(metadata.facts);
}

ModelFile::ModelFile(const std::string& path, const NetworkChanges& changes)
    : impl_(std::make_unique<Impl>()) {
  const std::string bytes = ReadModelFile(path);
  impl_->path = path;
  const OnnxInfo info = OnnxInfoOf(bytes, path);
  impl_->ours = info.ours;
  impl_->streams = info.streams;
  if (impl_->ours)
    impl_->OpenOurs(bytes, changes);
  else
    WithShortErrors([&] { return impl_->OpenOthers(bytes, changes), 0; });
}

ModelFile::~ModelFile() = default;
ModelFile::ModelFile(ModelFile&&) noexcept = default;
ModelFile& ModelFile::operator=(ModelFile&&) noexcept = default;

const std::string& ModelFile::path() const { return impl_->path; }
bool ModelFile::ours() const { return impl_->ours; }
const Network& ModelFile::network() const { return impl_->network; }
const std::string& ModelFile::input() const { return impl_->input; }
const PictureHint& ModelFile::picture() const { return impl_->picture; }

void ModelFile::Save(const Network& network, const std::string& path) const {
  if (impl_->ours) {
    WriteFile(path, OnnxBytes(network));
    if (impl_->streams)
      Warn(
          "{}: reads whole sequences, not some steps at a time as {} does; normkit inspect "
          "--streaming writes that of it",
          path, impl_->path);
    return;
  }
  if (const std::string bad = FindBadParameter(network.graph, network.parameters); !bad.empty())
    Fail("model file: {}", bad);
  onnx::ModelProto model = impl_->model;
  const std::span<const float> before(impl_->values);
  const auto& list = network.parameters.list();
  if (list.size() != impl_->parameters.size())
    Fail("model file: the network has {} parameters, expected the {} of '{}'", list.size(),
         impl_->parameters.size(), impl_->path);
  for (size_t p = 0; p < list.size(); ++p) {
    const std::span<const float> now = network.parameters.Get(list[p]);
    if (!std::ranges::equal(now, before.subspan(static_cast<size_t>(list[p].offset), now.size())))
      PutParameter(impl_->path, impl_->parameters[p], now, model);
  }
  ReplaceFacts({.classes = network.classes, .facts = network.facts}, &model);
  CheckModelBytes(static_cast<double>(model.ByteSizeLong()));
  WriteFile(path, model.SerializeAsString());
}

void EndInSoftmax(Network& network) {
  Graph& graph = network.graph;
  if (graph.num_layers() > 0 || graph.value(graph.output()).node < 0) return;
  const Node& last = graph.node(graph.value(graph.output()).node);
  const Layout& output = graph.layout(graph.output());
  if (last.op->name() == "softmax" || output.rank() < 2 ||
      output.axes().back().size != output.size())
    return;
  graph.SetTitle("softmax of the classes");
  graph.AddNode(ops::Softmax(), {graph.output()});
}

}  // namespace normkit
