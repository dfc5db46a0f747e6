// normkit run: any network of an ONNX file, on arrays.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "normkit/core/threads.h"
#include "normkit/data/npy.h"
#include "normkit/graph/executor.h"
#include "normkit/onnx/import.h"
#include "src/core/fail.h"
#include "src/core/files.h"
#include "src/core/memory_needs.h"
#include "src/data/npy_format.h"
#include "src/onnx/import/imported.h"
#include "src/report/report.h"
#include "tools/commands.h"
#include "tools/json_text.h"
#include "tools/options.h"

namespace normkit::tools {
namespace {

using nlohmann::json;

struct RunArgs {
  std::string model, output_dir;
  std::vector<std::string> inputs;  // "NAME=FILE"
  int threads = 0;
  bool time = false, json = false;
};

NpyArray WithOrder(const NpyArray& array, const std::vector<int>& order) {
  return Transposed(array, {order.begin(), order.end()});
}

// The arrays by the names of inputs. The name of the only input may be left out; names have no '='.
std::map<std::string, NpyArray> ReadInputs(const RunArgs& args,
                                           const std::vector<ImportedArray>& inputs) {
  std::map<std::string, NpyArray> arrays;
  for (const std::string& text : args.inputs) {
    const size_t sign = text.find('=');
    const bool named = sign != std::string::npos;
    if (!named && inputs.size() != 1)
      Fail("--input: '{}' given for {} inputs, expected NAME=FILE with the name of one: {}", text,
           inputs.size(), Shown(inputs));
    const std::string name = named ? text.substr(0, sign) : inputs[0].name;
    if (std::ranges::none_of(inputs, [&](const auto& input) { return input.name == name; }))
      Fail("--input: {} has no input '{}', expected one of {}", args.model, name, Shown(inputs));
    if (!arrays.emplace(name, ReadNpy(named ? text.substr(sign + 1) : text)).second)
      Fail("--input: '{}' stands twice, expected once", name);
  }
  for (const ImportedArray& input : inputs)
    if (!arrays.contains(input.name))
      Fail("--input: nothing given for input '{}', expected {}=FILE.npy ({})", input.name,
           input.name, Shown(inputs));
  return arrays;
}

// As the graph has it.
Tensor Converted(const NpyArray& given, const ImportedArray& input, const Layout& layout) {
  const NpyArray array =
      input.channels_last
          ? WithOrder(given, ChannelsLastOrder(static_cast<int>(given.shape.size())))
          : given;
  Tensor tensor(layout, input.dtype);
  if (input.dtype == DType::kF32)
    std::ranges::copy(array.AsFloats(), tensor.values<float>().begin());
  else if (input.dtype == DType::kI64)
    std::ranges::copy(array.AsIntegers(), tensor.values<int64_t>().begin());
  else
    std::ranges::transform(array.AsIntegers(), tensor.values<bool>().begin(),
                           [](int64_t x) { return x != 0; });
  return tensor;
}

// A file's name of an output's: what a path may not have becomes '_'.
std::string FileName(std::string name) {
  for (char& c : name)
    if (c == '/' || c == '\\' || c == ':') c = '_';
  return (name.empty() || name[0] == '.' ? "_" + name : name) + ".npy";
}

class Runner {
 public:
  Runner(const RunArgs& args, const std::map<std::string, NpyArray>& arrays,
         const std::vector<ImportedArray>& inputs)
      : args_(args),
        imported_(Import(args, arrays, inputs)),
        executor_(imported_.network.graph, OptionsOf(imported_)) {
    for (const ImportedArray& input : imported_.inputs) {
      tensors_.push_back(
          Converted(arrays.at(input.name), input, imported_.network.graph.layout(input.value)));
      views_.push_back(tensors_.back().view());
    }
    CheckMemory();
  }

  static constexpr size_t kRuns = 5, kMostRuns = 100'000;
  static constexpr double kMilliseconds = 500;

  // The median in milliseconds of kRuns runs, and of more where they are short.
  double Time() {
    using Clock = std::chrono::steady_clock;
    std::vector<double> times;
    double all = 0;
    while (times.size() < kRuns || (all < kMilliseconds && times.size() < kMostRuns)) {
      const auto begin = Clock::now();
      Forward();
      times.push_back(std::chrono::duration<double, std::milli>(Clock::now() - begin).count());
      all += times.back();
    }
    std::ranges::nth_element(times, times.begin() + std::ssize(times) / 2);
    return times[times.size() / 2];
  }

