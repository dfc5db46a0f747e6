// A file's graph on its way into one of ours: the values that it names, and in which order their
// axes are at hand.
#pragma once

#include <onnx.pb.h>

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "normkit/onnx/import.h"
#include "src/onnx/import/constants.h"
#include "src/onnx/import/imported.h"
#include "src/onnx/import/recognize.h"
#include "src/onnx/node_reader.h"
#include "src/ops/ops.h"

namespace normkit {

// In which order the axes of an array lie: as in the file, or with the second one, the channels,
// behind all others. Of arrays with less than three axes both are the same.
enum class Order { kFile, kChannelsLast };

// Something that the file names, or that stands between two nodes of ours.
struct Item {
  std::shared_ptr<const Tensor> fixed;  // its elements, where no input changes them; else
  std::array<Value, 2> values{-1, -1};  // in the graph, by order; -1: not yet
  int rank = 0;
  std::string name;          // of a tensor of the file
  bool lists_sizes = false;  // of another array, of all axes: how many is fixed
};
using ItemPtr = Item*;

// What the graph of a file reads.
std::vector<ImportedArray> FileInputs(const onnx::GraphProto& graph);

// What metadata or the numbers that are taken off the only input say of pictures.
PictureHint PictureHintOf(const onnx::ModelProto& model);

class Importer {
 public:
  // All are kept by reference.
  Importer(const std::string& file, const onnx::ModelProto& model, int64_t opset,
           ConstantReader& constants, const ImportOptions& options);

  ImportedNetwork Run();

  // For rows.
  const ImportOptions& options() const { return options_; }
  Graph& graph() { return graph_; }
  ItemPtr Find(const std::string& name);  // null: nobody named it yet
  void Name(const std::string& name, ItemPtr item, const std::string& where);
  ItemPtr Constant(Tensor tensor, std::string name = "");
  Tensor ReadTensor(const onnx::TensorProto& tensor, const std::string& where) {
    return constants_.Read(tensor, where);
  }

  Value Get(ItemPtr item, Order order);
  ArrayType TypeOf(ItemPtr item) const;        // its axes as in the file
  const Tensor* KnownNow(ItemPtr item) const;  // at the sizes that the graph is built for, or null
  // What the operation gives, computed now where nothing can change it.
  std::vector<ItemPtr> Apply(const std::shared_ptr<const Op>& op, std::span<const ItemPtr> inputs,
                             Order order);
  // Element by element: in an order in which most of the inputs lie, whatever their ranks.
  ItemPtr ApplyToElements(const std::shared_ptr<const Op>& op, std::span<const ItemPtr> inputs);
  ItemPtr FromValue(Value value, Order order);
  // What is trained: in the file's order, its axes moved as said.
  Value Parameter(ItemPtr item, const std::string& name, bool trainable,
                  const std::vector<int>& order);

 private:
  void AddInputs();
  bool IsOnlyCast(const std::string& name) const;  // by its readers
  void AddConstantInput(const ImportedArray& input, const std::vector<int64_t>& values);
  void AddInput(const onnx::ValueInfoProto& input, const std::set<std::string>& spatial);
  void AddInitializers();
  std::vector<char> NeededNodes() const;
  ConstantByName SmallConstants();
  void ReadNodes(ImportedNetwork& imported);
  void AddOutputs(ImportedNetwork& imported);
  ItemPtr NewItem(Item item);
  void CheckSizes(std::span<const ArrayType> types, bool folds);
  bool LiesLast(ItemPtr item) const;

  const std::string& file_;
  const onnx::ModelProto& model_;
  int64_t opset_;
  ConstantReader& constants_;
  const ImportOptions& options_;
  Graph graph_;
  std::deque<Item> items_;
  std::map<std::string, ItemPtr> names_;
  std::map<std::string, const onnx::TensorProto*> initializers_;  // not read yet
  std::map<std::string, Value> parameters_;                       // by name
  std::vector<ImportedParameter> sources_;                        // of the graph's parameters
  std::vector<ImportedArray> inputs_;
  int64_t folded_ = 0;  // elements
};

}  // namespace normkit
