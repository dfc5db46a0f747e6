#include "src/train/checkpoint.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "normkit/data/npy.h"
#include "normkit/train/train.h"
#include "src/core/fail.h"
#include "src/core/json_properties.h"
#include "src/nn/finite_parameters.h"
#include "src/train/option_table.h"

namespace normkit {
namespace {

using Arrays = std::map<std::string, NpyArray>;
using nlohmann::json;

constexpr const char* kFormat = "normkit checkpoint";
constexpr int64_t kVersion = 4;
constexpr int64_t kColumns = 10;  // of the history
constexpr const char* kBest = "best";
constexpr const char *kData = "data-", *kValidation = "validation-data-";  // before names

std::array<double, kColumns> ToColumns(const ProgressRow& row) {
  return {static_cast<double>(row.epoch),
          static_cast<double>(row.iteration),
          row.seconds,
          row.batch_accuracy,
          row.batch_loss,
          row.has_validation ? 1.0 : 0.0,
          row.validation_accuracy,
          row.validation_loss,
          row.learn_rate,
          row.validation_metric};
}

ProgressRow FromColumns(const std::array<double, kColumns>& columns) {
  return {.epoch = static_cast<int64_t>(columns[0]),
          .iteration = static_cast<int64_t>(columns[1]),
          .seconds = columns[2],
          .batch_accuracy = columns[3],
          .batch_loss = columns[4],
          .has_validation = columns[5] != 0,
          .validation_accuracy = columns[6],
          .validation_loss = columns[7],
          .learn_rate = columns[8],
          .validation_metric = columns[9]};
}

NpyArray HistoryArray(const std::vector<ProgressRow>& history) {
  std::vector<double> values;
  for (const ProgressRow& row : history) {
    const auto columns = ToColumns(row);
    values.insert(values.end(), columns.begin(), columns.end());
  }
  return MakeNpy(DType::kF64, {static_cast<int64_t>(history.size()), kColumns}, values.data());
}

// The values of each parameter in `arena`, which has the layout of the parameters.
void AddArrays(const std::string& kind, const Parameters& parameters, std::span<const float> arena,
               Arrays& arrays) {
  for (const Parameter& p : parameters.list())
    arrays[kind + "/" + p.name] = MakeNpy(DType::kF32, p.shape, arena.data() + p.offset);
}

// All of an identity as (name, value), in the order of reports.
std::vector<std::pair<std::string, std::string>> Flat(const RunIdentity& identity) {
  std::vector<std::pair<std::string, std::string>> flat;
  for (const auto& [name, value] : identity.data) flat.emplace_back(kData + name, value);
  flat.insert(flat.end(), identity.options.begin(), identity.options.end());
  for (const auto& [name, value] : identity.validation)
    flat.emplace_back(kValidation + name, value);
  return flat;
}

// Reads one file; its functions throw Error that names it.
class Reader {
 public:
  explicit Reader(const std::string& path) : path_(path), arrays_(ReadNpz(path)) {
    if (!arrays_.contains("metadata"))
      Damaged("has no array 'metadata', expected an archive that a training wrote");
    const NpyArray& text = Get("metadata");
    if (text.descr != "|u1") Damaged("'metadata' is {}, expected |u1", text.descr);
    metadata_ = json::parse(reinterpret_cast<const char*>(text.data.data()),
                            reinterpret_cast<const char*>(text.data.data()) + text.data.size(),
                            nullptr, false);
    if (!metadata_.is_object() || metadata_.value("format", json()) != kFormat)
      Damaged("'metadata' does not say that this is a {}", kFormat);
    if (metadata_.value("version", json()) != kVersion)
      Damaged("version {}, expected {}", metadata_.value("version", json()).dump(), kVersion);
  }

  // A member of the metadata: names and values.
  std::map<std::string, std::string> Strings(const std::string& name) const {
    const json member = metadata_.value(name, json());
    if (!member.is_object()) Damaged("'metadata' has no '{}'", name);
    std::map<std::string, std::string> strings;
    for (const auto& [key, value] : member.items()) {
      if (!value.is_string()) Damaged("'{}' of '{}' is no text", key, name);
      strings[key] = value.get<std::string>();
    }
    return strings;
  }

