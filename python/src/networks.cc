// Graphs, networks, data, and what networks give for arrays.
#include "normkit/nn/networks.h"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "normkit/onnx/onnx.h"
#include "normkit/train/predict.h"
#include "normkit/train/train.h"
#include "python/src/module.h"
#include "python/src/networks.h"

namespace normkit::python {

namespace nb = nanobind;

nb::object ToNumpy(std::vector<float> values, const std::vector<int64_t>& shape) {
  auto* owned = new std::vector<float>(std::move(values));
  const nb::capsule owner(owned,
                          [](void* p) noexcept { delete static_cast<std::vector<float>*>(p); });
  const std::vector<size_t> sizes(shape.begin(), shape.end());
  return nb::cast(nb::ndarray<nb::numpy, float>(owned->data(), sizes.size(), sizes.data(), owner));
}

namespace {

using Size = std::array<int64_t, 3>;

NetworkPurpose ToPurpose(const Size& input_size, int64_t num_classes, const std::string& norm) {
  return {.input_size = input_size, .num_classes = num_classes, .norm = ParseNormChoice(norm)};
}

HeldGraph GraphByName(const std::string& name, const Size& input_size, int64_t num_classes,
                      const std::string& norm, int64_t width, int64_t blocks) {
  NetworkPurpose purpose = ToPurpose(input_size, num_classes, norm);
  purpose.width = width;
  purpose.blocks = blocks;
  return {MakeOrReadNetwork(name, purpose)};
}

HeldGraph GraphFromJson(const std::string& text, const Size& input_size, int64_t num_classes,
                        const std::string& norm) {
  return {ParseNetworkJson(text, "graph", ToPurpose(input_size, num_classes, norm))};
}

// (name, type, what it does, shape of what it gives for one observation)
nb::list LayersOf(const Graph& graph) {
  nb::list layers;
  for (const LayerRecord& record : graph.layers()) {
    const Layer& layer = *record.layer;
    layers.append(nb::make_tuple(layer.name(), std::string(layer.type()), layer.Description(),
                                 graph.layout(record.output()).ToString()));
  }
  return layers;
}

nb::dict ParametersOf(const Network& network) {
  nb::dict all;
  for (const Parameter& parameter : network.parameters.list()) {
    const std::span<const float> values = network.parameters.Get(parameter);
    all[parameter.name.c_str()] =
        ToNumpy(std::vector(values.begin(), values.end()), parameter.shape);
  }
  return all;
}

nb::object PredictOf(const Network& network, const Tensor& given) {
  const std::span<const float> values = given.values<float>();
  std::vector<int64_t> shape = given.layout().shape();
  if (given.size() == 0) shape = network.graph.layout(network.graph.output()).WithBatch(0).shape();
  return ToNumpy(std::vector(values.begin(), values.end()), shape);
}

nb::object PredictArrays(const HeldNetwork& held, const Floats& x, int64_t mini_batch_size) {
  Tensor given;
  {
    const nb::gil_scoped_release unlocked;
    given = Predict(*held.network, std::span(x.data(), x.size()), mini_batch_size);
  }
  return PredictOf(*held.network, given);
}

// What it gives, where each sequence begins, and whether it gives something for each step.
nb::tuple PredictData(const HeldNetwork& held, const HeldData& data, int64_t mini_batch_size) {
  Tensor given;
  std::vector<int64_t> offsets;
  {
    const nb::gil_scoped_release unlocked;
    given = Predict(*held.network, *data.data, mini_batch_size, &offsets);
  }
  const Graph& graph = held.network->graph;
  const bool of_steps = graph.layout(graph.output()).packed();
  return nb::make_tuple(PredictOf(*held.network, given), offsets, of_steps);
}

HeldData DataFromArrays(const std::string& format, const std::vector<int64_t>& shape,
                        const Floats& x, const Integers& labels,
                        const std::vector<std::string>& classes) {
  return {FromArrays(Layout::Make(format, shape), Values(x), Values(labels), classes, "arrays")};
}

HeldData DataForRegression(const std::string& format, const std::vector<int64_t>& shape,
                           const Floats& x, const Floats& targets, int64_t target_size) {
  return {FromArraysRegression(Layout::Make(format, shape), Values(x), Values(targets), target_size,
                               "arrays")};
}

HeldData DataOfSequences(const Floats& x, const Integers& lengths, int64_t features,
                         bool answers_each_row, const Integers& labels,
                         const std::vector<std::string>& classes, const Floats& targets,
                         int64_t target_size) {
  return {FromSequences({.layout = Layout::Make("TC", std::array<int64_t, 2>{1, features}),
                         .x = Values(x),
                         .lengths = Values(lengths),
                         .answers_each_row = answers_each_row,
                         .labels = Values(labels),
                         .classes = classes,
                         .targets = Values(targets),
                         .target_size = target_size,
                         .description = "sequences"})};
}

// With other values of some parameters; the Python around it has checked names and shapes.
HeldNetwork WithParameters(const HeldNetwork& held, const std::map<std::string, Floats>& values) {
  const Network& from = *held.network;
  Network network{from.graph, from.parameters.Clone(), from.classes, from.facts};
  for (const auto& [name, array] : values) {
    const Parameter* parameter = network.parameters.Find(name);
    if (!parameter || parameter->size != static_cast<int64_t>(array.size()))
      throw Error("parameter '" + name + "' is not one of the network, or of another size");
    std::copy_n(array.data(), array.size(), network.parameters.Get(*parameter).data());
  }
  return {std::make_shared<const Network>(std::move(network))};
}

void AddGraphs(nb::module_& m) {
  nb::class_<HeldGraph>(m, "Graph")
      .def_static("by_name", &GraphByName)
      .def_static("from_json", &GraphFromJson)
      .def_prop_ro("layers", [](const HeldGraph& held) { return LayersOf(held.graph); });
  m.def("network_names", &NetworkNames);
  nb::class_<HeldNetwork>(m, "Network")
      .def_prop_ro("layers", [](const HeldNetwork& held) { return LayersOf(held.network->graph); })
      .def_prop_ro("classes", [](const HeldNetwork& held) { return held.network->classes; })
      .def_prop_ro("facts", [](const HeldNetwork& held) { return held.network->facts; })
      .def_prop_ro("parameters",
                   [](const HeldNetwork& held) { return ParametersOf(*held.network); })
      .def_prop_ro(
          "input_format",
          [](const HeldNetwork& held) { return held.network->graph.input_layout().format(); })
      .def_prop_ro(
          "input_shape",
          [](const HeldNetwork& held) { return held.network->graph.input_layout().shape(); })
      .def("predict", &PredictArrays)
      .def("predict_data", &PredictData)
      .def("with_parameters", &WithParameters)
      .def("save", [](const HeldNetwork& held, const std::string& path) {
        const nb::gil_scoped_release unlocked;
        SaveOnnx(*held.network, path);
      });
  m.def("load", [](const std::string& path) {
    const nb::gil_scoped_release unlocked;
    return HeldNetwork{std::make_shared<const Network>(LoadOnnx(path))};
  });
}

}  // namespace

void AddNetworks(nb::module_& m) {
  AddGraphs(m);
  nb::class_<HeldData>(m, "Data")
      .def("__len__", [](const HeldData& held) { return held.data->size(); })
      .def_prop_ro("classes", [](const HeldData& held) { return held.data->classes(); })
      .def_prop_ro("format", [](const HeldData& held) { return held.data->layout().format(); })
      .def_prop_ro("shape", [](const HeldData& held) { return held.data->layout().shape(); })
      .def("summary", [](const HeldData& held) { return held.data->Summary(); })
      .def("label", [](const HeldData& held, int64_t index) { return held.data->label(index); })
      .def("split", [](const HeldData& held, double fraction, uint64_t seed) {
        const Split split = SplitData(held.data, fraction, seed);
        return std::pair(HeldData{split.first}, HeldData{split.second});
      });
  m.def("data_from_arrays", &DataFromArrays);
  m.def("data_for_regression", &DataForRegression);
  m.def("data_of_sequences", &DataOfSequences);
  m.def("open_data", [](const std::string& spec, const std::string& format, uint64_t seed) {
    const nb::gil_scoped_release unlocked;
    OpenOptions options;
    options.seed = seed;
    options.format = format;
    return HeldData{OpenData(spec, options)};
  });
  m.def("graph_of_json",
        [](const HeldData& held, const std::string& text, const std::string& norm) {
          return HeldGraph{
              ParseNetworkJson(text, "graph", PurposeFor(*held.data, ParseNormChoice(norm)))};
        });
  m.def("graph_for", [](const HeldData& held, const std::string& network, const std::string& norm) {
    return HeldGraph{MakeNetworkFor(*held.data, network, ParseNormChoice(norm))};
  });
}

}  // namespace normkit::python
