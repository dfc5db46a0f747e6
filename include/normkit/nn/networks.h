// Networks by name, and networks from files.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "normkit/core/error.h"
#include "normkit/core/export.h"
#include "normkit/graph/graph.h"
#include "normkit/nn/layers.h"

namespace normkit {

// Which normalization a network is built with.
struct NormChoice {
  enum Kind { kNone, kBatch, kLayer, kInstance, kGroup, kRms, kGroupRms } kind = kBatch;
  bool renormalize = false;  // batch
  int64_t num_groups = 0;    // group, group RMS
  // Layer; none: each step by itself in networks for sequences (auto, of pictures spatial-channel),
  // else batch-excluded.
  std::optional<OperationDimension> operation_dimension = {};
};

// "none", "batch", "batch:renorm", "layer", "layer:DIMENSION" (an operation dimension), "instance",
// "group:G", "rms", "group-rms:G"; "batchNormalizationLayer" is "batch". Throws Error that lists
// them.
NORMKIT_API NormChoice ParseNormChoice(std::string_view text);
NORMKIT_API std::string NormChoices();  // "none, batch, layer[:DIMENSION], ..."
NORMKIT_API std::string Name(const NormChoice& norm);

// The layer, called `name`, its scale beginning as the initializer says; null for kNone.
NORMKIT_API LayerPtr MakeNorm(const NormChoice& norm, const std::string& name,
                              const Initializer& scale = Initializer::kOnes);

// What a network is made for. Networks from files may leave these open, see docs/network-json.md.
struct NetworkPurpose {
  std::array<int64_t, 3> input_size{};  // height, width, channels
  int64_t input_depth = 0;              // of volumes, which have height and width too; 0: pictures
  // Instead of pictures: features of an observation, or of each step of a sequence, of which one
  // thing is told or one of each step. Steps that are pictures have an input_size, too.
  int64_t num_features = 0;
  bool sequences = false, answers_each_row = false;
  int64_t num_classes = 0;
  bool answers_each_position = false;  // a class for each position of pictures or volumes
  int64_t num_targets = 0;             // instead of classes: values
  NormChoice norm = {};
  int64_t width = 16;  // resnet-tiny, unet: filters of the first stage
  int64_t blocks = 3;  // resnet-tiny: residual blocks a stage; 6 * blocks + 2 layers
};

// The norm of the purpose with what it leaves open.
NORMKIT_API NormChoice NormFor(const NetworkPurpose& purpose);

// The names MakeNetwork knows:
//   small-cnn    3 x (convolution 3x3, norm, ReLU, max pooling), 16, 32 and 64 filters; of pictures
//                or volumes
//   mlp          3 x (100 fully connected, norm, sigmoid): Ioffe & Szegedy 2015, fig. 1; of
//                pictures, volumes or features
//   lenet        LeCun et al. 1998 with ReLU and max pooling, norm after the convolutions
//   resnet-tiny  He et al. 2016 for CIFAR (20 layers, 16 to 64 filters), projection shortcuts
//   cnn-lstm     2 x (convolution 3x3, norm, ReLU, max pooling), 8 and 16 filters, and 64 fully
//                connected with a norm and ReLU of each step of sequences of pictures; LSTM of 64
//                units, norm, last step
//   vit-tiny     Dosovitskiy et al. 2021 with up to 8 x 8 patches of 64 channels, trained position
//                embeddings, 4 blocks of self-attention (4 heads) and of 128 and 64 products with
//                GELU, each with its norm in front and added to what came in, norm, GELU, mean
//                over positions; of pictures of the size it was made for
//   unet         Ronneberger et al. 2015 with 3 sizes (16 to 64 filters), of pictures or volumes,
//                whose positions it tells the classes of
// The input is normalized to mean 0 and deviation 1 by channel; the last layer is a softmax, or for
// targets fully connected. A layer in front of a norm has no bias, unless the norm has no offset
// (rms, group-rms). Convolutions begin fan-in-uniform (resnet-tiny: he, vit-tiny: glorot), the
// layer that classifies at zero (not mlp's), and so does what a residual block adds to its
// shortcut, by the scale of its last norm.
NORMKIT_API const std::vector<std::string>& NetworkNames();

// Throws Error that lists the names, the nearest first, and where the network does not fit the
// purpose.
NORMKIT_API Graph MakeNetwork(std::string_view name, const NetworkPurpose& purpose);

// A network written in JSON (docs/network-json.md). `where` stands in errors, which say at which
// line, or in which layer and property.
NORMKIT_API Graph ParseNetworkJson(std::string_view text, const std::string& where,
                                   const NetworkPurpose& purpose = {});
NORMKIT_API Graph ReadNetworkJson(const std::string& path, const NetworkPurpose& purpose = {});

}  // namespace normkit
