#include "normkit/onnx/import.h"

#include <filesystem>

#include "src/core/fail.h"
#include "src/core/files.h"
#include "src/onnx/import/importer.h"
#include "src/onnx/import/rows.h"
#include "src/onnx/model.h"
#include "src/onnx/model_proto.h"

namespace normkit {
namespace {

void CheckVersions(const onnx::ModelProto& model, int64_t opset, const std::string& file) {
  if (opset < kOldestImported || opset > kNewestImported)
    Fail("{}: has opset {}, expected {} to {}", file, opset, kOldestImported, kNewestImported);
  if (model.ir_version() < kOldestIr || model.ir_version() > kNewestIr)
    Fail("{}: has IR version {}, expected {} to {}", file, model.ir_version(), kOldestIr,
         kNewestIr);
}

}  // namespace

ImportedNetwork NetworkFromOthers(std::string_view bytes, const std::string& file,
                                  const std::string& folder, const ImportOptions& options) {
  return WithShortErrors([&] {
    const onnx::ModelProto model = ParseModel(bytes, file);
    const int64_t opset = OpsetOf(model);
    CheckVersions(model, opset, file);
    CheckGraph(model, file, "floating-point tensors");
    ConstantReader constants(folder);
    return Importer(file, model, opset, constants, options).Run();
  });
}

ImportedNetwork ImportOnnx(const std::string& path, const ImportOptions& options) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return NetworkFromOthers(ReadModelFile(path), path, folder.empty() ? "." : folder, options);
}

std::vector<ImportedArray> OnnxInputs(const std::string& path) {
  return WithShortErrors([&] {
    const onnx::ModelProto model = ParseModel(ReadModelFile(path), path);
    return FileInputs(model.graph());
  });
}

}  // namespace normkit
