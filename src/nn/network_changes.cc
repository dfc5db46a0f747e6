#include "normkit/nn/network_changes.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "src/core/fail.h"
#include "src/core/glob.h"
#include "src/nn/changes.h"
#include "src/nn/layers/convolution.h"
#include "src/nn/layers/fully_connected.h"
#include "src/nn/layers/input.h"
#include "src/nn/layers/normalization.h"
#include "src/nn/norm_sites.h"

namespace normkit {
namespace {

// What each parameter may be called by: the layer or the nodes that read it, and itself.
std::vector<std::vector<std::string>> NamesOfParameters(const Graph& graph) {
  std::vector<std::vector<std::string>> names(graph.parameters().size());
  const auto add = [&](Value value, const std::string& name) {
    const int parameter = graph.value(value).parameter;
    if (parameter >= 0) names[static_cast<size_t>(parameter)].push_back(name);
  };
  for (const LayerRecord& record : graph.layers())
    for (const Value value : record.parameters) add(value, record.layer->name());
  for (const Node& node : graph.nodes())
    for (const Value value : node.inputs)
      if (!node.name.empty()) add(value, node.name);
  for (size_t p = 0; p < names.size(); ++p) {  // an imported one says its axes behind its name
    const std::string& name = graph.parameters()[p].spec.name;
    names[p].push_back(name.substr(0, name.find_first_of("[ ")));
  }
  return names;
}

void Freeze(Network& network, const std::vector<std::string>& patterns) {
  Globs globs(patterns, "freeze");
  const auto names = NamesOfParameters(network.graph);
  bool frozen = false;
  for (size_t p = 0; p < names.size(); ++p)
    if (network.graph.parameters()[p].spec.trainable && globs.Match(names[p])) {
      network.graph.Freeze(p);
      frozen = true;
    }
  globs.CheckAllNamed();
  if (!frozen) return;
  Parameters parameters(network.graph);  // which know what is trained
  std::ranges::copy(network.parameters.values(), parameters.values().begin());
  network.parameters = std::move(parameters);
}

void Reset(Network& network, const std::vector<std::string>& patterns) {
  Globs globs(patterns, "reset");
  for (const NormSite& site : NormSites(network.graph)) {
    if (!globs.Match({site.name})) continue;
    std::ranges::fill(SiteArray(network.parameters, site.scale), 1.f);
    std::ranges::fill(SiteArray(network.parameters, site.offset), 0.f);
  }
  globs.CheckAllNamed();
}

// Makes the layers of a graph anew.
class Rebuild {
 public:
  Rebuild(const Network& network, const NetworkChanges& changes)
      : from_(network.graph),
        changes_(changes),
        freeze_(changes.freeze_statistics, "freeze_statistics"),
        use_(changes.use_trained_statistics, "use_trained_statistics"),
        epsilon_(changes.epsilon ? changes.epsilon_of : std::vector<std::string>(), "epsilon") {}

  Graph Run() {
    Graph graph;
    std::vector<Value> to(from_.values().size(), -1);
    for (int index = 0; index < from_.num_layers(); ++index) {
      const LayerRecord& record = from_.layer(index);
      std::vector<Value> inputs;
      for (const Value input : record.inputs) inputs.push_back(to[static_cast<size_t>(input)]);
      const int owner = record.parameters.empty() ? index : from_.value(record.parameters[0]).layer;
      const std::shared_ptr<Layer> layer = LayerFor(index);
      const Value y = owner == index ? graph.Add(layer, std::move(inputs))
                                     : graph.AddTied(layer, std::move(inputs),
                                                     from_.layer(owner).layer->name());
      const std::vector<Value>& outputs = graph.layer(graph.num_layers() - 1).outputs;
      for (size_t i = 0; i < record.outputs.size() && i < outputs.size(); ++i)
        to[static_cast<size_t>(record.outputs[i])] = outputs[i];
      to[static_cast<size_t>(record.output())] = y;
    }
    for (const Globs* globs : {&freeze_, &use_, &epsilon_}) globs->CheckAllNamed();
    CheckClasses(graph);
    return graph;
  }

  // Whether the layer's parameters begin anew.
  bool IsReplaced(int layer) const { return !changes_.classes.empty() && layer == Last(); }

 private:
  // The last layer with weights of its own.
  int Last() const {
    for (int index = from_.num_layers(); index-- > 0;) {
      const Layer* layer = from_.layer(index).layer.get();
      if (dynamic_cast<const FullyConnectedLayer*>(layer) ||
          dynamic_cast<const ConvolutionLayer*>(layer))
        return index;
    }
    Fail("replacing the last layer: the network has none with weights");
  }

