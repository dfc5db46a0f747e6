#include "src/onnx/import/importer.h"

#include <algorithm>
#include <numeric>

#include "src/graph/fold.h"
#include "src/onnx/import/rows.h"
#include "src/onnx/import/spelled_norms.h"
#include "src/onnx/metadata.h"

namespace normkit {
namespace {

// Larger arrays are taken for damage, as are files whose constants make more of each other.
constexpr int64_t kMostImported = int64_t{1} << 34;
// Beside those of the file, and a few copies of them.
constexpr int64_t kMostFolded = int64_t{1} << 26, kCopies = 4;
constexpr int64_t kUsualSize = 64;  // of an axis that the file leaves open

}  // namespace

Importer::Importer(const std::string& file, const onnx::ModelProto& model, int64_t opset,
                   ConstantReader& constants, const ImportOptions& options)
    : file_(file), model_(model), opset_(opset), constants_(constants), options_(options) {}

ItemPtr Importer::NewItem(Item item) {
  items_.push_back(std::move(item));
  return &items_.back();
}

ItemPtr Importer::Constant(Tensor tensor, std::string name) {
  const int rank = tensor.layout().rank();
  return NewItem({std::make_shared<Tensor>(std::move(tensor)), {-1, -1}, rank, std::move(name)});
}

ItemPtr Importer::FromValue(Value value, Order order) {
  Item item;
  item.rank = graph_.layout(value).rank();
  item.values[item.rank < 3 ? 0 : static_cast<size_t>(order)] = value;
  return NewItem(std::move(item));
}

ItemPtr Importer::Find(const std::string& name) {
  if (const auto found = names_.find(name); found != names_.end()) return found->second;
  const auto initializer = initializers_.find(name);
  if (initializer == initializers_.end()) return nullptr;
  const ItemPtr item = Constant(constants_.Read(*initializer->second, file_), name);
  names_.emplace(name, item);
  return item;
}

void Importer::Name(const std::string& name, ItemPtr item, const std::string& where) {
  if (initializers_.contains(name) || !names_.emplace(name, item).second)
    Fail("{}: output '{}' is not a new name", where, name);
}

Value Importer::Get(ItemPtr item, Order order) {
  const size_t wanted = item->rank < 3 ? 0 : static_cast<size_t>(order);
  Value& value = item->values[wanted];
  if (value >= 0) return value;
  const std::vector<int> axes = wanted == 0 ? FileOrder(item->rank) : ChannelsLastOrder(item->rank);
  const auto transpose = ops::Transpose(axes);
  if (!item->fixed) {
    const Value other = item->values[1 - wanted];
    return value = graph_.AddNode(transpose, {other})[0];
  }
  if (wanted == 0) return value = graph_.AddConstant(item->fixed->Clone());
  const OpInput input{item->fixed->type(), item->fixed->data()};
  const auto types = transpose->Infer(std::span(&input, 1));
  return value = graph_.AddConstant(Fold(*transpose, std::span(&input, 1), types)[0]->Clone());
}

ArrayType Importer::TypeOf(ItemPtr item) const {
  if (item->fixed) return item->fixed->type();
  if (item->values[0] >= 0) return graph_.value(item->values[0]).type;
  const ArrayType& type = graph_.value(item->values[1]).type;
  std::vector<Axis> axes;
  for (const int axis : FileOrder(item->rank))
    axes.push_back(type.shape.axes()[static_cast<size_t>(axis)]);
  return {type.dtype, Layout(std::move(axes))};
}

const Tensor* Importer::KnownNow(ItemPtr item) const {
  if (item->fixed) return item->fixed.get();
  return item->values[0] >= 0 ? graph_.value(item->values[0]).known.get() : nullptr;
}

// Before anything is allocated for them.
void Importer::CheckSizes(std::span<const ArrayType> types, bool folds) {
  for (const ArrayType& type : types) {
    if (type.shape.size() > kMostImported)
      Fail("gives {}, more than {} elements, the most that is read here", type.ToString(),
           kMostImported);
    if (folds) folded_ += type.shape.size();
  }
  const int64_t most = kMostFolded + kCopies * constants_.elements();
  if (folded_ > most)
    Fail("more than {} elements follow from constants, the most that is read here", most);
}

std::vector<ItemPtr> Importer::Apply(const std::shared_ptr<const Op>& op,
                                     std::span<const ItemPtr> inputs, Order order) {
  std::vector<OpInput> known;
  const bool fixed =
      op->folds() && !inputs.empty() && std::ranges::all_of(inputs, [&](ItemPtr item) {
        if (!item->fixed) return false;
        known.push_back({item->fixed->type(), item->fixed->data()});
        return true;
      });
  std::vector<ItemPtr> items;
  if (fixed) {
    const std::vector<ArrayType> types = op->Infer(known);
    CheckSizes(types, true);
    for (auto& tensor : Fold(*op, known, types)) {
      const int rank = tensor->layout().rank();
      items.push_back(NewItem({std::move(tensor), {-1, -1}, rank, ""}));
    }
    return items;
  }
  std::vector<Value> values;
  std::vector<OpInput> now;
  bool known_now = op->folds();
  for (const ItemPtr item : inputs) {
    values.push_back(Get(item, order));
    const ValueInfo& info = graph_.value(values.back());
    now.push_back({info.type, info.known ? info.known->data() : nullptr});
    known_now &= info.known != nullptr;
  }
  CheckSizes(op->Infer(now), known_now);
  for (const Value value : graph_.AddNode(op, std::move(values)))
    items.push_back(FromValue(value, order));
  return items;
}

bool Importer::LiesLast(ItemPtr item) const {
  return !item->fixed && item->values[0] < 0 && item->values[1] >= 0;
}

ItemPtr Importer::ApplyToElements(const std::shared_ptr<const Op>& op,
                                  std::span<const ItemPtr> inputs) {
  int rank = 0;
  for (const ItemPtr item : inputs) rank = std::max(rank, item->rank);
  const bool last = rank >= 3 && std::ranges::any_of(inputs, [&](ItemPtr item) {
                      return item->rank == rank && LiesLast(item);
                    });
  if (!last) return Apply(op, inputs, Order::kFile)[0];
  std::vector<ItemPtr> placed;  // with as many axes as the largest has, so that they can be moved
  for (const ItemPtr item : inputs) {
    if (item->rank == rank || TypeOf(item).shape.size() == 1) {
      placed.push_back(item);
      continue;
    }
    std::vector<int64_t> more(static_cast<size_t>(rank - item->rank));
    std::iota(more.begin(), more.end(), 0);
    placed.push_back(Apply(ops::AddAxes(more), std::span(&item, 1), Order::kFile)[0]);
  }
  return Apply(op, placed, Order::kChannelsLast)[0];
}

Value Importer::Parameter(ItemPtr item, const std::string& name, bool trainable,
                          const std::vector<int>& order) {
  if (!item->fixed) {
    if (order.empty()) return Get(item, Order::kFile);
    return Get(Apply(ops::Transpose(order), std::span(&item, 1), Order::kFile)[0], Order::kFile);
  }
  std::shared_ptr<const Tensor> values = item->fixed;
  if (!order.empty())
    values = Apply(ops::Transpose(order), std::span(&item, 1), Order::kFile)[0]->fixed;
  std::string title = item->name.empty() ? name : item->name;
  if (!order.empty()) title += fmt::format("[{}]", fmt::join(order, ","));
  if (!trainable) title += " ";  // a tensor may be trained by one node and given to another
  const auto found = parameters_.find(title);
  if (found != parameters_.end()) return found->second;
  if (values->dtype() != DType::kF32)
    Fail("'{}' has elements of {}, expected floating-point ones", title,
         normkit::Name(values->dtype()));
  ParameterSpec spec{title, values->layout().shape(),
                     [values](std::span<float> to, Random&) {
                       std::ranges::copy(values->values<float>(), to.begin());
                     },
                     trainable};
  sources_.push_back({item->name, order});
  return parameters_[title] = graph_.AddParameter(std::move(spec));
}

void Importer::AddInitializers() {
  for (const onnx::TensorProto& tensor : model_.graph().initializer())
    if (!initializers_.emplace(tensor.name(), &tensor).second)
      Fail("{}: tensor '{}' stands twice, expected unique names", file_, tensor.name());
}

namespace {

std::vector<int64_t> DeclaredShape(const onnx::ValueInfoProto& input) {
  std::vector<int64_t> shape;
  for (const auto& dim : input.type().tensor_type().shape().dim())
    shape.push_back(dim.has_dim_value() && dim.dim_value() > 0 ? dim.dim_value() : -1);
  return shape;
}

void CheckGiven(const std::string& where, const std::vector<int64_t>& declared,
                const std::vector<int64_t>& given) {
  bool fits = declared.size() == given.size();
  for (size_t i = 0; fits && i < given.size(); ++i)
    fits = given[i] >= 0 && (declared[i] < 0 || declared[i] == given[i]);
  if (fits) return;
  std::vector<std::string> wanted;
  for (const int64_t size : declared) wanted.push_back(size < 0 ? "any" : std::to_string(size));
  Fail("{}: is given as [{}], expected [{}]", where, fmt::join(given, ","), fmt::join(wanted, ","));
}

}  // namespace

std::vector<ImportedArray> FileInputs(const onnx::GraphProto& graph) {
  std::set<std::string> constants;  // which old files list among their inputs
  for (const onnx::TensorProto& tensor : graph.initializer()) constants.insert(tensor.name());
  std::vector<ImportedArray> inputs;
  for (const onnx::ValueInfoProto& input : graph.input()) {
    if (constants.contains(input.name())) continue;
    const int type = input.type().tensor_type().elem_type();
    inputs.push_back({input.name(), 0, DeclaredShape(input), false,
                      ImportedType(type, fmt::format("input '{}'", input.name()))});
  }
  return inputs;
}

bool Importer::IsOnlyCast(const std::string& name) const {
  return std::ranges::none_of(model_.graph().node(), [&](const onnx::NodeProto& node) {
    return node.op_type() != "Cast" && std::ranges::count(node.input(), name) > 0;
  });
}

void Importer::AddConstantInput(const ImportedArray& input, const std::vector<int64_t>& values) {
  const bool number = input.shape.empty();
  const std::vector<int64_t> shape =
      number ? std::vector<int64_t>() : std::vector{std::ssize(values)};
  if (input.dtype != DType::kI64 || (number && values.size() != 1))
    Fail("{}: input '{}': {} whole numbers given, expected {}", file_, input.name, values.size(),
         input.dtype == DType::kI64 ? "1" : "an array that is no constant");
  if (!number) CheckGiven(fmt::format("{}: input '{}'", file_, input.name), input.shape, shape);
  Tensor tensor(Layout::Unlabelled(shape), DType::kI64);
  std::ranges::copy(values, tensor.values<int64_t>().begin());
  names_.emplace(input.name, Constant(std::move(tensor)));
}

void Importer::AddInput(const onnx::ValueInfoProto& input, const std::set<std::string>& spatial) {
  const std::string where = fmt::format("{}: input '{}'", file_, input.name());
  if (!IsName(input.name()))
    Fail("{}: the name is not one, expected UTF-8 without control characters", where);
  if (!input.type().has_tensor_type()) Fail("{}: is no tensor, expected one", where);
  const onnx::TypeProto::Tensor& type = input.type().tensor_type();
  const int elements = type.elem_type();
  // Pixels are numbers like others.
  const DType dtype = elements == onnx::TensorProto::UINT8 && IsOnlyCast(input.name())
                          ? DType::kF32
                          : ImportedType(elements, where);
  ImportedArray array{input.name(), 0, DeclaredShape(input), false, dtype};
  if (const auto given = options_.constants.find(input.name()); given != options_.constants.end())
    return AddConstantInput(array, given->second);
  std::vector<int64_t> shape = array.shape;
  const auto given = options_.shapes.find(input.name());
  if (given != options_.shapes.end()) {
    if (!type.has_shape()) array.shape.assign(given->second.size(), -1);
    CheckGiven(where, array.shape, given->second);
    shape = given->second;
  } else if (!type.has_shape()) {
    Fail("{}: the file does not say how many axes it has, expected its sizes to be given", where);
  }
  for (size_t i = 0; i < shape.size(); ++i)
    if (shape[i] < 0) shape[i] = i == 0 ? 1 : kUsualSize;
  const int rank = static_cast<int>(shape.size());
  if (rank > 8) Fail("{}: has {} axes, expected at most 8", where, rank);
  const bool as_here = dtype == DType::kF32 && HasChannelsLast(model_.graph(), input.name(), rank);
  array.channels_last = !as_here && dtype == DType::kF32 &&
                        (rank == 4 || (rank >= 3 && spatial.contains(input.name())));
  std::vector<Axis> axes;
  if (array.channels_last) {
    for (const int axis : ChannelsLastOrder(rank)) {
      const Dim label = axis == 0 ? kB : axis == 1 ? kC : kS;
      axes.push_back({label, shape[static_cast<size_t>(axis)]});
    }
  } else {
    for (const int64_t size : shape) {
      const Dim inner = !as_here ? kNoLabel : std::ssize(axes) == rank - 1 ? kC : kS;
      axes.push_back({axes.empty() && rank > 1 ? kB : inner, size});
    }
  }
  const ArrayType built{dtype, Layout(std::move(axes))};
  CheckSizes(std::span(&built, 1), false);
  array.value = graph_.AddInput(built);
  names_.emplace(input.name(),
                 FromValue(array.value, array.channels_last ? Order::kChannelsLast : Order::kFile));
  inputs_.push_back(std::move(array));
}

void Importer::AddInputs() {
  std::set<std::string> spatial;  // what nodes read that slide windows or know channels
  for (const onnx::NodeProto& node : model_.graph().node()) {
    const ImportRow* row = FindImportRow(node.op_type(), opset_);
    if (row && row->spatial && node.input_size() > 0) spatial.insert(node.input(0));
  }
  std::set<std::string> seen;
  for (const onnx::ValueInfoProto& input : model_.graph().input()) {
    if (initializers_.contains(input.name())) continue;  // old files list their constants, too
    if (!seen.insert(input.name()).second)
      Fail("{}: input '{}' stands twice, expected unique names", file_, input.name());
    AddInput(input, spatial);
  }
  for (const auto& [name, shape] : options_.shapes)
    if (!seen.contains(name) && !options_.constants.contains(name))
      Fail("{}: has no input '{}', expected {}", file_, name, fmt::join(seen, ", "));
  if (inputs_.empty()) Fail("{}: the graph has no inputs, expected one at least", file_);
}

// Those that outputs follow from.
std::vector<char> Importer::NeededNodes() const {
  const onnx::GraphProto& graph = model_.graph();
  std::set<std::string> wanted;
  for (const onnx::ValueInfoProto& output : graph.output()) wanted.insert(output.name());
  std::vector<char> needed(static_cast<size_t>(graph.node_size()), 0);
  for (int i = graph.node_size(); i-- > 0;) {
    const onnx::NodeProto& node = graph.node(i);
    const bool gives = std::ranges::any_of(
        node.output(), [&](const std::string& name) { return wanted.contains(name); });
    if (!gives) continue;
    needed[static_cast<size_t>(i)] = 1;
    wanted.insert(node.input().begin(), node.input().end());
  }
  return needed;
}

void Importer::AddOutputs(ImportedNetwork& imported) {
  const onnx::GraphProto& graph = model_.graph();
  if (graph.output_size() == 0) Fail("{}: the graph has no outputs, expected one at least", file_);
  for (const onnx::ValueInfoProto& output : graph.output()) {
    if (!IsName(output.name()))
      Fail("{}: output '{}': the name is not one, expected UTF-8 without control characters", file_,
           output.name());
    const ItemPtr item = Find(output.name());
    if (!item) Fail("{}: no node gives the output '{}'", file_, output.name());
    const bool last = LiesLast(item);
    Value value = Get(item, last ? Order::kChannelsLast : Order::kFile);
    // What nobody computes, or two outputs are, is copied; and the last, to be the graph's.
    const ValueInfo& info = graph_.value(value);
    const bool copied = info.kind != ValueKind::kComputed || info.known ||
                        std::ranges::any_of(imported.outputs, [&](const ImportedArray& other) {
                          return other.value == value;
                        });
    const bool final = &output == &*graph.output().rbegin();
    graph_.SetTitle(fmt::format("{}: output '{}'", file_, output.name()));
    if (copied || (final && value + 1 != static_cast<Value>(graph_.values().size())))
      value = graph_.AddNode(ops::Copy(), {value})[0];
    imported.outputs.push_back({output.name(), value, DeclaredShape(output), last});
  }
}

// The elements of a constant before it is read: an initializer's or a Constant node's.
ConstantByName Importer::SmallConstants() {
  auto nodes = std::make_shared<std::map<std::string, const onnx::TensorProto*>>();
  for (const onnx::NodeProto& node : model_.graph().node())
    if (node.op_type() == "Constant" && node.output_size() == 1)
      for (const onnx::AttributeProto& attribute : node.attribute())
        if (attribute.name() == "value") nodes->emplace(node.output(0), &attribute.t());
  return [this, nodes](const std::string& name) -> const Tensor* {
    if (initializers_.contains(name)) return Find(name)->fixed.get();
    const auto found = nodes->find(name);
    if (found == nodes->end()) return nullptr;
    return Constant(constants_.Read(*found->second, file_))->fixed.get();
  };
}

void Importer::ReadNodes(ImportedNetwork& imported) {
  const onnx::GraphProto& graph = model_.graph();
  const std::vector<char> needed = NeededNodes();
  const std::vector<SpelledNorm> norms = FindSpelledNorms(graph, needed, SmallConstants());
  std::map<int, const SpelledNorm*> first, last;
  for (const SpelledNorm& norm : norms) first[norm.first()] = last[norm.last()] = &norm;
  std::set<int> skipped;  // nodes of norms that were recognized
  for (int i = 0; i < graph.node_size(); ++i) {
    if (!needed[static_cast<size_t>(i)]) continue;
    NodeImport node(file_, graph.node(i), opset_, *this);
    graph_.SetTitle(node.where(), node.name().empty() ? node.output() : node.name());
    if (const auto begins = first.find(i); begins != first.end()) {
      const SpelledNorm& norm = *begins->second;
      if (const std::string name = NameOfSpelled(*this, norm); !name.empty()) {
        skipped.insert(norm.nodes.begin(), norm.nodes.end());
        imported.recognized.push_back(
            fmt::format("{} from '{}' to '{}', {} nodes", name, norm.x, norm.y, norm.nodes.size()));
      }
    }
    if (!skipped.contains(i))
      ReadNode(node);
    else if (const auto ends = last.find(i); ends != last.end())
      ReadSpelled(*this, *ends->second, node.where());
  }
}

ImportedNetwork Importer::Run() {
  AddInitializers();
  AddInputs();
  ImportedNetwork imported;
  ReadNodes(imported);
  AddOutputs(imported);
  imported.picture = PictureHintOf(model_);
  imported.num_nodes = model_.graph().node_size();
  imported.inputs = inputs_;
  imported.parameters = sources_;
  imported.network.parameters = Parameters(graph_);
  imported.network.parameters.Initialize(graph_, 0);
  imported.network.graph = std::move(graph_);
  for (const auto& entry : model_.metadata_props())
    imported.network.facts.emplace(entry.key(), entry.value());
  return imported;
}

}  // namespace normkit
