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
#include "normkit/report/progress.h"
#include "normkit/report/report.h"
#include "normkit/version.h"
#include "src/core/fail.h"
#include "src/core/files.h"
#include "src/norm/bandwidth.h"
#include "tools/bench_measure.h"
#include "tools/bench_network.h"
#include "tools/commands.h"

namespace normkit::tools {
namespace {

struct BenchArgs {
  std::vector<std::string> ops, layers, formats, dtypes;
  std::vector<int64_t> shape;
  int64_t num_groups = 0;
  std::string operation_dimension, history;
  std::vector<int> threads;
  double seconds = 0.5, limit = 0;
  bool table = false, list = false, hot = false, json = false, markdown = false;
  NetworkBenchArgs network;
};

bool Wanted(const std::vector<std::string>& wanted, std::string_view name) {
  return wanted.empty() || std::ranges::find(wanted, name) != wanted.end();
}

// The cells of the design's table that the options leave.
std::vector<BenchCell> CellsOfTable(const BenchArgs& args) {
  std::vector<BenchCell> cells;
  for (const BenchCell& cell : AllBenchCells())
    if (Wanted(args.ops, Name(cell.op)) && Wanted(args.layers, cell.layer) &&
        Wanted(args.formats, cell.format) && Wanted(args.dtypes, Name(cell.dtype)) &&
        (args.shape.empty() || args.shape == cell.shape))
      cells.push_back(cell);
  return cells;
}

// The cells that the options spell out: each op and dtype on the one shape.
std::vector<BenchCell> CellsOfOptions(const BenchArgs& args) {
  if (args.layers.size() != 1) throw CLI::ValidationError("--layer", "one is needed (or --table)");
  if (args.formats.size() != 1)
    throw CLI::ValidationError("--format", "one is needed (or --table)");
  if (args.shape.empty()) throw CLI::ValidationError("--shape", "needed (or --table)");
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
                     .hot = args.hot};
      if (args.num_groups != 0) cell.num_groups = args.num_groups;
      if (!args.operation_dimension.empty())
        cell.operation_dimension = ParseOperationDimension(args.operation_dimension);
      cells.push_back(cell);
    }
  return cells;
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
  std::puts(json.dump().c_str());
  std::fflush(stdout);
}

// Measures every cell with every number of threads; the streaming bandwidth is measured between
// cells, so that each has one before and one after.
std::vector<BenchResult> Measure(const BenchArgs& args, const std::vector<BenchCell>& cells,
                                 const std::vector<int>& threads) {
  std::vector<BenchResult> results;
  const auto limit = [&](int n) { return args.limit > 0 ? args.limit : StreamingBandwidth(n); };
  ProgressLine progress(static_cast<int64_t>(cells.size() * threads.size()));
  for (const int n : threads) {
    SetNumThreads(n);
    double before = limit(n);
    for (const BenchCell& cell : cells) {
      progress.Update(static_cast<int64_t>(results.size()), "bench",
                      fmt::format("{}, {} threads", cell.ToString(), n));
      const std::string description = cell.Describe();
      BenchResult result{.cell = cell,
                         .threads = n,
                         .plan = PartOfDescription(description, "plan"),
                         .kernel = PartOfDescription(description, "kernel"),
                         .ms = MeasureMilliseconds(cell, args.seconds)};
      const double after = limit(n);
      result.gbps = static_cast<double>(cell.bytes()) / result.ms / 1e6;
      result.limit_gbps = std::max(before, after);
      before = after;
      if (args.json) {
        progress.Clear();
        PrintLine(ToJson(result));
      }
      results.push_back(std::move(result));
    }
  }
  return results;
}

Table ToTable(const std::vector<BenchResult>& results) {
  Table table{{"op", "layer", "shape", "format", "dtype", "threads", "plan", "kernel", "ms", "GB/s",
               "limit GB/s", "fraction"},
              {}};
  for (const BenchResult& r : results)
    table.rows.push_back(
        {std::string(Name(r.cell.op)), r.cell.layer,
         fmt::format("[{}]{}", fmt::join(r.cell.shape, ","), r.cell.hot ? " hot" : ""),
         r.cell.format, std::string(Name(r.cell.dtype)), std::to_string(r.threads), r.plan,
         r.kernel, fmt::format("{:.4f}", r.ms), fmt::format("{:.1f}", r.gbps),
         fmt::format("{:.1f}", r.limit_gbps), fmt::format("{:.2f}", r.fraction())});
  return table;
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
  if (stat(path.c_str(), &status) == 0) text = ReadFile(path) + text.substr(text.find('\n') + 1);
  WriteFile(path, text);
}

