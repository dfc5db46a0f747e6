// One node of an ONNX graph, checked as it is read.
#pragma once

#include <onnx.pb.h>

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "src/core/fail.h"

namespace normkit {

// Every attribute has to be asked for: what a row does not know, it must not ignore.
class NodeReader {
 public:
  NodeReader(const std::string& file, const onnx::NodeProto& node);

  const std::string& name() const { return node_.name(); }
  const std::string& op_type() const { return node_.op_type(); }
  int inputs() const { return node_.input_size(); }
  const std::string& input(int index) const { return node_.input(index); }
  bool HasInput(int index) const { return index < inputs() && !input(index).empty(); }
  const std::string& output() const { return node_.output(0); }

  const std::string& where() const { return where_; }  // "model.onnx: node 'conv1' (Conv)"
  template <class... Args>
  [[noreturn]] void Refuse(fmt::format_string<Args...> format, Args&&... args) const {
    Fail("{}: {}", where_, fmt::format(format, std::forward<Args>(args)...));
  }

  // What `work` gives; its errors get this node in front.
  template <class Work>
  auto Checked(const Work& work) const {
    try {
      return work();
    } catch (const Error& error) {
      Refuse("{}", error.what());
    }
  }

  // The value of an attribute, or `otherwise` where the node does not have it.
  int64_t Int(const std::string& attribute, int64_t otherwise);
  float Float(const std::string& attribute, float otherwise);
  std::vector<int64_t> Ints(const std::string& attribute, std::vector<int64_t> otherwise);
  std::string Text(const std::string& attribute, const std::string& otherwise);
  // The only value of an attribute that normkit has a layer for (and what it is when absent).
  void Expect(const std::string& attribute, int64_t only);

  // Refuses an exact value (from the metadata) that is not what the attribute rounds.
  void ExpectSame(const std::string& attribute, float rounded, double exact) const;

  // Refuses another number of inputs, and other than one output.
  void ExpectInputs(int least, int most) const;
  // Refuses attributes that were not asked for.
  void Done() const;

 protected:
  // The attribute, whose type has to be this; null where the node does not have it.
  const onnx::AttributeProto* Find(const std::string& attribute,
                                   onnx::AttributeProto::AttributeType type);

 private:
  const onnx::NodeProto& node_;
  std::string where_;
  std::set<std::string> known_;
};

}  // namespace normkit
