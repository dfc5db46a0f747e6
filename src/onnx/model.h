// Networks and the bytes of model files.
#pragma once

#include <string>
#include <string_view>

#include "normkit/nn/network.h"
#include "normkit/onnx/import.h"

namespace normkit {

// Height and width of images in a file: those of the network, or whatever they are.
enum class ImageSizes { kFixed, kAny };

// The same network gives the same bytes. `streams`: as SaveOnnxForStreaming says.
std::string OnnxBytes(const Network& network, ImageSizes sizes = ImageSizes::kFixed,
                      bool streams = false);

// Throws Error where a network with so many bytes of parameters is over the limit of the format.
void CheckModelBytes(double bytes);

// `file` is what errors call the bytes.
Network NetworkFromOnnx(std::string_view bytes, const std::string& file);

// Networks of others (import.h); `folder` is where data in other files lie, "": nowhere.
ImportedNetwork NetworkFromOthers(std::string_view bytes, const std::string& file,
                                  const std::string& folder, const ImportOptions& options);

// What a model file says of itself, beside the network.
struct OnnxInfo {
  int64_t ir_version = 0, opset = 0;
  std::string producer;  // name and version
  bool ours = false;     // written by normkit: NetworkFromOnnx reads it
  bool streams = false;  // that, and states are inputs and outputs
};
OnnxInfo OnnxInfoOf(std::string_view bytes, const std::string& file);

}  // namespace normkit
