// Model files of networks with as many layers as a network file may have. What takes the square of
// their number shows as the time of this test: all of it is a second or two.
#include <gtest/gtest.h>

#include "src/core/testing.h"
#include "src/onnx/model.h"
#include "src/onnx/testing.h"

namespace normkit {
namespace {

// Every second layer stands between two more nodes in the file.
Network LongNetwork(int layers) {
  Graph graph;
  graph.Add(ImageInput({.input_size = {2, 1, 2}}));
  while (graph.num_layers() + 1 < layers) {
    graph.Add(RmsNormalization());
    graph.Add(LayerNormalization({.operation_dimension = OperationDimension::kChannelOnly}));
  }
  return MakeNetwork(std::move(graph));
}

TEST(LargeModel, OfTheLongestNetworkFileIsWrittenAndRead) {
  const Network network = LongNetwork(10'000);
  const std::string bytes = OnnxBytes(network);
  const Network read = NetworkFromOnnx(bytes, "long.onnx");
  EXPECT_EQ(read.graph.num_layers(), network.graph.num_layers());
  EXPECT_EQ(OnnxBytes(read), bytes);
}

TEST(LargeModel, WhatWouldNotBeReadIsNotWritten) {
  EXPECT_ERROR_LIKE(OnnxBytes(LongNetwork(22'000)),
                    " nodes, expected at most 65536: files with more are not read");
}

}  // namespace
}  // namespace normkit
