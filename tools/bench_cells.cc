#include "tools/bench_cells.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "src/core/strided_loops.h"
#include "src/norm/choose.h"
#include "src/norm/names.h"

namespace normkit::tools {
namespace {

using Shapes = std::vector<std::vector<int64_t>>;

// Pictures as [B,C,H,W].
const Shapes kBatchShapes = {{32, 64, 56, 56}, {8, 64, 224, 224}, {32, 256, 14, 14}};
const Shapes kInstanceShapes = {{8, 64, 224, 224}, {1, 32, 720, 1280}};
const Shapes kGroupShapes = {{8, 256, 56, 56}};
const Shapes kRowShapes = {{8192, 768}, {4096, 4096}, {512, 50257}};

// Adds `cell` for each picture shape, channels first and last.
void AddPictures(std::vector<BenchCell>& cells, BenchCell cell, const Shapes& shapes) {
  for (const char* format : {"BCSS", "BSSC"}) {
    cell.format = format;
    for (const auto& s : shapes) {
      cell.shape = s;
      if (cell.format == "BSSC") cell.shape = {s[0], s[2], s[3], s[1]};
      cells.push_back(cell);
    }
  }
}

void AddRows(std::vector<BenchCell>& cells, BenchCell cell, const Shapes& shapes) {
  cell.format = "BC";
  for (const auto& shape : shapes) {
    cell.shape = shape;
    cells.push_back(cell);
  }
}

}  // namespace

std::string BenchCell::ToString() const {
  return fmt::format("{} {} {} [{}] {}{}", layer, Name(op), format, fmt::join(shape, ","),
                     Name(dtype), Conditions());
}

std::string BenchCell::Conditions() const {
  std::string text = hot ? " hot" : "";
  if (residual) text += " with residual";
  if (values != "normal") text += " of " + values;
  if (activation != Activation::kNone) text += fmt::format(", {}", NameOf(activation));
  if (output != OutputType::kSame) text += fmt::format(", as {}", NameOf(output));
  if (slices != 1) text += fmt::format(", of {} slices", slices);
  return text;
}

Normalization BenchCell::MakeOperation() const {
  const ChosenNorm chosen =
      ChooseNorm(layer, Layout::Make(format, shape), num_groups, operation_dimension);
  NormOptions options{.activation = activation, .output = output};
  if (slices > 1 && !shape.empty()) {
    std::vector<int64_t> strides = DenseStrides(shape);
    strides[0] *= slices;
    options.strides = {.x = strides, .dy = strides, .dx = strides};
    if (residual) options.strides.residual = options.strides.sum = strides;
    if (output == OutputType::kSame) options.strides.y = strides;
  }
  return Normalization(chosen.spec, chosen.layout, dtype, options);
}

std::string BenchCell::Describe() const {
  const Normalization norm = MakeOperation();
  // Without running statistics inference takes those of x, as training does.
  const bool given = op != NormPass::kInference || norm.num_running() > 0;
  return norm.Describe(given ? op : NormPass::kForward);
}

int64_t BenchCell::bytes() const {
  const int64_t elements = Layout::Make(format, shape).size();
  const auto element = static_cast<int64_t>(SizeOf(dtype));
  if (op == NormPass::kBackward) return (residual ? 4 : 3) * elements * element;
  return elements * (element * (residual ? 3 : 1) + (output == OutputType::kSame ? element : 1));
}

const std::vector<std::string>& BenchValues() {
  static const std::vector<std::string> values = {
      "normal", "nan", "infinity", "1e25", "1e-20", "denormal", "zero", "some-nan", "some-1e25"};
  return values;
}

std::vector<BenchCell> AllBenchCells() {
  std::vector<BenchCell> cells;
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    for (const NormPass op : {NormPass::kForward, NormPass::kBackward}) {
      AddRows(cells, {.op = op, .layer = "layer", .dtype = dtype}, kRowShapes);
      AddRows(cells, {.op = op, .layer = "rms", .dtype = dtype}, {kRowShapes[1]});
      AddPictures(cells, {.op = op, .layer = "batch", .dtype = dtype}, kBatchShapes);
      AddPictures(cells, {.op = op, .layer = "instance", .dtype = dtype}, kInstanceShapes);
      AddPictures(cells, {.op = op, .layer = "group", .dtype = dtype, .num_groups = 32},
                  kGroupShapes);
      AddRows(cells, {.op = op, .layer = "layer", .dtype = dtype, .hot = true}, {{64, 512}});
    }
    AddPictures(cells, {.op = NormPass::kInference, .layer = "batch", .dtype = dtype},
                kBatchShapes);
  }
  return cells;
}

