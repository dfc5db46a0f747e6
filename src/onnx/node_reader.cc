#include "src/onnx/node_reader.h"

#include <cmath>

namespace normkit {

using onnx::AttributeProto;

NodeReader::NodeReader(const std::string& file, const onnx::NodeProto& node)
    : node_(node), where_(fmt::format("{}: node '{}' ({})", file, node.name(), node.op_type())) {}

const AttributeProto* NodeReader::Find(const std::string& attribute,
                                       AttributeProto::AttributeType type) {
  known_.insert(attribute);
  const AttributeProto* found = nullptr;
  for (const AttributeProto& a : node_.attribute()) {
    if (a.name() != attribute) continue;
    if (found) Refuse("attribute '{}' stands twice, expected once", attribute);
    found = &a;
  }
  if (found && found->type() != type)
    Refuse("attribute '{}' has type {}, expected {}", attribute,
           AttributeProto::AttributeType_Name(found->type()),
           AttributeProto::AttributeType_Name(type));
  return found;
}

int64_t NodeReader::Int(const std::string& attribute, int64_t otherwise) {
  const AttributeProto* found = Find(attribute, AttributeProto::INT);
  return found ? found->i() : otherwise;
}

float NodeReader::Float(const std::string& attribute, float otherwise) {
  const AttributeProto* found = Find(attribute, AttributeProto::FLOAT);
  if (found && !std::isfinite(found->f()))
    Refuse("attribute '{}' is {}, expected a finite number", attribute, found->f());
  return found ? found->f() : otherwise;
}

std::vector<int64_t> NodeReader::Ints(const std::string& attribute,
                                      std::vector<int64_t> otherwise) {
  const AttributeProto* found = Find(attribute, AttributeProto::INTS);
  if (!found) return otherwise;
  std::vector<int64_t> values(found->ints().begin(), found->ints().end());
  if (values.size() != otherwise.size())
    Refuse("attribute '{}' has {} values, expected {}", attribute, values.size(), otherwise.size());
  return values;
}

std::string NodeReader::Text(const std::string& attribute, const std::string& otherwise) {
  const AttributeProto* found = Find(attribute, AttributeProto::STRING);
  return found ? found->s() : otherwise;
}

void NodeReader::Expect(const std::string& attribute, int64_t only) {
  const int64_t given = Int(attribute, only);
  if (given != only)
    Refuse("attribute '{}' is {}, expected {} (the only one supported)", attribute, given, only);
}

void NodeReader::ExpectSame(const std::string& attribute, float rounded, double exact) const {
  if (static_cast<float>(exact) != rounded)
    Refuse("'{}' is {}, expected {} (what the metadata of the file says)", attribute, rounded,
           exact);
}

void NodeReader::ExpectInputs(int least, int most) const {
  if (inputs() < least || inputs() > most)
    Refuse("has {} inputs, expected {}", inputs(),
           least == most ? fmt::format("{}", least) : fmt::format("{} to {}", least, most));
  if (node_.output_size() != 1) Refuse("has {} outputs, expected 1", node_.output_size());
}

void NodeReader::Done() const {
  for (const AttributeProto& a : node_.attribute())
    if (!known_.contains(a.name()))
      Refuse("attribute '{}' is not supported, expected {}", a.name(),
             known_.empty() ? "none" : fmt::format("{}", fmt::join(known_, ", ")));
}

}  // namespace normkit
