// normkit predict: what a model says about pictures and arrays.

#include "normkit/train/predict.h"

#include <fmt/format.h>

#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "normkit/core/threads.h"
#include "normkit/data/image.h"
#include "normkit/data/npy.h"
#include "normkit/data/padding.h"
#include "normkit/onnx/onnx.h"
#include "src/core/fail.h"
#include "src/core/files.h"
#include "src/core/log.h"
#include "src/core/text.h"
#include "src/data/array_axes.h"
#include "src/data/identity.h"
#include "src/data/image_codec.h"
#include "src/data/sequence_folder.h"
#include "src/data/summary.h"
#include "src/report/report.h"
#include "tools/commands.h"
#include "tools/data_options.h"
#include "tools/json_text.h"
#include "tools/model_facts.h"
#include "tools/options.h"
#include "tools/picture_options.h"
#include "tools/predict_arrays.h"
#include "tools/ranks.h"

namespace normkit::tools {
namespace {

using nlohmann::json;

struct PredictArgs {
  std::string model, format;
  std::string output;         // the arrays, an .npz
  SequencePadding padding;    // of the arrays; its direction, of those that are read, too
  std::string padding_value;  // as it was given
  std::vector<std::string> files;
  int64_t top = 1;
  int threads = 0;
  bool json = false, csv = false;

  // Before there is anything to lose.
  void CheckOutput() const {
    CheckArraysFile(output);
    std::vector<std::string> read = files;
    read.push_back(model);
    for (const std::string& file : read)
      if (SameFile(file, output))
        Fail("{}: would be replaced by what is told of it, expected another --output", file);
    if (Leads()) CheckWritable(output, 0);
  }
  // Options that say something of padding, and what: nothing may come of them in silence.
  void RefusePadding(const std::string& expected) const {
    if (padding.sequence_length != OpenOptions::kLongest)
      FailUsage("--sequence-length",
                fmt::format("'{}' given, expected {}", SequenceLengthText(padding.sequence_length),
                            expected));
    if (!padding_value.empty())
      FailUsage("--sequence-padding-value",
                fmt::format("'{}' given, expected {}", padding_value, expected));
  }
};

// What the network gives for one observation.
struct Prediction {
  std::string observation;  // a file, or FILE[INDEX]
  std::vector<float> output;
  int64_t step = -1;  // of a sequence, where each is told of; else -1
};

// What became of a file.
struct FileResult {
  std::vector<Prediction> predictions;
  std::string error;                          // "": none
  std::vector<std::vector<float>> sequences;  // that were told of, where arrays are wanted
};

// Predicts what files hold.
class FilePredictor {
 public:
  FilePredictor(Network network, const PredictArgs& args)
      : predictor_(std::move(network)),
        format_(args.format),
        padding_(args.padding.direction),
        keeps_sequences_(!args.output.empty()) {
    const Layout& output = predictor_.output();
    if (output.size() != output.channels())
      Fail("the model gives images, {}, expected classes or values to print", output.ToString());
    if (!classes().empty() && std::ssize(classes()) != output.channels())
      Fail("the model gives {} values for {} classes, expected one each", output.channels(),
           classes().size());
  }

  const std::vector<std::string>& classes() const { return predictor_.network().classes; }
  // What the values are, one a class.
  std::string ValueName() const {
    const Graph& graph = predictor_.network().graph;
    return graph.layers().back().layer->type() == "softmax" ? "probability" : "score";
  }

  const Layout& input() const { return predictor_.input(); }
  const Layout& output() const { return predictor_.output(); }

  FileResult Predict(const std::string& file) {
    if (predictor_.input().packed()) return PredictSequences(file);
    if (ReadFileStart(file, 6) == "\x93NUMPY") return {PredictArray(file), "", {}};
    const std::vector<float> pixels = ReadPixels(file);
    if (!std::exchange(warned_of_pictures_, true))
      WarnOfRange(predictor_.network(), {0, 255}, file + ", as all pictures");
    return {{Run(file, pixels)}, "", {}};
  }

 private:
  Prediction Run(const std::string& name, std::span<const float> x) {
    const std::span<const float> y = predictor_.Predict(x, name);
    return {name, {y.begin(), y.end()}};
  }

