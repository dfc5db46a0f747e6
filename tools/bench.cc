// normkit bench: how fast an operation is, as a fraction of what memory allows.

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>

#include "normkit/core/threads.h"
#include "normkit/version.h"
#include "src/core/fail.h"
#include "src/core/files.h"
#include "src/norm/names.h"
#include "src/report/progress.h"
#include "src/report/report.h"
#include "src/simd/bandwidth.h"
#include "tools/bench_calibrate.h"
#include "tools/bench_measure.h"
#include "tools/bench_network.h"
#include "tools/commands.h"
#include "tools/json_text.h"
#include "tools/layer_options.h"

namespace normkit::tools {
namespace {

struct BenchArgs {
  std::vector<std::string> ops, layers, formats, dtypes, values;  // none: normal, or all there are
  std::vector<int64_t> shape;
  std::optional<int64_t> num_groups;
  std::optional<OperationDimension> operation_dimension;
  std::string history;
  std::vector<int> threads{0};
  double seconds = 0.5, limit = 0;
  Activation activation = Activation::kNone;
  OutputType output = OutputType::kSame;
  int64_t slices = 1;
  bool table = false, short_table = false, unusual_table = false, by_value = false,
       calibrate = false, list = false, hot = false, residual = false, json = false,
       markdown = false;
  NetworkBenchArgs network;
};

// A table of cells and the option that asks for it.
struct CellTable {
  const char* option;
  bool BenchArgs::*wanted;
  std::vector<BenchCell> (*cells)();
  const char* description;
};

constexpr CellTable kTables[] = {
    {"--table", &BenchArgs::table, AllBenchCells,
     "The whole table of shapes; --op, --layer, --format, --dtype and --shape choose among them"},
    {"--short", &BenchArgs::short_table, ShortBenchCells,
     "The table of short runs, short statistics and small work, as --table"},
    {"--unusual", &BenchArgs::unusual_table, UnusualBenchCells,
     "The table of unusual widths, volumes, large maps and few channels, as --table"},
    {"--by-value", &BenchArgs::by_value, ByValueBenchCells,
     "The table of cells in the caches, f64 too, as --table: all --values in turns if none are "
     "given, a line a cell with what the others take of the first one's time"},
};

// The one that is asked for; null: none.
const CellTable* TableOf(const BenchArgs& args) {
  const auto* table =
      std::ranges::find_if(kTables, [&](const CellTable& one) { return args.*one.wanted; });
  return table == std::end(kTables) ? nullptr : table;
}

bool Wanted(const std::vector<std::string>& wanted, std::string_view name) {
  return wanted.empty() || std::ranges::find(wanted, name) != wanted.end();
}

// The cells of a table that the options leave.
std::vector<BenchCell> CellsOfTable(const CellTable& table, const BenchArgs& args) {
  if (args.num_groups || args.operation_dimension || args.residual)
    FailUsage(table.option,
              "its cells have groups, dimensions and residuals of their own, but some are given");
  if (args.activation != Activation::kNone || args.output != OutputType::kSame || args.slices > 1)
    FailUsage(table.option,
              "its cells have no --activation, --output-type or --slices, but some are given");
  std::vector<BenchCell> cells;
  for (const BenchCell& cell : table.cells())
    if (Wanted(args.ops, Name(cell.op)) && Wanted(args.layers, cell.layer) &&
        Wanted(args.formats, cell.format) && Wanted(args.dtypes, Name(cell.dtype)) &&
        (args.shape.empty() || args.shape == cell.shape))
      cells.push_back(cell);
  return cells;
}

// The cells that the options spell out: each op and dtype on the one shape.
std::vector<BenchCell> CellsOfOptions(const BenchArgs& args) {
  if (args.layers.size() != 1) FailUsage("--layer", "one is needed (or --table)");
  if (args.formats.size() != 1) FailUsage("--format", "one is needed (or --table)");
  if (args.shape.empty()) FailUsage("--shape", "needed (or --table)");
  std::vector<BenchCell> cells;
  for (const std::string& dtype :
       args.dtypes.empty() ? std::vector<std::string>{"f32"} : args.dtypes)
    for (const NormPass op : {NormPass::kForward, NormPass::kInference, NormPass::kBackward}) {
      if (!Wanted(args.ops, Name(op)) || (args.ops.empty() && op != NormPass::kForward)) continue;
      BenchCell cell{.op = op,
                     .layer = args.layers[0],
                     .shape = args.shape,
                     .format = args.formats[0],
                     .dtype = ParseDType(dtype),
                     .num_groups = args.num_groups,
                     .operation_dimension = args.operation_dimension,
                     .hot = args.hot,
                     .residual = args.residual,
                     .activation = args.activation,
                     .output = args.output,
                     .slices = args.slices};
      cells.push_back(cell);
    }
  return cells;
}

// Kinds of values that are measured.
std::vector<std::string> ValuesOf(const BenchArgs& args) {
  if (!args.values.empty()) return args.values;
  return args.by_value ? BenchValues() : std::vector<std::string>{"normal"};
}

// Every cell with each kind of values.
std::vector<BenchCell> EachOf(const std::vector<std::string>& values,
                              const std::vector<BenchCell>& cells) {
  std::vector<BenchCell> result;
  for (const BenchCell& cell : cells)
    for (const std::string& kind : values) result.emplace_back(cell).values = kind;
  return result;
}

nlohmann::ordered_json ToJson(const BenchCell& cell) {
  nlohmann::ordered_json json = {{"op", Name(cell.op)},
                                 {"layer", cell.layer},
                                 {"shape", cell.shape},
                                 {"format", cell.format},
                                 {"dtype", Name(cell.dtype)}};
  if (cell.num_groups) json["num_groups"] = *cell.num_groups;
  if (cell.operation_dimension) json["operation_dimension"] = Name(*cell.operation_dimension);
  json["hot"] = cell.hot;
  if (cell.residual) json["residual"] = true;
  if (cell.values != "normal") json["values"] = cell.values;
  if (cell.activation != Activation::kNone) json["activation"] = NameOf(cell.activation);
  if (cell.output != OutputType::kSame) json["output_type"] = NameOf(cell.output);
  if (cell.slices != 1) json["slices"] = cell.slices;
  return json;
}

double Rounded(double value, double scale) { return std::round(value * scale) / scale; }

nlohmann::ordered_json ToJson(const BenchResult& result) {
  nlohmann::ordered_json json = ToJson(result.cell);
  json["threads"] = result.threads;
  json["plan"] = result.plan;
  json["kernel"] = result.kernel;
  json["ms"] = Rounded(result.ms, 1e6);
  json["gbps"] = Rounded(result.gbps, 1e3);
  json["limit_gbps"] = Rounded(result.limit_gbps, 1e3);
  json["fraction"] = Rounded(result.fraction(), 1e4);
  return json;
}

void PrintLine(const nlohmann::ordered_json& json) {
  std::puts(JsonText(json).c_str());
  std::fflush(stdout);
}

// Measures every cell with every number of threads; the streaming bandwidth is measured between
// cells, so that each has one before and one after.
std::vector<BenchResult> Measure(const BenchArgs& args, const std::vector<BenchCell>& cells,
                                 const std::vector<int>& threads) {
  std::vector<BenchResult> results;
  ProgressLine progress(static_cast<int64_t>(cells.size() * threads.size()));
  const auto limit = [&](int n) {
    if (args.limit > 0) return args.limit;
    progress.Update(static_cast<int64_t>(results.size()), "bench",
                    fmt::format("bandwidth of the memory, {} threads", n));
    return simd::StreamingBandwidth(n);
  };
  const size_t together = args.by_value ? ValuesOf(args).size() : 1;
  for (const int n : threads) {
    SetNumThreads(n);
    double before = limit(n);
    for (size_t first = 0; first < cells.size(); first += together) {
      const std::vector<BenchCell> some(cells.begin() + static_cast<ptrdiff_t>(first),
                                        cells.begin() + static_cast<ptrdiff_t>(first + together));
      progress.Update(static_cast<int64_t>(results.size()), "bench",
                      fmt::format("{}, {} threads", some[0].ToString(), n));
      const std::string description = some[0].Describe();
      const std::vector<double> ms =
          together == 1 ? std::vector<double>{MeasureMilliseconds(some[0], args.seconds)}
                        : MeasureInTurns(some, args.seconds);
      const double after = args.by_value ? before : limit(n);  // in the caches it says little
      for (size_t i = 0; i < together; ++i) {
        BenchResult result{.cell = some[i],
                           .threads = n,
                           .plan = PartOfDescription(description, "plan"),
                           .kernel = PartOfDescription(description, "kernel"),
                           .ms = ms[i]};
        result.gbps = static_cast<double>(some[i].bytes()) / result.ms / 1e6;
        result.limit_gbps = std::max(before, after);
        if (args.json) {
          progress.Clear();
          PrintLine(ToJson(result));
        }
        results.push_back(std::move(result));
      }
      before = after;
    }
  }
  return results;
}

// A line for each cell of which all of `values` were measured.
Table ToTableByValue(const std::vector<BenchResult>& results,
                     const std::vector<std::string>& values) {
  Table table{{"op", "layer", "shape", "format", "dtype", "threads", values[0] + " ms"}, {}};
  table.header.insert(table.header.end(), values.begin() + 1, values.end());
  table.header.push_back("most");
  for (size_t i = 0; i < results.size(); i += values.size()) {
    const BenchResult& r = results[i];
    std::vector<std::string> row = {std::string(Name(r.cell.op)),
                                    r.cell.layer,
                                    fmt::format("[{}]", fmt::join(r.cell.shape, ",")),
                                    r.cell.format,
                                    std::string(Name(r.cell.dtype)),
                                    std::to_string(r.threads),
                                    fmt::format("{:.4f}", r.ms)};
    double most = 1;
    for (size_t k = 1; k < values.size(); ++k) {
      const double of_first = results[i + k].ms / r.ms;
      row.push_back(fmt::format("{:.2f}", of_first));
      most = std::max(most, of_first);
    }
    row.push_back(fmt::format("{:.2f}", most));
    table.rows.push_back(std::move(row));
  }
  return table;
}

Table ToTable(const std::vector<BenchResult>& results) {
  Table table{{"op", "layer", "shape", "format", "dtype", "threads", "plan", "kernel", "ms", "GB/s",
               "limit GB/s", "fraction"},
              {}};
  for (const BenchResult& r : results)
    table.rows.push_back({std::string(Name(r.cell.op)), r.cell.layer,
                          fmt::format("[{}]{}", fmt::join(r.cell.shape, ","), r.cell.Conditions()),
                          r.cell.format, std::string(Name(r.cell.dtype)), std::to_string(r.threads),
                          r.plan, r.kernel, fmt::format("{:.4f}", r.ms),
                          fmt::format("{:.1f}", r.gbps), fmt::format("{:.1f}", r.limit_gbps),
                          fmt::format("{:.2f}", r.fraction())});
  return table;
}

// Throws Error where results could not be added to the CSV file in the end.
void CheckHistory(const std::string& path) {
  CheckWritable(path, 0);
  struct stat status;
  if (stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode) || status.st_size == 0) return;
  if (!ReadFile(path).starts_with("time,version,"))
    Fail("{}: is no history of benchmarks, expected one or a new file", path);
}

// Appends the results to a CSV file, with the time and the version before each; a new file gets the
// header.
void AppendHistory(const std::string& path, const std::vector<BenchResult>& results) {
  Table table = ToTable(results);
  const std::string now = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
  table.header.insert(table.header.begin(), {"time", "version"});
  for (auto& row : table.rows) row.insert(row.begin(), {now, NORMKIT_VERSION});
  std::string text = ToCsv(table);
  struct stat status;
  if (stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0)
    text = ReadFile(path) + text.substr(text.find('\n') + 1);
  WriteFile(path, text);
}

// Whether options say which cells are meant.
bool HasCells(const BenchArgs& args) {
  return TableOf(args) || !args.ops.empty() || !args.layers.empty() || !args.formats.empty() ||
         !args.dtypes.empty() || !args.shape.empty() || args.num_groups ||
         args.operation_dimension || args.hot || args.residual || !args.values.empty() ||
         args.slices > 1 || args.activation != Activation::kNone ||
         args.output != OutputType::kSame;
}

// One after the other, for each number of threads.
void RunCalibration(const BenchArgs& args, const std::vector<int>& threads) {
  if (HasCells(args) || !args.network.network.empty())
    FailUsage("--calibrate", "it has cells of its own, but some are given");
  if (args.list || args.limit != 0 || !args.history.empty())
    FailUsage("--calibrate", "it has no --list, --limit and --history, but some are given");
  for (const int n : threads) {
    SetNumThreads(n);
    const std::vector<Calibrated> found = Calibrate(args.seconds / 5);
    const std::string schedule = ScheduleOf(found);
    Table table{{"rule", "built in", "found", "less time"}, {}};
    nlohmann::ordered_json json = {{"threads", n}, {"schedule", schedule}};
    for (const Calibrated& one : found) {
      table.rows.push_back({one.rule, std::to_string(one.built_in), std::to_string(one.found),
                            fmt::format("{:.1f} %", 100 * one.gain)});
      json["rules"].push_back({{"rule", one.rule},
                               {"built_in", one.built_in},
                               {"found", one.found},
                               {"gain", Rounded(one.gain, 1e4)}});
    }
    if (args.json) {
      PrintLine(json);
      continue;
    }
    std::fputs((args.markdown ? ToMarkdown(table) : ToText(table)).c_str(), stdout);
    std::puts(schedule.empty()
                  ? fmt::format("{} threads: the built-in rules are as good", n).c_str()
                  : fmt::format("{} threads: NORMKIT_SCHEDULE={}", n, schedule).c_str());
  }
}

void RunBench(const BenchArgs& args) {
  std::vector<int> threads = args.threads;
  for (int& n : threads)
    if (n == 0) n = NumThreads();
  if (args.calibrate) return RunCalibration(args, threads);
  if (!args.network.network.empty() && HasCells(args))
    FailUsage("--network", "its layers are the cells, but some are given");
  if (!args.network.network.empty())
    return RunNetworkBench(args.network, threads, args.seconds, args.json);
  const CellTable* table = TableOf(args);
  const std::vector<BenchCell> cells =
      EachOf(ValuesOf(args), table ? CellsOfTable(*table, args) : CellsOfOptions(args));
  if (cells.empty()) Fail("bench: no cell of the table has all of the properties that were given");
  if (args.list) {
    for (const BenchCell& cell : cells) PrintLine(ToJson(cell));
    return;
  }
  for (const BenchCell& cell : cells) cell.MakeOperation();  // errors before the first minute
  if (!args.history.empty()) CheckHistory(args.history);
  const std::vector<BenchResult> results = Measure(args, cells, threads);
  if (!args.json) {
    const Table lines = args.by_value ? ToTableByValue(results, ValuesOf(args)) : ToTable(results);
    std::fputs((args.markdown ? ToMarkdown(lines) : ToText(lines)).c_str(), stdout);
  }
  if (!args.history.empty()) AppendHistory(args.history, results);
}

// Groups or a dimension stand behind the name or in options of their own.
void AddBenchLayers(const Command& command, const std::shared_ptr<BenchArgs>& args) {
  const std::string expected = OneOf(LayerNames());
  AddList(command, "--layer", "NAME,...", expected,
          expected + "; also group:G, group-rms:G and layer:DIMENSION, without --table",
          [args](const std::vector<std::string>& texts) {
            LayerChoice layer;
            for (const std::string& text : texts) {
              ParseLayer(text, layer);
              args->layers.push_back(layer.name);
            }
            args->num_groups = layer.num_groups;
            args->operation_dimension = layer.operation_dimension;
          });
}

void AddTables(const Command& command, BenchArgs& args) {
  std::vector<Option> others;
  for (const CellTable& table : kTables) {
    const Option flag = AddFlag(command, table.option, args.*table.wanted, table.description);
    for (const Option& other : others) flag.Excludes(other);
    others.push_back(flag);
  }
}

Option AddOutputTypeOption(const Command& command, OutputType& output) {
  const auto& names = EnumNames<OutputType>::kNames;
  const std::string expected = OneOf({std::begin(names), std::end(names)});
  return AddValue(command, "--output-type", "TYPE", expected, "Of y: " + expected,
                  [&output](const std::string& text) { output = ParseNamed<OutputType>(text); })
      .Default(std::string(NameOf(output)));
}

}  // namespace

