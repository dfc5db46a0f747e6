// normkit predict: what a model says about pictures and arrays.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "normkit/core/threads.h"
#include "normkit/data/image.h"
#include "normkit/data/npy.h"
#include "normkit/nn/executor.h"
#include "normkit/onnx/onnx.h"
#include "normkit/report/report.h"
#include "src/core/fail.h"
#include "src/core/log.h"
#include "tools/commands.h"
#include "tools/training_options.h"

namespace normkit::tools {
namespace {

using nlohmann::json;

struct PredictArgs {
  std::string model;
  std::vector<std::string> files;
  int64_t top = 1;
  int threads = 0;
  bool json = false;
};

// What the network gives for one observation.
struct Prediction {
  std::string observation;  // a file, or FILE[INDEX]
  std::vector<float> output;
};

// One observation at a time, whatever it is read from.
class Predictor {
 public:
  explicit Predictor(Network network)
      : network_(std::move(network)),
        input_(network_.graph.input_layout()),
        executor_(network_.graph, 1, false) {
    const Layout output = network_.graph.Layouts(1).back();
    if (output.size() != output.channels())
      Fail("the model gives images, {}, expected classes or values to print", output.ToString());
    if (!classes().empty() && std::ssize(classes()) != output.channels())
      Fail("the model gives {} values for {} classes, expected one each", output.channels(),
           classes().size());
  }

  const std::vector<std::string>& classes() const { return network_.classes; }
  // What the values are, one a class.
  std::string ValueName() const {
    const bool softmax = network_.graph.nodes().back().layer->type() == "softmax";
    return softmax ? "probability" : "score";
  }

  std::vector<Prediction> Predict(const std::string& file) {
    if (file.ends_with(".npy")) return PredictArray(file);
    return {{file, Run(ReadPixels(file))}};
  }

 private:
  std::vector<float> Run(std::span<const float> x) {
    std::copy(x.begin(), x.end(), executor_.input().begin());
    const std::span<const float> y = executor_.Forward(network_.parameters, {});
    return {y.begin(), y.end()};
  }

  // Grey or colour and any size, as the network wants it; 0 to 255, as all data are.
  std::vector<float> ReadPixels(const std::string& file) const {
    const std::vector<int64_t> shape = input_.shape();
    if (input_.format() != "BSSC" || (shape[3] != 1 && shape[3] != 3))
      Fail("{}: the model takes {}, expected images with 1 or 3 channels (give it .npy)", file,
           input_.ToString());
    const Image image = Resize(ReadImage(file, static_cast<int>(shape[3])), shape[1], shape[2]);
    return {image.pixels.begin(), image.pixels.end()};
  }

  // [N,H,W,C], [N,H,W] or [N,F], as `--data` takes them; or one observation without N.
  std::vector<Prediction> PredictArray(const std::string& file) {
    const NpyArray array = ReadNpy(file);
    std::vector<int64_t> shape = array.shape, expected = input_.shape();
    if (expected.back() == 1 && input_.Has(kS) && (shape.empty() || shape.back() != 1))
      shape.push_back(1);
    const bool one = shape.size() + 1 == expected.size();
    if (one) shape.insert(shape.begin(), 1);
    if (shape.size() == expected.size()) expected[0] = shape[0];
    if (shape != expected)
      Fail("{}: is [{}], expected [N,{}] (what the model takes)", file, fmt::join(array.shape, ","),
           fmt::join(expected.begin() + 1, expected.end(), ","));
    const std::vector<float> values = array.AsFloats();
    const auto size = static_cast<size_t>(input_.size());
    std::vector<Prediction> predictions;
    for (int64_t i = 0; i < shape[0]; ++i)
      predictions.push_back({one ? file : fmt::format("{}[{}]", file, i),
                             Run(std::span(values).subspan(static_cast<size_t>(i) * size, size))});
    return predictions;
  }

  Network network_;
  Layout input_;
  Executor executor_;
};

// The classes with the largest values, those first; of equal ones the first.
std::vector<size_t> Largest(const std::vector<float>& values, int64_t top) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const auto key = [&](size_t k) {  // what is no number comes last
    return std::isnan(values[k]) ? -std::numeric_limits<float>::infinity() : values[k];
  };
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return key(a) > key(b); });
  order.resize(std::min(order.size(), static_cast<size_t>(top)));
  return order;
}

Table ToTable(const std::vector<Prediction>& predictions, const Predictor& predictor, int64_t top) {
  const std::vector<std::string>& classes = predictor.classes();
  if (classes.empty()) {
    Table table{{"file", "values"}, {}};
    for (const Prediction& p : predictions)
      table.rows.push_back({p.observation, fmt::format("{}", fmt::join(p.output, " "))});
    return table;
  }
  Table table{{"file", "class", predictor.ValueName()}, {}};
  for (const Prediction& p : predictions)
    for (const size_t k : Largest(p.output, top))
      table.rows.push_back({p.observation, classes[k], fmt::format("{:.4f}", p.output[k])});
  return table;
}

json ToJson(const std::vector<Prediction>& predictions, const Predictor& predictor, int64_t top) {
  const std::vector<std::string>& classes = predictor.classes();
  json all = json::array();
  for (const Prediction& p : predictions) {
    json one{{"file", p.observation}};
    if (classes.empty())
      one["values"] = p.output;
    else
      for (const size_t k : Largest(p.output, top))
        one["predictions"].push_back({{"class", classes[k]}, {predictor.ValueName(), p.output[k]}});
    all.push_back(std::move(one));
  }
  return all;
}

void RunPredict(const PredictArgs& args) {
  SetNumThreads(args.threads);
  Predictor predictor(LoadOnnx(args.model));
  std::vector<Prediction> predictions;
  int failed = 0;
  for (const std::string& file : args.files) {
    try {
      for (Prediction& p : predictor.Predict(file)) predictions.push_back(std::move(p));
    } catch (const Error& error) {  // one bad picture does not cost the others
      LogWarning(error.what());
      ++failed;
    }
  }
  if (args.json)
    fmt::print("{}\n", ToJson(predictions, predictor, args.top)
                           .dump(2, ' ', false, json::error_handler_t::replace));
  else if (!predictions.empty())
    fmt::print("{}", ToText(ToTable(predictions, predictor, args.top)));
  if (failed > 0) Fail("{} of {} files could not be used", failed, args.files.size());
}

}  // namespace

void AddPredict(CLI::App& app) {
  auto args = std::make_shared<PredictArgs>();
  CLI::App& command = AddCommand(app, "predict", "Tell what pictures show, by a model",
                                 {"normkit predict out/model.onnx photo.jpg drawing.png",
                                  "normkit predict out/model.onnx photos/*.jpg --top 3 --json"});
  command.add_option("model", args->model, "Model file")->required()->option_text("MODEL.onnx");
  command
      .add_option("files", args->files,
                  "Pictures (JPEG, PNG; any size), or arrays: .npy [N,H,W,C], [N,H,W] or [N,F]")
      ->required()
      ->option_text("FILE...");
  command.add_option("--top", args->top, "Classes to name, the most probable first")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  AddThreadsOption(command, args->threads);
  command.add_flag("--json", args->json, "Print JSON instead of a table");
  command.callback([args] { RunPredict(*args); });
}

}  // namespace normkit::tools