  TrainingOptions Options() const {
    const json member = metadata_.value("options", json());
    if (!member.is_object()) Damaged("'metadata' has no 'options'");
    TrainingOptions options;
    JsonProperties properties(member, fmt::format("checkpoint '{}'", path_));
    properties.ReadAll(TableFor(options), ~0u, &options);
    properties.CheckAllKnown();
    return options;
  }

  void CheckIdentity(const RunIdentity& identity) const {
    const std::map<std::string, std::string> made = Strings("identity");
    CheckData(identity.data_name, identity.data, made, kData);
    CheckData(identity.validation_name, identity.validation, made, kValidation);
    const auto given = Flat(identity);
    for (const auto& [name, value] : given) {
      const auto found = made.find(name);
      if (found == made.end()) Damaged("made without {}, given {}", name, value);
      if (found->second != value) Damaged("made with {} {}, given {}", name, found->second, value);
    }
    for (const auto& [name, value] : made) {
      const auto same = [&key = name](const auto& one) { return one.first == key; };
      if (std::none_of(given.begin(), given.end(), same))
        Damaged("made with {} {}, given none", name, value);
    }
  }

  void CheckData(const std::string& name, const DataIdentity& given,
                 const std::map<std::string, std::string>& made, const char* prefix) const {
    const std::string difference = Difference(given, made, prefix);
    if (!difference.empty())
      Damaged("data '{}' are not those that the run began with: {}", name, difference);
  }

  void FillArrays(const std::string& kind, const Graph& graph, const Parameters& parameters,
                  std::span<float> arena) const {
    for (const Parameter& p : parameters.list()) {
      const std::string name = kind + "/" + p.name;
      const NpyArray& array = Get(name);
      if (array.descr != "<f4" || array.shape != p.shape)
        Damaged("'{}' is {} [{}], expected <f4 [{}]", name, array.descr,
                fmt::join(array.shape, ","), fmt::join(p.shape, ","));
      std::memcpy(arena.data() + p.offset, array.data.data(),
                  static_cast<size_t>(p.size) * sizeof(float));
    }
    const std::string bad = FindBadParameter(graph, parameters, arena);
    if (!bad.empty()) Damaged("{} of {}", kind, bad);
  }

  bool Has(const std::string& kind, const Parameters& parameters) const {
    const std::vector<Parameter>& list = parameters.list();
    return !list.empty() && arrays_.contains(kind + "/" + list[0].name);
  }

  RunState State() const {
    const NpyArray& array = Get("history");
    if (array.descr != "<f8" || array.shape.size() != 2 || array.shape[1] != kColumns)
      Damaged("'history' is {} [{}], expected <f8 [iterations,{}]", array.descr,
              fmt::join(array.shape, ","), kColumns);
    RunState state;
    std::array<double, kColumns> columns;
    for (int64_t i = 0; i < array.shape[0]; ++i) {
      std::memcpy(columns.data(), array.data.data() + static_cast<size_t>(i) * sizeof(columns),
                  sizeof(columns));
      const bool finite = std::all_of(columns.begin(), columns.end(),
                                      [](double value) { return std::isfinite(value); });
      if (!finite || columns[1] != static_cast<double>(i + 1))
        Damaged("row {} of 'history' is not that of iteration {}", i, i + 1);
      // An epoch has an iteration at least, which also keeps the number in range.
      if (columns[0] < 1 || columns[0] > columns[1])
        Damaged("row {} of 'history' is in epoch {}, expected 1 to {}", i, columns[0], i + 1);
      state.history.push_back(FromColumns(columns));
    }
    return state;
  }