std::vector<BenchCell> ShortBenchCells() {
  const Shapes layer_rows = {{1'000'000, 2}, {200'000, 3},  {100'000, 16},
                             {100'000, 25},  {100'000, 32}, {8192, 80},
                             {8192, 192},    {3, 100'000},  {1, 1'000'000}};
  std::vector<BenchCell> cells;
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    for (const NormPass op : {NormPass::kForward, NormPass::kBackward}) {
      const auto add = [&](const char* layer, const char* format, std::vector<int64_t> shape,
                           std::optional<int64_t> groups = {}) -> BenchCell& {
        return cells.emplace_back(BenchCell{.op = op,
                                            .layer = layer,
                                            .shape = std::move(shape),
                                            .format = format,
                                            .dtype = dtype,
                                            .num_groups = groups});
      };
      for (const auto& shape : layer_rows) add("layer", "BC", shape);
      add("layer", "BCS", {4096, 256, 5});
      add("rms", "BC", {200'000, 4});
      add("batch", "BCS", {20'000, 256, 2});
      add("batch", "BCS", {100'000, 64, 3});
      add("batch", "BCSS", {1024, 512, 3, 3});
      for (const auto& shape : Shapes{{2, 4096}, {3, 100'000}, {64, 4096}, {1, 1'000'000}})
        add("batch", "BC", shape);
      add("instance", "BCSS", {64, 256, 4, 4});
      add("instance", "BCSS", {1024, 512, 3, 3});
      for (const auto& shape : Shapes{{16, 512, 4, 4},
                                      {256, 512, 4, 4},
                                      {1, 1024, 7, 7},
                                      {8, 1280, 8, 8},
                                      {2, 1280, 16, 16}})
        add("group", "BCSS", shape, 32);
      add("group", "BCSS", {64, 512, 7, 7}, 8);
      add("group", "BC", {1024, 512}, 256);
      for (const char* layer : {"rms", "layer"}) add(layer, "BC", {1, 4096}).hot = true;
      add("layer", "BC", {1, 8192}).hot = true;
      // A decoder's: beside the residual, and of queries and keys by heads.
      if (op == NormPass::kForward) {
        for (const auto& [layer, width] : {std::pair("rms", 4096), std::pair("layer", 8192)}) {
          BenchCell& cell = add(layer, "BC", {1, width});
          cell.hot = cell.residual = true;
        }
      }
      for (const auto& shape : Shapes{{64, 128}, {512, 128}}) add("rms", "BC", shape).hot = true;
    }
  }
  return cells;
}

std::vector<BenchCell> UnusualBenchCells() {
  std::vector<BenchCell> cells;
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    for (const NormPass op : {NormPass::kForward, NormPass::kBackward}) {
      const auto cell = [&](const char* layer, std::optional<int64_t> groups = {}) {
        return BenchCell{.op = op, .layer = layer, .dtype = dtype, .num_groups = groups};
      };
      for (const char* layer : {"layer", "rms"})
        AddRows(cells, cell(layer), {{2048, 5120}, {1024, 14336}});
      for (const BenchCell& of : {cell("batch"), cell("instance"), cell("group", 8)}) {
        for (const char* format : {"BCSSS", "BCSS"}) {
          BenchCell& added = cells.emplace_back(of);
          added.format = format;
          added.shape = {1, 128, 1024, 1024};
          if (added.format == "BCSSS") added.shape = {2, 32, 128, 128, 128};
        }
      }
      cells.emplace_back(cell("group", 32)).format = "BCSS";
      cells.back().shape = {32, 1024, 7, 7};
      for (const char* layer : {"batch", "layer"}) {
        for (const int64_t channels : {1, 3, 16, 65}) {
          cells.emplace_back(cell(layer)).format = "BSSC";
          cells.back().shape = {8, 112, 112, channels};
        }
      }
    }
  }
  return cells;
}

std::vector<BenchCell> ByValueBenchCells() {
  const Shapes maps = {{4, 64, 56, 56}, {2, 256, 16, 16}, {64, 64, 7, 7}, {64, 128, 4, 4}};
  const std::vector<std::pair<const char*, Shapes>> rows = {
      {"batch",
       {{2, 4096},
        {3, 20'000},
        {5, 9000},
        {7, 5000},
        {8, 10'000},
        {12, 5000},
        {16, 8192},
        {64, 4096},
        {1024, 256},
        {10'000, 16},
        {30'000, 3}}},
      {"layer",
       {{20'000, 2},
        {5000, 16},
        {3000, 25},
        {2000, 80},
        {1000, 192},
        {500, 257},
        {64, 512},
        {512, 768},
        {100, 1025},
        {8, 30'000},
        {1, 65'536}}},
      {"rms", {{20'000, 2}, {2000, 80}, {64, 512}, {512, 768}, {8, 30'000}}},
      {"l2", {{512, 768}}},
      {"scale", {{512, 768}}},
      {"mean-only", {{2000, 80}, {512, 768}}}};
  std::vector<BenchCell> cells;
  for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF64}) {
    for (const NormPass op : {NormPass::kForward, NormPass::kBackward}) {
      BenchCell cell = {.op = op, .dtype = dtype, .hot = true};
      for (const auto& [layer, shapes] : rows) {
        cell.layer = layer;
        AddRows(cells, cell, shapes);
      }
      for (const char* layer : {"batch", "instance", "layer", "rms", "group", "group-rms"}) {
        cell.layer = layer;
        if (cell.layer.starts_with("group")) cell.num_groups = 8;
        AddPictures(cells, cell, maps);
      }
      cell.num_groups = 256;
      cell.layer = "group";
      AddRows(cells, cell, {{1024, 512}});
    }
  }
  return cells;
}

}  // namespace normkit::tools
