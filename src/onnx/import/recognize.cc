#include "src/onnx/import/recognize.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>

namespace normkit {
namespace {

constexpr double kTiny = 1e-6;  // what exporters add to a difference for no reason

class Finder {
 public:
  Finder(const onnx::GraphProto& graph, std::span<const char> needed,
         const ConstantByName& constant)
      : graph_(graph), constant_(constant) {
    for (int i = 0; i < graph.node_size(); ++i) {
      if (!needed[static_cast<size_t>(i)]) continue;
      for (const std::string& output : graph.node(i).output()) made_by_[output] = i;
      for (const std::string& input : graph.node(i).input()) readers_[input].insert(i);
    }
    for (const auto& output : graph.output()) readers_[output.name()].insert(-1);
  }

  std::vector<SpelledNorm> Find() {
    std::vector<SpelledNorm> found;
    std::set<int> taken;
    for (int i = 0; i < graph_.node_size(); ++i) {
      std::optional<SpelledNorm> norm = MatchAt(i);
      if (!norm) continue;
      AddAffine(i, *norm);
      std::ranges::sort(norm->nodes);
      norm->nodes.erase(std::unique(norm->nodes.begin(), norm->nodes.end()), norm->nodes.end());
      const bool apart =
          std::ranges::none_of(norm->nodes, [&](int node) { return taken.contains(node); });
      if (!apart || !IsClosed(*norm)) continue;
      taken.insert(norm->nodes.begin(), norm->nodes.end());
      found.push_back(std::move(*norm));
    }
    return found;
  }

 private:
  const onnx::NodeProto& Node(int i) const { return graph_.node(i); }

  // Whether it is of this operator, and has the inputs that are looked at here.
  static bool Is(const onnx::NodeProto& node, std::string_view type) {
    static const std::set<std::string_view> kOfOne{"Sqrt", "Reciprocal", "ReduceMean"};
    const int inputs = kOfOne.contains(type) ? 1 : 2;
    return node.op_type() == type && node.domain().empty() && node.input_size() >= inputs &&
           node.output_size() == 1;
  }

  // The node that gives this, where it is of this operator; -1: none.
  int Maker(const std::string& name, std::string_view type) const {
    const auto made = made_by_.find(name);
    return made != made_by_.end() && Is(Node(made->second), type) ? made->second : -1;
  }

  std::optional<float> Number(const std::string& name) const {
    const Tensor* tensor = constant_(name);
    if (!tensor || tensor->size() != 1 || tensor->dtype() != DType::kF32) return {};
    return tensor->values<float>()[0];
  }

  std::vector<int64_t> Ints(const std::string& name) const {
    const Tensor* tensor = constant_(name);
    if (!tensor || tensor->dtype() != DType::kI64) return {};
    const auto values = tensor->values<int64_t>();
    return {values.begin(), values.end()};
  }

  // a / sqrt(V + epsilon), or a times its reciprocal.
  std::optional<SpelledNorm> MatchAt(int i) const {
    const onnx::NodeProto& node = Node(i);
    if (node.input_size() != 2 || node.output_size() != 1) return {};
    if (node.op_type() == "Div") return MatchQuotient(i, node.input(0), node.input(1), {i});
    if (node.op_type() != "Mul") return {};
    for (int k = 0; k < 2; ++k) {
      const int reciprocal = Maker(node.input(k), "Reciprocal");
      if (reciprocal < 0) continue;
      if (auto norm =
              MatchQuotient(i, node.input(1 - k), Node(reciprocal).input(0), {i, reciprocal}))
        return norm;
    }
    return {};
  }

  std::optional<SpelledNorm> MatchQuotient(int i, const std::string& a, const std::string& root,
                                           std::vector<int> nodes) const {
    const int sqrt = Maker(root, "Sqrt");
    const int sum = sqrt < 0 ? -1 : Maker(Node(sqrt).input(0), "Add");
    if (sum < 0) return {};
    for (int k = 0; k < 2; ++k) {
      const std::optional<float> epsilon = Number(Node(sum).input(k));
      if (!epsilon || !(*epsilon > 0)) continue;
      SpelledNorm norm;
      norm.nodes = nodes;
      norm.nodes.insert(norm.nodes.end(), {sqrt, sum});
      norm.epsilon = *epsilon;
      norm.y = Node(i).output(0);
      const std::string squares = MatchMean(Node(sum).input(1 - k), norm);
      if (squares.empty() || !IsSquare(squares, a, norm)) continue;
      MatchDifference(a, norm);
      return norm;
    }
    return {};
  }

