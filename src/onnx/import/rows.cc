#include "src/onnx/import/rows.h"

#include <algorithm>
#include <map>

#include "src/core/suggest.h"
#include "src/onnx/metadata.h"

namespace normkit {
namespace {

using RowsByType = std::multimap<std::string_view, ImportRow>;

const RowsByType& AllRows() {
  static const RowsByType rows = [] {
    RowsByType all;
    for (const ImportRow& row : ImportRows()) all.emplace(row.type, row);
    return all;
  }();
  return rows;
}

[[noreturn]] void RefuseType(const NodeReader& node, int64_t opset) {
  const auto [first, last] = AllRows().equal_range(node.op_type());
  if (first != last) {
    std::vector<std::string> opsets;
    for (auto row = first; row != last; ++row)
      opsets.push_back(row->second.last >= kNewestImported
                           ? fmt::format("{} and newer", row->second.first)
                           : fmt::format("{} to {}", row->second.first, row->second.last));
    node.Refuse("stands in a model of opset {}, expected {}", opset, fmt::join(opsets, ", "));
  }
  std::vector<std::string> known;
  for (const auto& [type, row] : AllRows()) known.emplace_back(type);
  known.erase(std::unique(known.begin(), known.end()), known.end());
  node.Refuse("this operator is not read yet{}", DidYouMean(node.op_type(), known));
}

}  // namespace

std::vector<ImportRow> ImportRows() {
  std::vector<ImportRow> rows;
  for (const auto& family : {ElementRows(), ShapeRows(), BlockRows(), WindowRows(),
                             NormalizationRows(), ProductRows(), RecurrentRows()})
    rows.insert(rows.end(), family.begin(), family.end());
  return rows;
}

const ImportRow* FindImportRow(const std::string& type, int64_t opset) {
  const auto [first, last] = AllRows().equal_range(type);
  for (auto row = first; row != last; ++row)
    if (row->second.first <= opset && opset <= row->second.last) return &row->second;
  return nullptr;
}

void ReadNode(NodeImport& node) {
  const std::string& domain = node.proto().domain();
  if (!IsName(node.name()))
    node.Refuse("the name is not one, expected UTF-8 without control characters");
  if (!domain.empty() && domain != "ai.onnx")
    node.Refuse("is of domain '{}', expected an operator of ONNX itself", domain);
  const ImportRow* row = FindImportRow(node.op_type(), node.opset());
  if (!row) RefuseType(node, node.opset());
  if (node.proto().output_size() == 0) node.Refuse("has no outputs, expected one at least");
  try {
    row->read(node);
  } catch (const Error& error) {
    const std::string what = error.what();
    if (what.starts_with(node.where())) throw;
    node.Refuse("{}", what);
  }
  node.Done();
}

ItemPtr NodeImport::In(int index) {
  if (!HasInput(index)) Refuse("has no input {}, expected one", index);
  const ItemPtr item = importer_.Find(input(index));
  if (!item) Refuse("input {} '{}' is not given by a node before it", index, input(index));
  return item;
}

void NodeImport::ExpectNumbers(int index) {
  if (Type(index).dtype != DType::kF32)
    Refuse("input {} '{}' is {}, expected floating-point numbers", index, input(index),
           Type(index).ToString());
}

const Tensor& NodeImport::Fixed(int index) {
  const ItemPtr item = In(index);
  if (!item->fixed) Refuse("input {} '{}' is computed, expected a constant", index, input(index));
  return *item->fixed;
}

std::vector<int64_t> NodeImport::FixedInts(int index) {
  const Tensor& tensor = Fixed(index);
  if (tensor.dtype() != DType::kI64)
    Refuse("input {} '{}' holds {}, expected whole numbers", index, input(index),
           normkit::Name(tensor.dtype()));
  constexpr int64_t kMost = 1 << 16;  // axes, sizes of parts: a file may claim millions
  const auto values = tensor.values<int64_t>();
  if (std::ssize(values) > kMost)
    Refuse("input {} '{}' has {} numbers, expected at most {}", index, input(index), values.size(),
           kMost);
  return {values.begin(), values.end()};
}

std::vector<float> NodeImport::FixedFloats(int index) {
  const Tensor& tensor = Fixed(index);
  if (tensor.dtype() != DType::kF32)
    Refuse("input {} '{}' holds {}, expected floating-point numbers", index, input(index),
           normkit::Name(tensor.dtype()));
  const auto values = tensor.values<float>();
  return {values.begin(), values.end()};
}

bool NodeImport::FixedTruth(int index) {
  const Tensor& tensor = Fixed(index);
  if (tensor.dtype() != DType::kBool || tensor.size() != 1)
    Refuse("input {} '{}' is {}, expected one bool", index, input(index), tensor.type().ToString());
  return tensor.values<bool>()[0];
}

Value NodeImport::Weight(int index, const std::string& name, const std::vector<int>& order,
                         bool trainable) {
  const std::string title = this->name().empty() ? output() : this->name();
  return importer_.Parameter(In(index), fmt::format("{}.{}", title, name), trainable, order);
}

std::vector<int64_t> NodeImport::List(const std::string& attribute) {
  const onnx::AttributeProto* found = Find(attribute, onnx::AttributeProto::INTS);
  return found ? std::vector<int64_t>(found->ints().begin(), found->ints().end())
               : std::vector<int64_t>();
}

std::vector<int64_t> NodeImport::WindowNumbers(const std::string& attribute, int64_t least) {
  constexpr int64_t kMost = 1 << 20;  // so that products of them stay far from 64 bits
  std::vector<int64_t> numbers = List(attribute);
  for (const int64_t number : numbers)
    if (number < least || number > kMost)
      Refuse("attribute '{}' holds {}, expected {} to {}", attribute, number, least, kMost);
  return numbers;
}

bool NodeImport::Has(const std::string& attribute) {
  return std::ranges::any_of(node_.attribute(),
                             [&](const auto& given) { return given.name() == attribute; });
}

ItemPtr NodeImport::Ints(std::vector<int64_t> values) {
  Tensor tensor(Layout::Unlabelled(std::vector{std::ssize(values)}), DType::kI64);
  std::ranges::copy(values, tensor.values<int64_t>().begin());
  return importer_.Constant(std::move(tensor));
}

ItemPtr NodeImport::Number(float value) {
  Tensor tensor{Layout()};
  tensor.values<float>()[0] = value;
  return importer_.Constant(std::move(tensor));
}

std::vector<ItemPtr> NodeImport::Apply(const std::shared_ptr<const Op>& op,
                                       std::vector<ItemPtr> inputs, Order order) {
  return importer_.Apply(op, inputs, order);
}

ItemPtr NodeImport::ApplyToElements(const std::shared_ptr<const Op>& op,
                                    std::vector<ItemPtr> inputs) {
  return importer_.ApplyToElements(op, inputs);
}

ItemPtr NodeImport::Add(const std::shared_ptr<const Op>& op, std::vector<Value> inputs,
                        Order order) {
  for (const Value value : inputs) {
    const ArrayType& type = importer_.graph().value(value).type;
    if (type.dtype != DType::kF32)
      Refuse("reads {}, expected floating-point numbers", type.ToString());
  }
  return importer_.FromValue(importer_.graph().AddNode(op, std::move(inputs))[0], order);
}

void NodeImport::Out(ItemPtr item, int index) {
  if (index >= proto().output_size() || proto().output(index).empty()) return;
  importer_.Name(proto().output(index), item, where());
}

}  // namespace normkit