void AddBench(const Command& app) {
  auto args = std::make_shared<BenchArgs>();
  const Command command = AddCommand(
      app, "bench", "Measure an operation against the speed of memory, or a training step",
      {"normkit bench --layer layer --shape 8192,768 --format BC --op forward,backward",
       "normkit bench --table --dtype f32 --threads 2 --md",
       "normkit bench --network resnet-tiny --input 32,32,3 --mini-batch-size 64 --threads 1,2"});
  AddChoices(command, "--op", args->ops, {"forward", "inference", "backward"},
             "forward (if not given), inference, backward");
  AddBenchLayers(command, args);
  AddNumbers(command, "--shape", args->shape, {0, 1'000'000'000}, "Sizes, outermost first");
  AddList(command, "--format", "LETTERS,...", "a letter of B, T, S, C for each size",
          "A letter of B, T, S, C for each size", [args](const std::vector<std::string>& formats) {
            for (const std::string& format : formats)
              Layout::Make(format, std::vector<int64_t>(format.size(), 1));
            args->formats = formats;
          });
  AddChoices(command, "--dtype", args->dtypes, {"f32", "f64", "bf16", "f16"},
             "f32 (if not given), f64, bf16, f16");
  AddGroupsOption(command, args->num_groups);
  AddOperationDimensionOption(command, args->operation_dimension);
  AddNumbers(command, "--threads", args->threads, kThreads,
             "How many, 0 or auto: all processors; several are measured in turn", kAllProcessors);
  AddFlag(command, "--hot", args->hot, "The same arrays every time, as they lie in the caches");
  AddChoices(command, "--values", args->values, BenchValues(),
             "What x and dy hold: normal numbers, nan, infinity, 1e25, 1e-20, denormal, zero, or "
             "normal numbers and some-nan or some-1e25 among them (normal if not given)");
  AddTables(command, *args);
  AddFlag(
      command, "--calibrate", args->calibrate,
      "Find the limits of the rules for stores, threads, groups and look-ahead that this machine "
      "prefers, for NORMKIT_SCHEDULE");
  AddActivationOption(command, args->activation);
  AddOutputTypeOption(command, args->output);
  AddFlag(command, "--residual", args->residual,
          "A residual is added to x and the sum written; backward adds to the sum's gradient");
  AddNumber(command, "--slices", args->slices, {1, 1000},
            "x, y and gradients are the first slice of arrays whose outermost axis lies so many "
            "times as wide apart");
  AddFlag(command, "--list", args->list, "Print the cells as JSON lines and measure nothing");
  AddNumber(command, "--seconds", args->seconds, {0, 3600}, "Measured time of a cell, at least");
  AddNumber(command, "--limit", args->limit, {.low = 0, .open_low = true},
            "The streaming bandwidth in GB/s where it is known; auto: it is measured", {"auto", 0});
  const Option json = AddFlag(command, "--json", args->json, "A JSON line a cell");
  AddFlag(command, "--md", args->markdown, "A Markdown table").Excludes(json);
  AddText(command, "--history", args->history, "FILE", "A CSV file to add the results to");
  AddNetworkBenchOptions(command, args->network);
  command.Run([args] { RunBench(*args); });
}

}  // namespace normkit::tools