 private:
  template <class... Args>
  [[noreturn]] void Damaged(fmt::format_string<Args...> format, Args&&... args) const {
    Fail("checkpoint '{}': {}", path_, fmt::format(format, std::forward<Args>(args)...));
  }
  const NpyArray& Get(const std::string& name) const {
    const auto found = arrays_.find(name);
    if (found == arrays_.end()) Damaged("has no array '{}'", name);
    return found->second;
  }

  std::string path_;
  Arrays arrays_;
  json metadata_;
};

}  // namespace

RunIdentity IdentifyRun(const DataSource& data, const Graph& graph,
                        const TrainingOptions& options) {
  RunIdentity identity;
  identity.data = Identify(data);
  identity.data_name = data.Description();
  std::string layers;
  for (const LayerRecord& record : graph.layers()) {
    std::vector<int> inputs;
    for (const Value input : record.inputs) inputs.push_back(graph.value(input).layer);
    layers += fmt::format("{}{} ({}) of {}", layers.empty() ? "" : "; ", Title(*record.layer),
                          record.layer->Description(), fmt::join(inputs, ","));
  }
  identity.options.emplace_back("layers", layers);
  for (const auto& fact : Describe(options)) identity.options.push_back(fact);
  if (options.validation_data) {
    identity.validation = Identify(*options.validation_data);
    identity.validation_name = options.validation_data->Description();
  }
  return identity;
}

void WriteCheckpoint(const std::string& path, const RunIdentity& identity,
                     const TrainingOptions& options, const Parameters& parameters,
                     const SolverArrays& solver, const RunState& state) {
  json metadata{{"format", kFormat},
                {"version", kVersion},
                {"options", WriteAll(TableFor(options), &options)},
                {"notes", options.checkpoint_notes}};
  const auto flat = Flat(identity);
  metadata["identity"] = std::map<std::string, std::string>(flat.begin(), flat.end());
  const std::string text = metadata.dump(2, ' ', false, json::error_handler_t::replace);

  Arrays arrays;
  NpyArray& bytes = arrays["metadata"];
  bytes = {"|u1", {static_cast<int64_t>(text.size())}, std::vector<std::byte>(text.size())};
  std::memcpy(bytes.data.data(), text.data(), text.size());
  arrays["history"] = HistoryArray(state.history);
  AddArrays("parameters", parameters, parameters.values(), arrays);
  if (state.best) AddArrays(kBest, *state.best, state.best->values(), arrays);
  for (const auto& [kind, arena] : solver) AddArrays(kind, parameters, arena, arrays);
  WriteNpz(path, arrays);
}

uint64_t CheckpointBytes(const Parameters& parameters, const TrainingOptions& options,
                         int64_t iterations) {
  constexpr uint64_t kHeaders = 512;       // of a member, in the file and in its directory
  constexpr uint64_t kMetadata = 1 << 16;  // options and layers
  const auto arrays = static_cast<uint64_t>(1 + SolverStates(options) + KeepsBest(options));
  uint64_t bytes = kMetadata + static_cast<uint64_t>(iterations) * kColumns * sizeof(double);
  for (const Parameter& p : parameters.list())
    bytes +=
        arrays * (static_cast<uint64_t>(p.size) * sizeof(float) + kHeaders + 2 * p.name.size());
  return bytes;
}

RunState ReadCheckpoint(const std::string& path, const RunIdentity& identity, const Graph& graph,
                        Parameters& parameters, const SolverArrays& solver) {
  const Reader reader(path);
  reader.CheckIdentity(identity);
  reader.FillArrays("parameters", graph, parameters, parameters.values());
  for (const auto& [kind, arena] : solver) reader.FillArrays(kind, graph, parameters, arena);
  RunState state = reader.State();
  if (reader.Has(kBest, parameters)) {
    state.best.emplace(graph);
    reader.FillArrays(kBest, graph, *state.best, state.best->values());
  }
  return state;
}

TrainingOptions ReadCheckpointOptions(const std::string& path) { return Reader(path).Options(); }

std::map<std::string, std::string> ReadCheckpointNotes(const std::string& path) {
  return Reader(path).Strings("notes");
}

}  // namespace normkit