void RunBench(const BenchArgs& args) {
  const std::vector<int> threads =
      args.threads.empty() ? std::vector<int>{NumThreads()} : args.threads;
  if (!args.network.network.empty())
    return RunNetworkBench(args.network, threads, args.seconds, args.json);
  const std::vector<BenchCell> cells = args.table ? CellsOfTable(args) : CellsOfOptions(args);
  if (cells.empty()) Fail("bench: no cell of the table has all of the properties that were given");
  if (args.list) {
    for (const BenchCell& cell : cells) PrintLine(ToJson(cell));
    return;
  }
  for (const BenchCell& cell : cells) cell.MakeOperation();  // errors before the first minute
  const std::vector<BenchResult> results = Measure(args, cells, threads);
  if (!args.json) {
    const Table table = ToTable(results);
    std::fputs((args.markdown ? ToMarkdown(table) : ToText(table)).c_str(), stdout);
  }
  if (!args.history.empty()) AppendHistory(args.history, results);
}

}  // namespace

void AddBench(CLI::App& app) {
  auto args = std::make_shared<BenchArgs>();
  CLI::App& command = AddCommand(
      app, "bench", "Measure an operation against the speed of memory, or a training step",
      {"normkit bench --layer layer --shape 8192,768 --format BC --op forward,backward",
       "normkit bench --table --dtype f32 --threads 2 --md",
       "normkit bench --network resnet-tiny --input 32,32,3 --batch 64 --threads 1,2"});
  const auto list = [](CLI::Option* option, const char* kind) {
    return option->delimiter(',')->option_text(kind);
  };
  list(command.add_option("--op", args->ops, "forward (if not given), inference, backward"),
       "NAMES")
      ->check(CLI::IsMember({"forward", "inference", "backward"}));
  list(command.add_option("--layer", args->layers, "batch, layer, instance, group or rms"), "NAME")
      ->check(CLI::IsMember({"batch", "layer", "instance", "group", "rms"}));
  list(command.add_option("--shape", args->shape, "Sizes, outermost first"), "N,N,...");
  list(command.add_option("--format", args->formats, "A letter of B, T, S, C for each size"),
       "LETTERS");
  list(command.add_option("--dtype", args->dtypes, "f32 (if not given), f64, bf16, f16"), "NAMES")
      ->check(CLI::IsMember({"f32", "f64", "bf16", "f16"}));
  command.add_option("--num-groups", args->num_groups, "Groups of --layer group")
      ->option_text("N")
      ->check(CLI::PositiveNumber);
  command
      .add_option("--operation-dimension", args->operation_dimension, "What --layer layer reduces")
      ->option_text("NAME")
      ->check(CLI::IsMember({"batch-excluded", "auto", "channel-only", "spatial-channel"}));
  list(command.add_option("--threads", args->threads, "How many; several are measured in turn"),
       "N,...")
      ->check(CLI::Range(1, 1024));
  command.add_flag("--hot", args->hot, "The same arrays every time, as they lie in the caches");
  command.add_flag("--table", args->table,
                   "The whole table of shapes; --op, --layer, --format, --dtype and --shape choose "
                   "among them");
  command.add_flag("--list", args->list, "Print the cells as JSON lines and measure nothing");
  command.add_option("--seconds", args->seconds, "Measured time of a cell, at least")
      ->option_text("S")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 3600.0));
  command
      .add_option("--limit", args->limit,
                  "The streaming bandwidth in GB/s where it is known, instead of measuring it")
      ->option_text("GB/S")
      ->check(CLI::PositiveNumber);
  CLI::Option* json = command.add_flag("--json", args->json, "A JSON line a cell");
  command.add_flag("--md", args->markdown, "A Markdown table")->excludes(json);
  command.add_option("--history", args->history, "A CSV file to add the results to")
      ->option_text("FILE");
  AddNetworkBenchOptions(command, args->network);
  command.callback([args] { RunBench(*args); });
}

}  // namespace normkit::tools
