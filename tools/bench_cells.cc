#include "tools/bench_cells.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "src/norm/choose.h"

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
                     Name(dtype), hot ? " hot" : "");
}

Normalization BenchCell::MakeOperation() const {
  const ChosenNorm chosen =
      ChooseNorm(layer, Layout::Make(format, shape), num_groups, operation_dimension);
  return Normalization(chosen.spec, chosen.layout, dtype);
}

std::string BenchCell::Describe() const {
  const Normalization norm = MakeOperation();
  // Without running statistics inference takes those of x, as training does.
  const bool given = op != NormPass::kInference || norm.num_running() > 0;
  return norm.Describe(given ? op : NormPass::kForward);
}

int64_t BenchCell::bytes() const {
  const int64_t arrays = op == NormPass::kBackward ? 3 : 2;
  return arrays * Layout::Make(format, shape).size() * static_cast<int64_t>(SizeOf(dtype));
}

const std::vector<std::string>& BenchValues() {
  static const std::vector<std::string> values = {"normal", "nan",      "infinity",
                                                  "1e25",   "denormal", "zero"};
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

}  // namespace normkit::tools