  // What `name` is the mean of; "": it is none. Axes and the reshaping have to be those of the
  // mean before it, if there was one.
  std::string MatchMean(const std::string& name, SpelledNorm& norm) const {
    const int mean = Maker(name, "ReduceMean");
    if (mean < 0) return "";
    std::vector<int64_t> axes;
    for (const auto& attribute : Node(mean).attribute()) {
      if (attribute.name() == "axes") axes.assign(attribute.ints().begin(), attribute.ints().end());
      if (attribute.name() == "keepdims" && attribute.i() != 1) return "";
    }
    if (Node(mean).input_size() > 1) axes = Ints(Node(mean).input(1));
    if (axes.empty()) return "";
    std::ranges::sort(axes);
    std::string of = Node(mean).input(0);
    std::vector<int64_t> reshaped;
    const int reshape = Maker(of, "Reshape");
    if (reshape >= 0) {
      reshaped = Ints(Node(reshape).input(1));
      if (reshaped.empty()) return "";
      norm.nodes.push_back(reshape);
      of = Node(reshape).input(0);
    }
    if (!norm.axes.empty() && (norm.axes != axes || norm.reshaped != reshaped)) return "";
    norm.axes = axes;
    norm.reshaped = reshaped;
    norm.nodes.push_back(mean);
    return of;
  }

  // Whether `name` is a squared: a a, a^2, or a (a + tiny), whose mean is that of a a where a has
  // none.
  bool IsSquare(const std::string& name, const std::string& a, SpelledNorm& norm) const {
    if (const int power = Maker(name, "Pow"); power >= 0) {
      const Tensor* exponent = constant_(Node(power).input(1));
      const bool two = exponent && exponent->size() == 1 &&
                       (exponent->dtype() == DType::kF32   ? exponent->values<float>()[0] == 2
                        : exponent->dtype() == DType::kI64 ? exponent->values<int64_t>()[0] == 2
                                                           : false);
      norm.nodes.push_back(power);
      return two && Node(power).input(0) == a;
    }
    const int product = Maker(name, "Mul");
    if (product < 0) return false;
    norm.nodes.push_back(product);
    const auto is_a = [&](const std::string& factor) {
      if (factor == a) return true;
      const int sum = Maker(factor, "Add");
      if (sum < 0 || Maker(a, "Sub") < 0 || Node(sum).input(0) != a) return false;
      const std::optional<float> more = Number(Node(sum).input(1));
      if (!more || std::abs(*more) > kTiny) return false;
      norm.nodes.push_back(sum);
      return true;
    };
    return is_a(Node(product).input(0)) && is_a(Node(product).input(1));
  }

  // a = x - mean(x), else x.
  void MatchDifference(const std::string& a, SpelledNorm& norm) const {
    norm.x = a;
    norm.center = false;
    const int difference = Maker(a, "Sub");
    if (difference < 0) return;
    SpelledNorm centered = norm;
    centered.nodes.push_back(difference);
    const std::string of = MatchMean(Node(difference).input(1), centered);
    if (of.empty() || of != Node(difference).input(0)) return;
    centered.x = of;
    centered.center = true;
    norm = std::move(centered);
  }

  // The only reader of what the node gives, where it is of this operator; -1: none.
  int OnlyReader(int node, std::string_view type) const {
    const auto readers = readers_.find(Node(node).output(0));
    if (readers == readers_.end() || readers->second.size() != 1) return -1;
    const int reader = *readers->second.begin();
    return reader >= 0 && Is(Node(reader), type) ? reader : -1;
  }

  // A factor and then a summand behind it, which are not made of x.
  void AddAffine(int node, SpelledNorm& norm) const {
    const auto other = [&](int reader, const std::string& than) {
      const onnx::NodeProto& proto = Node(reader);
      return proto.input(0) == than ? proto.input(1) : proto.input(0);
    };
    const int product = OnlyReader(node, "Mul");
    if (product < 0 || Node(product).input(0) == Node(product).input(1)) return;
    norm.scale = other(product, norm.y);
    norm.nodes.push_back(product);
    norm.y = Node(product).output(0);
    const int sum = OnlyReader(product, "Add");
    if (sum < 0 || Node(sum).input(0) == Node(sum).input(1)) return;
    norm.offset = other(sum, norm.y);
    norm.nodes.push_back(sum);
    norm.y = Node(sum).output(0);
  }

  // Whether nobody but its own nodes reads what they give, save the last.
  bool IsClosed(const SpelledNorm& norm) const {
    const std::set<int> own(norm.nodes.begin(), norm.nodes.end());
    for (const int node : norm.nodes)
      for (const std::string& output : Node(node).output()) {
        const auto readers = readers_.find(output);
        if (output == norm.y || readers == readers_.end()) continue;
        for (const int reader : readers->second)
          if (!own.contains(reader)) return false;
      }
    return Node(norm.last()).output(0) == norm.y;
  }

  const onnx::GraphProto& graph_;
  const ConstantByName& constant_;
  std::map<std::string, int> made_by_;
  std::map<std::string, std::set<int>> readers_;  // -1: an output of the graph
};

}  // namespace

std::vector<SpelledNorm> FindSpelledNorms(const onnx::GraphProto& graph,
                                          std::span<const char> needed,
                                          const ConstantByName& constant) {
  return Finder(graph, needed, constant).Find();
}

}  // namespace normkit
