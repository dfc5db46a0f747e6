// THE TABLE of what is read of other people's files: an operator is a row.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "src/onnx/import/importer.h"

namespace normkit {

inline constexpr int kOldestImported = 7, kNewestImported = 25;
inline constexpr int kOldestIr = 3, kNewestIr = 13;

// One node of the file, and what rows make of it.
class NodeImport : public NodeReader {
 public:
  NodeImport(const std::string& file, const onnx::NodeProto& node, int64_t opset,
             Importer& importer)
      : NodeReader(file, node), node_(node), opset_(opset), importer_(importer) {}

  int64_t opset() const { return opset_; }
  const onnx::NodeProto& proto() const { return node_; }
  Importer& importer() { return importer_; }

  // What it reads. Throws Error where nobody gave it.
  ItemPtr In(int index);
  Value In(int index, Order order) { return importer_.Get(In(index), order); }
  int Rank(int index) { return In(index)->rank; }
  void ExpectNumbers(int index);  // refuses what is not f32
  ArrayType Type(int index) { return importer_.TypeOf(In(index)); }
  // The elements of what is known whatever the inputs are. Throws Error for others.
  const Tensor& Fixed(int index);
  std::vector<int64_t> FixedInts(int index);
  std::vector<float> FixedFloats(int index);
  // Trained with the network (else given, as trained statistics are), its axes moved as said.
  Value Weight(int index, const std::string& name, const std::vector<int>& order = {},
               bool trainable = true);

  bool FixedTruth(int index);  // of one element

  // Attributes beside those of NodeReader: of other types, null where the node does not have it;
  // lists of any length; numbers of windows.
  const onnx::AttributeProto* Attribute(const std::string& name,
                                        onnx::AttributeProto::AttributeType type) {
    return Find(name, type);
  }
  const onnx::AttributeProto* FloatList(const std::string& name) {
    return Find(name, onnx::AttributeProto::FLOATS);
  }
  std::vector<int64_t> List(const std::string& attribute);
  std::vector<int64_t> WindowNumbers(const std::string& attribute, int64_t least);
  bool Has(const std::string& attribute);

  ItemPtr Ints(std::vector<int64_t> values);
  ItemPtr Number(float value);

  // What it gives.
  std::vector<ItemPtr> Apply(const std::shared_ptr<const Op>& op, std::vector<ItemPtr> inputs,
                             Order order = Order::kFile);
  ItemPtr ApplyToElements(const std::shared_ptr<const Op>& op, std::vector<ItemPtr> inputs);
  ItemPtr Add(const std::shared_ptr<const Op>& op, std::vector<Value> inputs, Order order);
  void Out(ItemPtr item, int index = 0);

 private:
  const onnx::NodeProto& node_;
  int64_t opset_;
  Importer& importer_;
};

struct ImportRow {
  std::string_view type;
  int first = 1, last = 1000;  // opsets in which the operator means what `read` reads
  void (*read)(NodeImport& node);
  bool spatial = false;  // wants its first input's channels last
};

std::vector<ImportRow> ImportRows();                                     // of all families
const ImportRow* FindImportRow(const std::string& type, int64_t opset);  // null: there is none
// Reads the node by its row. Throws Error that names it.
void ReadNode(NodeImport& node);

// The families.
std::vector<ImportRow> ElementRows();
std::vector<ImportRow> ShapeRows();
std::vector<ImportRow> BlockRows();
std::vector<ImportRow> WindowRows();
std::vector<ImportRow> NormalizationRows();
std::vector<ImportRow> ProductRows();
std::vector<ImportRow> RecurrentRows();

}  // namespace normkit
