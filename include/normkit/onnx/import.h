// Networks that others wrote as ONNX files.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "normkit/core/dtype.h"
#include "normkit/core/error.h"
#include "normkit/core/export.h"
#include "normkit/nn/network.h"

namespace normkit {

// What a network reads or gives, under the file's name for it.
struct ImportedArray {
  std::string name;
  Value value = 0;             // in the graph
  std::vector<int64_t> shape;  // as the file says it; -1: any size
  // Whether the graph has it with its second axis, the channels, last: [N,H,W,C] of [N,C,H,W].
  bool channels_last = false;
  DType dtype = DType::kF32;  // f32, i64 or bool: what the graph computes with
};

// What a file says of the pictures that its network wants.
struct PictureHint {
  std::string channel_order;  // "rgb", "bgr"; "": it says nothing
  double largest = 0;         // value of a pixel, 255 or 1; 0: it says nothing
  std::string why;            // "metadata", "node 'scale' subtracts 103.9, 116.8, 123.7"
};

// A batch normalization of a file in training, which the file does not speak of.
struct BatchNormTraining {
  bool batch_statistics = false;   // normalizes with those of each mini-batch, else with the file's
  bool freeze_statistics = false;  // the file's stay as they are
};

// Where the elements of a parameter stand in the file.
struct ImportedParameter {
  std::string tensor;      // the initializer's name, or what a Constant node gives; "": computed
  std::vector<int> order;  // its axes in the parameter; empty: as in the file
};

struct ImportOptions {
  // Sizes of inputs by name, as the file has their axes. The graph can be planned for others, too;
  // where a size is any and not given here, one that is usual for such networks is taken to build
  // it.
  std::map<std::string, std::vector<int64_t>> shapes = {};
  // Inputs, of whole numbers, whose elements are these: sizes that the network wants to be given
  // and that have to be known when it is planned. They are no inputs of the graph.
  std::map<std::string, std::vector<int64_t>> constants = {};
  // What nodes BatchNormalization do in training, by what the file calls them. Null: nothing else
  // than in prediction.
  std::function<BatchNormTraining(const std::string& node)> batch_norm_training = nullptr;
};

struct ImportedNetwork {
  Network network;  // without layers; facts are what the file says of itself
  std::vector<ImportedArray> inputs, outputs;
  std::vector<ImportedParameter> parameters;  // as Graph::parameters()
  // Normalizations that the file spells out: "instance normalization from 'x' to 'y', 12 nodes".
  std::vector<std::string> recognized;
  PictureHint picture;
  int64_t num_nodes = 0;  // of the file
};

// Reads opset 7 to 25, IR versions 3 to 13, f32, f64, f16, bf16 (all computed as f32) and whole
// numbers, data in files beside it. Weights of convolutions, matrix products and normalizations are
// parameters, other arrays of the file constants. Throws Error that names file, node, operator and
// attribute where it does not know one.
NORMKIT_API ImportedNetwork ImportOnnx(const std::string& path, const ImportOptions& options = {});

// The sizes of what a model file reads: inputs by name, without building anything.
NORMKIT_API std::vector<ImportedArray> OnnxInputs(const std::string& path);

}  // namespace normkit
