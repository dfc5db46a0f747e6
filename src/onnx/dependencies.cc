#include "src/onnx/dependencies.h"

#include <fmt/format.h>
#include <onnx.pb.h>

namespace normkit {

std::vector<Dependency> OnnxDependencies() {
  return {
      {"protobuf", google::protobuf::internal::VersionString(GOOGLE_PROTOBUF_VERSION),
       "BSD-3-Clause"},
      {"ONNX format", fmt::format("IR {}", static_cast<int>(onnx::IR_VERSION)), "Apache-2.0"},
  };
}

}  // namespace normkit