  // A sequence a file (.csv, .npy), or all of one that holds several.
  FileResult PredictSequences(const std::string& file) {
    const std::string start = ReadFileStart(file, 6);
    const bool one = Ending(file) == ".csv" || Ending(file) == ".tsv" ||
                     (start == "\x93NUMPY" && format_.find('B') == format_.npos);
    if (start == "\x93NUMPY" && !one)
      Fail(
          "{}: format '{}' is given, expected TC, CT or T, or TSSC of pictures over time: an .npy "
          "is "
          "one sequence (an .npz may hold several)",
          file, format_);
    FileResult result;
    if (one) {
      const Layout& wanted = predictor_.input();
      // The axes of an array of pictures follow from the model; a table has none to say.
      const bool pictures = start == "\x93NUMPY" && wanted.Has(kS);
      const SequenceFile sequence =
          ReadSequenceFile(file, format_.empty() && pictures ? wanted.format() : format_);
      CheckRows(file, sequence.row);
      WarnOfRange(predictor_.network(), RangeOf(sequence.x), file);
      AddSteps(file, sequence.x, result);
      return result;
    }
    const DataPtr data = OpenData(
        file, {.format = format_, .answers = false, .sequence_padding_direction = padding_});
    if (!data->layout().packed())
      Fail("{}: has {}, expected sequences", file, SizeText(data->layout()));
    CheckRows(file, data->layout());
    WarnOfRange(predictor_.network(), data->Range(), file);
    std::vector<float> x;
    for (int64_t i = 0; i < data->size(); ++i) {
      x.resize(static_cast<size_t>(data->length(i) * data->layout().size()));
      data->Read(i, x);
      AddSteps(fmt::format("{}[{}]", file, i), x, result);
    }
    return result;
  }

  void CheckRows(const std::string& file, const Layout& row) const {
    if ((row.Has(kS) || predictor_.input().Has(kS)) && row != predictor_.input())
      Fail("{}: has {}, expected {} (what the model takes)", file, SizeText(row),
           SizeText(predictor_.input()));
    const int64_t channels = row.channels();
    if (channels != predictor_.input().channels())
      Fail("{}: has {} channels, expected {} (what the model takes)", file, channels,
           predictor_.input().channels());
  }

  // What is told of a sequence, or of each of its steps.
  void AddSteps(const std::string& name, std::span<const float> x, FileResult& result) {
    const std::span<const float> y = predictor_.Predict(x, name);
    if (keeps_sequences_) result.sequences.emplace_back(x.begin(), x.end());
    if (!predictor_.output().packed()) {
      result.predictions.push_back({name, {y.begin(), y.end()}});
      return;
    }
    const auto width = static_cast<size_t>(predictor_.output().size());
    for (size_t at = 0; at < y.size(); at += width) {
      const auto row = y.subspan(at, width);
      result.predictions.push_back(
          {name, {row.begin(), row.end()}, static_cast<int64_t>(at / width)});
    }
  }

  // Grey or colour and any size, as the network wants it; 0 to 255, as all data are.
  std::vector<float> ReadPixels(const std::string& file) const {
    const Layout& input = predictor_.input();
    const std::vector<int64_t> shape = input.shape();
    if (input.format() != "BSSC" || (shape[3] != 1 && shape[3] != 3))
      Fail("{}: the model takes {}, expected images with 1 or 3 channels (give it .npy)", file,
           input.ToString());
    const Image image = Resize(ReadImage(file, static_cast<int>(shape[3])), shape[1], shape[2]);
    return {image.pixels.begin(), image.pixels.end()};
  }

  // [N,H,W,C], [N,H,W] or [N,F], as `--data` takes them; or one observation without N.
  std::vector<Prediction> PredictArray(const std::string& file) {
    NpyArray array = ReadNpy(file);
    if (!format_.empty())
      array = Transposed(array, ReadAxes({array.descr, array.shape}, format_, file).order);
    const Layout& input = predictor_.input();
    std::vector<int64_t> shape = array.shape, expected = input.shape();
    if (expected.back() == 1 && input.Has(kS) && (shape.empty() || shape.back() != 1))
      shape.push_back(1);
    const bool one = shape.size() + 1 == expected.size();
    if (one) shape.insert(shape.begin(), 1);
    if (shape.size() == expected.size()) expected[0] = shape[0];
    if (shape != expected)
      Fail(
          "{}: is [{}], expected [N,{}] (what the model takes); --format says what the axes of "
          "others mean",
          file, fmt::join(array.shape, ","), fmt::join(expected.begin() + 1, expected.end(), ","));
    const std::vector<float> values = array.AsFloats();
    WarnOfRange(predictor_.network(), RangeOf(values), file);
    const auto size = static_cast<size_t>(input.size());
    std::vector<Prediction> predictions;
    for (int64_t i = 0; i < shape[0]; ++i)
      predictions.push_back(Run(one ? file : fmt::format("{}[{}]", file, i),
                                std::span(values).subspan(static_cast<size_t>(i) * size, size)));
    return predictions;
  }

