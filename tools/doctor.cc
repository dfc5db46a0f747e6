// normkit doctor: what is wrong with the normalizations of a model.

#include "normkit/train/doctor.h"

#include <fmt/format.h>

#include <memory>
#include <string>

#include "normkit/core/threads.h"
#include "src/core/files.h"
#include "tools/commands.h"
#include "tools/config_words.h"
#include "tools/doctor_report.h"
#include "tools/json_text.h"
#include "tools/model_options.h"
#include "tools/options.h"

namespace normkit::tools {
namespace {

constexpr int kFindings = 3;  // exit code

struct DoctorArgs {
  MeasureArgs measure;
  std::string page;
  int64_t observations = DiagnoseOptions().observations;
};

// The words that stand for this model and these data.
std::string Filled(std::string command, const MeasureArgs& args) {
  const auto put = [&](const std::string& word, const std::string& value) {
    if (const size_t at = command.find(word); at != std::string::npos)
      command.replace(at, word.size(), value);
  };
  put("MODEL.onnx", ForShell(args.model));
  put("SOURCE", ForShell(args.data));
  return command;
}

void RunDoctor(const DoctorArgs& args) {
  SetNumThreads(args.measure.threads);
  const ModelFile file(args.measure.model);
  const DataPtr data = OpenMeasureData(args.measure, file.network());
  if (!args.page.empty()) CheckWritable(args.page, 0);
  DiagnoseOptions options{.form = FormOf(args.measure.form, file), .input = file.input()};
  options.mini_batch_size = BatchSizeOf(args.measure, file.network());
  options.observations = args.observations;
  Diagnosis diagnosis = Diagnose(NetworkFor(file, *data), data, options);
  for (Finding& finding : diagnosis.findings)
    finding.command = Filled(std::move(finding.command), args.measure);
  if (!args.page.empty()) WriteFile(args.page, DiagnosisPage(args.measure.model, *data, diagnosis));
  if (args.measure.json)
    fmt::print("{}\n", JsonText(DiagnosisToJson(args.measure.model, *data, diagnosis), 2));
  else
    fmt::print("{}", DiagnosisText(args.measure.model, *data, diagnosis));
  if (!diagnosis.findings.empty()) throw EndWith{kFindings};
}

}  // namespace

void AddDoctor(const Command& app) {
  auto args = std::make_shared<DoctorArgs>();
  const Command command = AddCommand(
      app, "doctor", "Find what is wrong with the normalizations of a model, and what cures it",
      {"normkit doctor out/model.onnx --data photos/",
       "normkit doctor resnet.onnx --data photos/ --range 1 --page health.html --json"});
  AddMeasureOptions(command, args->measure);
  AddNumber(command, "--observations", args->observations, {1, 1'000'000},
            "How many are looked at, at most, spread over the data");
  AddText(command, "--page", args->page, "FILE", "Write a page with a plot for each layer, too");
  AddFlag(command, "--json", args->measure.json,
          "Print JSON instead of text; the exit code is 0 for a healthy model, 3 for findings");
  command.Run([args] { RunDoctor(*args); });
}

}  // namespace normkit::tools
