// Networks of sequences in files: x is [N,T,C], padded at the end, with lengths [N]. What layers
// over time need to keep padding out.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "src/onnx/writer.h"

namespace normkit {

// Values that the nodes of several layers read; each is written where it is first asked for.
class TimeValues {
 public:
  // `x` and `lengths`: inputs of the graph. `streams`: states in front of the first step are inputs
  // too, those behind the last one outputs.
  TimeValues(GraphWriter* graph, std::string x, std::string lengths, bool streams)
      : graph_(graph), x_(std::move(x)), lengths_(std::move(lengths)), streams_(streams) {}

  const std::string& lengths() const { return lengths_; }  // [N], i64
  const std::string& shape();                              // of x: [3], i64
  const std::string& lengths_i32();                        // [N]
  const std::string& lengths_f32();                        // [N,1]
  const std::string& places();                             // 0, 1 .. T - 1, i64
  const std::string& rows();                               // whether a step is one, [N,T]
  const std::string& mask();                               // the same, [N,T,1]
  const std::string& key_mask();                           // the same, [N,1,1,T]
  const std::string& causal_mask();                        // and none behind it, [N,1,T,T]

  std::string steps_of(const std::vector<int64_t>& sizes);  // N, T and these, i64

  // Constants that many layers read.
  const std::string& zero();      // f32
  const std::string& smallest();  // -infinity, f32
  std::string Whole(std::vector<int64_t> values);

  // A state of a layer, "lstm1.h", [N,size], as an input of the graph, whose name is given; and
  // what it is behind the last step, [N,size] or `squeezed` [1,N,size], as "lstm1.h_next".
  bool streams() const { return streams_; }
  std::string AddState(const std::string& name, int64_t size);
  void GiveState(const std::string& state, int64_t size, const std::string& next, bool squeezed);
  // Behind the other outputs.
  void AddStateOutputs();

 private:
  const std::string& Once(const std::string& name, const std::function<std::string()>& make);
  std::string Node(std::string_view op_type, const std::string& name,
                   std::vector<std::string> inputs);
  std::string Scalar(const std::string& name, int64_t value);

  GraphWriter* graph_;
  std::string x_, lengths_;
  const bool streams_;
  std::vector<std::pair<std::string, int64_t>> next_states_;
  std::map<std::string, std::string> made_;
};

}  // namespace normkit