  void Forward() { executor_.Run(imported_.network.parameters, views_); }

  // What was written: name, file and sizes of each output.
  json Write() {
    json written = json::array();
    for (const ImportedArray& output : imported_.outputs) {
      const ArrayView view = executor_.array(output.value);
      NpyArray array = MakeNpy(view.type.dtype, view.type.shape.shape(), view.data);
      if (output.channels_last)
        array = WithOrder(array, FileOrder(static_cast<int>(array.shape.size())));
      const std::string file =
          (std::filesystem::path(args_.output_dir) / FileName(output.name)).string();
      WriteNpy(file, array);
      written.push_back({{"output", output.name}, {"file", file}, {"shape", array.shape}});
    }
    return written;
  }

 private:
  // Lists of whole numbers are sizes and places, which shapes follow from.
  static ImportedNetwork Import(const RunArgs& args, const std::map<std::string, NpyArray>& arrays,
                                const std::vector<ImportedArray>& inputs) {
    std::set<std::string> sizes;
    for (const ImportedArray& input : inputs)
      if (input.dtype == DType::kI64 && inputs.size() > 1) sizes.insert(input.name);
    ImportOptions options;
    for (const auto& [name, array] : arrays) {
      options.shapes.emplace(name, array.shape);
      if (array.IsIntegral() && array.shape.size() < 2 && sizes.contains(name))
        options.constants.emplace(name, array.AsIntegers());
    }
    return ImportOnnx(args.model, options);
  }
  static ExecutorOptions OptionsOf(const ImportedNetwork& imported) {
    ExecutorOptions options;
    for (const ImportedArray& output : imported.outputs) options.keep.push_back(output.value);
    return options;
  }

  void CheckMemory() const {
    std::vector<Layout> shapes;
    for (const ArrayView& view : views_) shapes.push_back(view.type.shape);
    MemoryNeeds needs;
    needs.Add("activations",
              Executor::PlannedBytes(imported_.network.graph, shapes, OptionsOf(imported_)));
    needs.Check(args_.model, "smaller inputs take less");
  }

  const RunArgs& args_;
  ImportedNetwork imported_;
  Executor executor_;
  std::vector<Tensor> tensors_;
  std::vector<ArrayView> views_;
};

void RunRun(const RunArgs& args) {
  SetNumThreads(args.threads);
  const std::vector<ImportedArray> inputs = OnnxInputs(args.model);
  MakeFolder(args.output_dir);
  const auto arrays = ReadInputs(args, inputs);
  Runner runner(args, arrays, inputs);
  runner.Forward();
  json result{{"model", args.model}, {"outputs", runner.Write()}};
  if (args.time) result["milliseconds"] = runner.Time();
  if (args.json) return fmt::print("{}\n", JsonText(result, 2));
  Table table{{"output", "shape", "file"}, {}};
  for (const json& output : result["outputs"])
    table.rows.push_back({output["output"].get<std::string>(), output["shape"].dump(),
                          output["file"].get<std::string>()});
  fmt::print("{}", ToText(table));
  if (args.time) fmt::print("{:.3f} ms a run (the median)\n", result["milliseconds"].get<double>());
}

}  // namespace

void AddRun(const Command& app) {
  auto args = std::make_shared<RunArgs>();
  const Command command = AddCommand(
      app, "run", "Run any ONNX network on arrays",
      {"normkit run model.onnx --input x=x.npy --output-dir out",
       "normkit run encoder.onnx --input image=a.npy,mask=b.npy --output-dir out --time"});
  AddText(command, "model", args->model, "MODEL.onnx", "Model file").Required();
  AddList(command, "--input", "NAME=FILE,...", "NAME=FILE.npy",
          "What inputs read: .npy as the file has their axes; of a single input the name may be "
          "left out",
          [args](const std::vector<std::string>& texts) {
            for (const std::string& text : texts)
              if (!text.ends_with(".npy"))
                Fail("{} given, expected NAME=FILE.npy{}", Quoted(text), kSeveral);
            args->inputs = texts;
          })
      .Required();
  AddText(command, "--output-dir", args->output_dir, "DIR",
          "Where each output goes, as NAME.npy; made where it is missing")
      .Required();
  AddThreadsOption(command, args->threads);
  AddFlag(command, "--time", args->time,
          "Run five times more, short ones for half a second, and print the median");
  AddFlag(command, "--json", args->json, "Print JSON instead of a table");
  command.Run([args] { RunRun(*args); });
}

}  // namespace normkit::tools