  void CheckClasses(const Graph& graph) const {
    const auto wanted = std::ssize(changes_.classes);
    const Layout& output = graph.layout(graph.output());
    if (wanted > 0 && output.size() != wanted)
      Fail("replacing the last layer, {}, for {} classes: the network then gives {}",
           Title(*from_.layer(Last()).layer), wanted, output.ToString());
  }

  std::shared_ptr<Layer> LayerFor(int index) {
    const std::shared_ptr<const Layer>& layer = from_.layer(index).layer;
    if (const auto* norm = dynamic_cast<const NormalizationLayer*>(layer.get()))
      if (auto changed = ChangedNorm(*norm)) return changed;
    if (const auto* image = dynamic_cast<const ImageInputLayer*>(layer.get())) {
      ImageInputOptions options = image->options();
      options.name = image->name();
      if (changes_.height > 0) options.input_size[0] = changes_.height;
      if (changes_.width > 0) options.input_size[1] = changes_.width;
      return std::make_shared<ImageInputLayer>(options);
    }
    if (IsReplaced(index)) {
      if (const auto* connected = dynamic_cast<const FullyConnectedLayer*>(layer.get())) {
        FullyConnectedOptions options = connected->options();
        options.name = layer->name();
        options.output_size = std::ssize(changes_.classes);
        return std::make_shared<FullyConnectedLayer>(options);
      }
      ConvolutionOptions options = dynamic_cast<const ConvolutionLayer&>(*layer).options();
      options.name = layer->name();
      options.num_filters = std::ssize(changes_.classes);
      return std::make_shared<ConvolutionLayer>(options);
    }
    return std::const_pointer_cast<Layer>(layer);  // graphs name what is unnamed, nothing else
  }

  std::shared_ptr<Layer> ChangedNorm(const NormalizationLayer& norm) {
    NormalizationProperties options = norm.options();
    options.name = norm.name();
    const bool batch = norm.kind() == NormKind::kBatch;
    const bool freezes = batch && freeze_.Match({norm.name()}),
               uses = batch && use_.Match({norm.name()}), epsilon = epsilon_.Match({norm.name()});
    if (!freezes && !uses && !epsilon) return nullptr;
    options.freeze_statistics |= freezes;
    options.use_trained_statistics |= uses;
    if (uses) {  // nothing is left to correct
      const NormalizationProperties plain;
      options.renormalize = plain.renormalize;
      options.renormalization_scale_limit = plain.renormalization_scale_limit;
      options.renormalization_shift_limit = plain.renormalization_shift_limit;
      options.renormalization_warm_up = plain.renormalization_warm_up;
    }
    if (epsilon) options.epsilon = *changes_.epsilon;
    return std::make_shared<NormalizationLayer>(norm.kind(), std::move(options));
  }

  const Graph& from_;
  const NetworkChanges& changes_;
  Globs freeze_, use_, epsilon_;
};

// From the network's own where they are the same arrays still.
void CopyParameters(const Network& from, const Rebuild& rebuild, Network& to) {
  for (const Parameter& parameter : to.parameters.list()) {
    if (rebuild.IsReplaced(parameter.layer)) continue;
    const Parameter* own = from.parameters.Find(parameter.name);
    if (!own || own->shape != parameter.shape)
      Fail(
          "pictures of another size: '{}' is [{}], expected [{}] (the network's own); a network "
          "takes other sizes where it pools all of the picture before it connects",
          parameter.name, fmt::join(parameter.shape, ","),
          own ? fmt::format("{}", fmt::join(own->shape, ",")) : "");
    std::ranges::copy(from.parameters.Get(*own), to.parameters.Get(parameter).begin());
  }
}

}  // namespace

void FreezeAndReset(Network& network, const NetworkChanges& changes) {
  Reset(network, changes.reset);
  Freeze(network, changes.freeze);
}

Network ChangeNetwork(const Network& network, const NetworkChanges& changes) {
  if (network.graph.num_layers() == 0)
    Fail(
        "changing a network: it is not made of layers, expected one that is (ModelFile changes "
        "those of others)");
  Rebuild rebuild(network, changes);
  Network changed{.classes = network.classes, .facts = network.facts};
  changed.graph = rebuild.Run();
  changed.parameters = Parameters(changed.graph);
  changed.parameters.Initialize(changed.graph, changes.seed);
  CopyParameters(network, rebuild, changed);
  if (!changes.classes.empty()) changed.classes = changes.classes;
  FreezeAndReset(changed, changes);
  return changed;
}

}  // namespace normkit
