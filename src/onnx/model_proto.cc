#include "src/onnx/model_proto.h"

#include <filesystem>
#include <limits>

#include "src/core/files.h"
#include "src/data/file_kind.h"

namespace normkit {
namespace {

constexpr uint64_t kMostBytes = std::numeric_limits<int>::max();  // of protobuf

[[noreturn]] void RefuseFile(std::string_view bytes, const std::string& file, const char* why) {
  const std::string_view kind = FileKind(bytes);
  if (!kind.empty())
    Fail("{}: is {}, expected an ONNX model, such as the model.onnx of a training", file, kind);
  Fail("{}: is not an ONNX model ({} bytes {})", file, bytes.size(), why);
}

}  // namespace

std::string ReadModelFile(const std::string& path) {
  const std::filesystem::path model = std::filesystem::path(path) / "model.onnx";
  std::error_code error;  // what cannot be looked at is not there
  if (std::filesystem::is_regular_file(model, error))
    Fail("{}: is a folder, expected a file, such as {}", path, model.string());
  return ReadFile(path, kMostBytes);
}

onnx::ModelProto ParseModel(std::string_view bytes, const std::string& file) {
  onnx::ModelProto model;
  if (bytes.size() > kMostBytes ||
      !model.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    RefuseFile(bytes, file, "that do not parse");
  if (!model.has_graph()) RefuseFile(bytes, file, "without a graph");
  return model;
}

void CheckGraph(const onnx::ModelProto& model, const std::string& file, const char* tensors) {
  const onnx::GraphProto& graph = model.graph();
  if (graph.node_size() > kMostNodes)
    Fail("{}: has {} nodes, expected at most {}", file, graph.node_size(), kMostNodes);
  if (model.functions_size() > 0)
    Fail("{}: has {} functions, expected none", file, model.functions_size());
  if (graph.sparse_initializer_size() > 0)
    Fail("{}: has {} sparse tensors, expected dense ones", file, graph.sparse_initializer_size());
  if (graph.quantization_annotation_size() > 0)
    Fail("{}: is quantized, expected {}", file, tensors);
}

int64_t OpsetOf(const onnx::ModelProto& model) {
  int64_t opset = 0;
  for (const onnx::OperatorSetIdProto& import : model.opset_import())
    if (import.domain().empty() || import.domain() == "ai.onnx") opset = import.version();
  return opset;
}

std::string Shortened(const std::string& message) {
  constexpr size_t kLongest = 1000;
  return message.size() > kLongest ? message.substr(0, kLongest) + "..." : message;
}

}  // namespace normkit
