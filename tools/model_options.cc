#include "tools/model_options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "src/core/fail.h"
#include "src/core/log.h"
#include "src/core/numbers.h"
#include "src/train/held_out.h"
#include "src/train/needs.h"
#include "src/train/option_table.h"
#include "tools/model_facts.h"
#include "tools/picture_options.h"
#include "tools/training_options.h"

namespace normkit::tools {

void AddFormOptions(const Command& command, FormArgs& args) {
  AddRangeOption(command, args.white, /*may_be_auto=*/true,
                 "What white is to the model; auto: what the model says, else 255");
  AddChoice(command, "--channel-order", args.order, {"auto", "rgb", "bgr"},
            "Order of the model's channels; auto: what the model says, else rgb");
  AddNumbers(command, "--input-mean", args.mean, {},
             "Taken off each of the model's channels, in its range; one number, or one a channel");
  AddNumbers(command, "--input-std", args.std, {.low = 0, .open_low = true},
             "By which they are divided then; one number, or one a channel");
}

Option AddLayers(const Command& command, const std::string& name, std::vector<std::string>& layers,
                 const std::string& description) {
  return AddList(command, name, "NODE,...", "names, * for any letters", description,
                 [&layers](const std::vector<std::string>& texts) {
                   for (const std::string& text : texts)
                     if (text.empty())
                       Fail("{} given, expected names, * for any letters{}",
                            Quoted(fmt::format("{}", fmt::join(texts, ","))), kSeveral);
                   layers = texts;
                 });
}

namespace {

// What the file says; "" in `form_known`'s place: whether it says anything.
InputForm FormInFile(const ModelFile& file, bool& known) {
  InputForm form;
  const auto fact = file.network().facts.find("input-form");
  known = file.ours() || fact != file.network().facts.end();
  if (fact != file.network().facts.end()) return ParseInputForm(fact->second);
  if (file.ours()) return form;
  const PictureHint& hint = file.picture();
  known = !hint.why.empty();
  if (hint.largest > 0) form.white = hint.largest;
  form.bgr = hint.channel_order == "bgr";
  return form;
}

}  // namespace

InputForm FormOf(const FormArgs& args, const ModelFile& file) {
  bool known = false;
  InputForm form = FormInFile(file, known);
  const bool given =
      args.white > 0 || args.order != "auto" || !args.mean.empty() || !args.std.empty();
  if (args.white > 0) form.white = args.white;
  if (args.order != "auto") form.bgr = args.order == "bgr";
  if (!args.mean.empty()) form.mean = args.mean;
  if (!args.std.empty()) form.std = args.std;
  const bool pictures = file.network().graph.input_layout().format() == "BSSC";
  if (!known && !given && pictures)
    LogWarning(fmt::format(
        "{}: does not say what pictures it takes: they go in as red, green and blue from 0 to 255 "
        "(--range, --channel-order, --input-mean and --input-std say otherwise)",
        file.path()));
  return form;
}

Network NetworkFor(const ModelFile& file, const DataSource& data) {
  const Network& from = file.network();
  Network network{from.graph, from.parameters.Clone(), from.classes, from.facts};
  if (!data.classes().empty()) EndInSoftmax(network);
  return network;
}

void AddMeasureOptions(const Command& command, MeasureArgs& args) {
  AddText(command, "model", args.model, "MODEL.onnx", "Model file, ours or another's").Required();
  AddDataOption(command, args.data).Required();
  AddReadingOptions(command, args.reading);
  AddFormOptions(command, args.form);
  AddNumber(command, "--seed", args.seed, {}, "Of generated data; auto: the one of the training");
  AddNumber(command, "--mini-batch-size,--batch-size", args.mini_batch_size, kMiniBatchSizes,
            "Observations at a time; auto: as in training");
  AddThreadsOption(command, args.threads);
}

int64_t BatchSizeOf(const MeasureArgs& args, const Network& network) {
  // Of one or two there is nothing to be learned of batches; the model file of such a training says
  // so all the same.
  constexpr int64_t kLeast = 16, kUsual = 128;
  return args.mini_batch_size.value_or(
      std::max(kLeast, Fact<int64_t>(network, "mini-batch-size", kUsual)));
}

Loss LossOf(const Network& network) {
  const auto loss = network.facts.find("loss");
  return loss == network.facts.end() ? Loss::kAuto : ParseLoss(loss->second);
}

DataPtr OpenMeasureData(const MeasureArgs& args, const Network& network) {
  const auto seed = args.seed.value_or(Fact<uint64_t>(network, "seed", 1));
  DataPtr data = OpenData(args.data, FitToModel(args.reading, network, seed, args.model));
  MemoryNeeds needs = EvaluationNeeds(network.graph, *data, BatchSizeOf(args, network));
  needs.Add("the data", static_cast<double>(data->MemoryBytes()));
  needs.Check(fmt::format("measuring on '{}'", data->Description()), kTakesLess);
  data->Load();
  LogWarning(data->Summary());
  return WithClasses(data, network.classes);
}

std::string MetricText(bool of_classes, double metric) {
  return of_classes ? fmt::format("accuracy {:.2f} %", metric) : fmt::format("RMSE {:.6g}", metric);
}

}  // namespace normkit::tools
