// The bytes of a model file, as protobuf has them.
#pragma once

#include <onnx.pb.h>

#include <string>
#include <string_view>

#include "src/core/fail.h"

namespace normkit {

// Throws Error where there is no such file, or the folder is meant for one.
std::string ReadModelFile(const std::string& path);

// Throws Error that says what the bytes are instead.
onnx::ModelProto ParseModel(std::string_view bytes, const std::string& file);

// Of a file that is written or read: what the longest network of a JSON file (10,000 layers of up
// to 3 nodes) needs, and more.
inline constexpr int kMostNodes = 1 << 16;

// Throws Error for what no row of a table knows of; `tensors` are what is expected, "f32 tensors".
void CheckGraph(const onnx::ModelProto& model, const std::string& file, const char* tensors);

int64_t OpsetOf(const onnx::ModelProto& model);  // of ONNX's own operators; 0: it says none

// Messages repeat names from the file, whatever they hold: of readable length.
std::string Shortened(const std::string& message);

template <class Work>
auto WithShortErrors(const Work& work) {
  try {
    return work();
  } catch (const Error& error) {
    Fail("{}", Shortened(error.what()));
  }
}

}  // namespace normkit