  Predictor predictor_;
  std::string format_;  // of arrays, or ""
  PaddingDirection padding_;
  bool keeps_sequences_;
  bool warned_of_pictures_ = false;
};

Table ToTable(const std::vector<Prediction>& predictions, const FilePredictor& predictor,
              size_t top) {
  const std::vector<std::string>& classes = predictor.classes();
  const bool steps = !predictions.empty() && predictions[0].step >= 0;
  Table table{{"file"}, {}};
  if (steps) table.header.push_back("step");
  const auto add = [&](const Prediction& p, const std::vector<std::string>& cells) {
    std::vector<std::string> row{p.observation};
    if (steps) row.push_back(std::to_string(p.step));
    row.insert(row.end(), cells.begin(), cells.end());
    table.rows.push_back(std::move(row));
  };
  if (classes.empty()) {
    table.header.push_back("values");
    for (const Prediction& p : predictions) add(p, {fmt::format("{}", fmt::join(p.output, " "))});
    return table;
  }
  table.header.insert(table.header.end(), {"class", predictor.ValueName()});
  for (const Prediction& p : predictions)
    for (const size_t k : LargestOf(p.output, top))
      add(p, {classes[k], fmt::format("{:.4f}", p.output[k])});
  return table;
}

json ToJson(const std::vector<Prediction>& predictions, const FilePredictor& predictor,
            size_t top) {
  const std::vector<std::string>& classes = predictor.classes();
  json all = json::array();
  for (const Prediction& p : predictions) {
    json one{{"file", p.observation}};
    if (p.step >= 0) one["step"] = p.step;
    if (classes.empty())
      one["values"] = p.output;
    else
      for (const size_t k : LargestOf(p.output, top))
        one["predictions"].push_back({{"class", classes[k]}, {predictor.ValueName(), p.output[k]}});
    all.push_back(std::move(one));
  }
  return all;
}

FileResult PredictFile(FilePredictor& predictor, const std::string& file) {
  try {
    return predictor.Predict(file);
  } catch (const Error& error) {  // one bad picture does not cost the others
    return {{}, error.what(), {}};
  }
}

std::string ToBytes(const std::vector<FileResult>& results) {
  json all = json::array();
  for (const FileResult& result : results) {
    json predictions = json::array();
    for (const Prediction& p : result.predictions)
      predictions.push_back({BytesAsUtf8(p.observation), p.output, p.step});
    all.push_back({predictions, BytesAsUtf8(result.error), result.sequences});
  }
  std::string bytes;
  json::to_cbor(all, bytes);
  return bytes;
}

std::vector<FileResult> FromBytes(const std::string& bytes) {
  std::vector<FileResult> results;
  for (const json& one : json::from_cbor(bytes)) {
    FileResult& result = results.emplace_back();
    for (const json& p : one[0])
      result.predictions.push_back({Utf8AsBytes(p[0].get<std::string>()), p[1], p[2]});
    result.error = Utf8AsBytes(one[1].get<std::string>());
    one[2].get_to(result.sequences);
  }
  return results;
}

// All files, in their order. Ranks take turns at them and get what all have.
std::vector<FileResult> PredictFiles(FilePredictor& predictor,
                                     const std::vector<std::string>& files) {
  Reducer* const reducer = JobReducer();
  const size_t ranks = reducer ? static_cast<size_t>(reducer->ranks()) : 1,
               rank = reducer ? static_cast<size_t>(reducer->rank()) : 0;
  std::vector<FileResult> own;
  for (size_t i = rank; i < files.size(); i += ranks)
    own.push_back(PredictFile(predictor, files[i]));
  if (!reducer) return own;
  std::vector<std::vector<FileResult>> of_rank;
  for (const std::string& bytes : GatherTexts(*reducer, ToBytes(own)))
    of_rank.push_back(FromBytes(bytes));
  std::vector<FileResult> all;
  for (size_t i = 0; i < files.size(); ++i) all.push_back(std::move(of_rank[i % ranks][i / ranks]));
  return all;
}

// Of all files, in their order.
void WriteArrays(const PredictArgs& args, const FilePredictor& predictor,
                 const std::vector<FileResult>& results) {
  if (!Leads()) return;
  PredictedArrays arrays(predictor.input(), predictor.output());
  for (const FileResult& result : results) {
    for (const Prediction& p : result.predictions) arrays.AddOutput(p.output);
    for (const std::vector<float>& x : result.sequences) arrays.AddSequence(x);
  }
  arrays.Write(args.output, args.padding);
}

void Print(const PredictArgs& args, const FilePredictor& predictor,
           const std::vector<Prediction>& predictions) {
  const auto top = static_cast<size_t>(args.top);
  if (args.csv)
    fmt::print("{}", ToCsv(ToTable(predictions, predictor, top)));
  else if (args.json)
    fmt::print("{}\n", JsonText(ToJson(predictions, predictor, top), 2));
  else if (!predictions.empty() && args.output.empty())
    fmt::print("{}", ToText(ToTable(predictions, predictor, top)));
}

void RunPredict(const PredictArgs& args) {
  SetNumThreads(args.threads);
  if (!args.output.empty()) args.CheckOutput();
  FilePredictor predictor(LoadOnnx(args.model), args);
  if (!predictor.input().packed())
    args.RefusePadding(
        fmt::format("a model of sequences ({} takes {})", args.model, SizeText(predictor.input())));
  size_t failed = 0;
  const std::vector<std::string> files = PictureFiles(args.files, failed);
  const size_t total = files.size() + failed;
  const std::vector<FileResult> results = PredictFiles(predictor, files);
  std::vector<Prediction> predictions;
  for (const FileResult& result : results) {
    predictions.insert(predictions.end(), result.predictions.begin(), result.predictions.end());
    if (result.error.empty()) continue;
    LogWarning(result.error);
    ++failed;
  }
  Print(args, predictor, predictions);
  // A row of an array has no name: one that is missing would move the others.
  if (!args.output.empty() && failed == 0) WriteArrays(args, predictor, results);
  if (failed > 0)
    Fail("{} of {} files could not be used{}", failed, total,
         args.output.empty() ? "" : fmt::format(", {} is not written", args.output));
}

// What arrays leave by, and how sequences are padded in them.
void AddArrayOptions(const Command& command, PredictArgs& args) {
  AddText(command, "--output,-o", args.output, "FILE",
          "Write what is told as arrays (.npz), y [N,K] or, where each step is told, [N,T,K]; of "
          "sequences x and lengths beside it, as the ONNX file takes them");
  AddSequenceLengthOption(
      command, args.padding.sequence_length,
      "Sequences in --output: longest pads to the longest, shortest cuts all to the shortest, N "
      "cuts each into pieces of N steps");
  AddPaddingDirectionOption(command, args.padding.direction);
  const NumberRange<double> range{-std::numeric_limits<float>::max(),
                                  std::numeric_limits<float>::max()};
  AddValue(command, "--sequence-padding-value", "X", range.ToString(),
           "What stands in the padding of shorter sequences in --output",
           [&args, range](const std::string& text) {
             args.padding.value =
                 static_cast<float>(options_internal::Parse<double>(text, range, {}));
             args.padding_value = text;
           })
      .Default("0");
}

}  // namespace

void AddPredict(const Command& app) {
  auto args = std::make_shared<PredictArgs>();
  const Command command =
      AddCommand(app, "predict", "Tell what pictures, arrays or sequences show, by a model",
                 {"normkit predict out/model.onnx photo.jpg drawing.png",
                  "normkit predict out/model.onnx photos/*.jpg --top 3 --json",
                  "normkit predict out/model.onnx walks.ts --csv"});
  AddText(command, "model", args->model, "MODEL.onnx", "Model file").Required();
  AddFiles(command, "files", args->files,
           "Pictures (JPEG, PNG, WebP, GIF, TIFF; any size), folders of them, or arrays: .npy "
           "[N,H,W,C], [N,H,W] or [N,F]; for a model of sequences .csv or .npy, a sequence each, "
           ".npz or "
           ".ts")
      .Required();
  AddFormatOption(command, args->format);
  AddNumber(command, "--top", args->top, {1, 1'000'000},
            "Classes to name, the most probable first");
  AddThreadsOption(command, args->threads);
  AddArrayOptions(command, *args);
  const Option json = AddFlag(command, "--json", args->json, "Print JSON instead of a table");
  AddFlag(command, "--csv", args->csv, "Print CSV instead of a table").Excludes(json);
  command.Run([args] {
    if (args->output.empty()) args->RefusePadding("--output, whose arrays are padded");
    RunPredict(*args);
  });
}

}  // namespace normkit::tools
