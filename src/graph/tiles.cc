#include "src/graph/tiles.h"

#include <algorithm>
#include <cmath>
#include <list>
#include <set>

#include "normkit/graph/executor.h"
#include "src/core/fail.h"
#include "src/graph/picture_bands.h"
#include "src/ops/boxes.h"
#include "src/ops/celled_normalization.h"

namespace normkit {
namespace {

using ops::CellRange;
using ops::CellStatistics;

constexpr size_t kMostPieces = 16;  // graphs of tiles that are ready
constexpr int64_t kMostScale = 16;  // between arrays of a graph
constexpr int64_t kMostRows = 4;    // of tiles, in steps
constexpr double kTileShare = 0.1;  // of the memory, for what a tile takes at the most

// How one axis of an array is cut where that of the output is cut into `count` tiles of `tile`.
class AxisCut {
 public:
  AxisCut(int64_t size, int64_t output_size, int64_t tile, int64_t count)
      : size_(size), count_(count) {
    const double each = static_cast<double>(tile) * static_cast<double>(size) /
                        static_cast<double>(output_size * CellStatistics::kSide);
    each_ = std::max<int64_t>(1, std::llround(each));
  }

  // What belongs to tile i; may be nothing.
  int64_t begin(int64_t i) const { return CellStatistics::Begin(FirstCell(i), size_); }
  int64_t size(int64_t i) const { return begin(i + 1) - begin(i); }
  CellRange cells(int64_t i) const { return {FirstCell(i), FirstCell(i + 1)}; }
  std::vector<int64_t> begins() const {
    std::vector<int64_t> all;
    for (int64_t i = 0; i <= count_; ++i)
      if (all.empty() || begin(i) > all.back()) all.push_back(begin(i));
    return all;
  }

 private:
  int64_t FirstCell(int64_t i) const {
    const int64_t cells = CellStatistics::Count(size_);
    if (i == count_) return cells;
    return i == 0 ? 0 : std::min(i * each_, cells - 1);
  }

  int64_t size_, count_, each_;
};

// So that the last is no sliver.
int64_t CountTiles(int64_t size, int64_t tile) {
  return std::max<int64_t>(1, (size + tile - 1 - tile / 4) / tile);
}

}  // namespace

// One picture on its way.
class TiledGraph::TileRun {
 public:
  TileRun(TiledGraph& graph, const Source& source, const Sink& sink, const Tiling& tiling)
      : graph_(graph), picture_(graph.picture_), source_(source), sink_(sink), tiling_(tiling) {
    const auto axes = graph.SpaceAxes(picture_.output);
    for (size_t i = 0; i < 2; ++i) size_[i] = picture_.layout(picture_.output).axes()[axes[i]].size;
    count_[0] = CountTiles(size_[0], tiling.rows);
    count_[1] = CountTiles(size_[1], tiling.columns);
  }

  void Run(const TilePasses& passes, const Progress& progress) {
    double done = 0;
    for (const TilePass& pass : passes.list) {
      RunPass(pass, [&](double part) {
        if (progress) progress((done + part * pass.cost) / passes.cost);
      });
      done += pass.cost;
    }
  }

 private:
  struct ReadyPiece {
    std::vector<int64_t> key;
    Executor executor;
    std::vector<Value> targets;
  };
  using Statistics = std::map<int, CellStatistics>;  // by node

  AxisCut Cut(Value value, size_t axis) const {
    const int64_t size = picture_.layout(value).axes()[graph_.SpaceAxes(value)[axis]].size;
    return {size, size_[axis], axis == 0 ? tiling_.rows : tiling_.columns, count_[axis]};
  }

  Value InputOf(int node) const { return picture_.graph->node(node).inputs[0]; }

  std::set<Value> TargetsOf(const TilePass& pass) const {
    std::set<Value> targets(pass.keep.begin(), pass.keep.end());
    for (const int node : pass.nodes) targets.insert(InputOf(node));
    if (pass.nodes.empty()) targets.insert(picture_.output);
    return targets;
  }

  std::vector<ValueBox> Boxes(const std::set<Value>& targets, int64_t i, int64_t k) const {
    std::vector<ValueBox> boxes;
    for (const Value value : targets) {
      Box box = ops::WholeBox(picture_.layout(value));
      const auto axes = graph_.SpaceAxes(value);
      const int64_t place[] = {i, k};
      bool empty = false;
      for (size_t axis = 0; axis < 2; ++axis) {
        const AxisCut cut = Cut(value, axis);
        box.begin[axes[axis]] = cut.begin(place[axis]);
        box.size[axes[axis]] = cut.size(place[axis]);
        empty |= cut.size(place[axis]) == 0;
      }
      if (!empty) boxes.push_back({value, std::move(box)});
    }
    return boxes;
  }

  void RunPass(const TilePass& pass, const Progress& progress) {
    pieces_.clear();
    available_ = graph_.Available(pass.from);
    const std::set<Value> targets = TargetsOf(pass);
    for (const Value value : pass.keep) {
      const std::vector<int64_t> shape = picture_.layout(value).shape();
      bands_.emplace(value, PictureBands(Cut(value, 0).begins(), shape[2], shape[3], memory_));
    }
    Statistics statistics;
    for (const int node : pass.nodes)
      statistics.emplace(
          node, ops::StatisticsOf(*picture_.graph->node(node).op, picture_.layout(InputOf(node))));
    for (int64_t i = 0; i < count_[0]; ++i) {
      for (auto& [node, cells] : statistics) cells.BeginRows(Cut(InputOf(node), 0).cells(i));
      for (int64_t k = 0; k < count_[1]; ++k) {
        RunTile(pass, Boxes(targets, i, k), i, k, statistics);
        progress(static_cast<double>(i * count_[1] + k + 1) /
                 static_cast<double>(count_[0] * count_[1]));
      }
      for (auto& [node, cells] : statistics) cells.EndRows();
      if (i + 1 < count_[0]) Release(pass, Boxes(targets, i + 1, 0));
    }
    for (const auto& [node, cells] : statistics)
      picture_.finished[static_cast<size_t>(node)] =
          std::make_shared<const ops::FinishedStatistics>(cells.Finish());
    for (const Value value : pass.dead) bands_.erase(value);
  }

  // Rows that no tile from these on reads.
  void Release(const TilePass& pass, std::vector<ValueBox> boxes) {
    if (pass.dead.empty() || boxes.empty()) return;
    for (const ValueBox& input : DemandOf(picture_, available_, std::move(boxes)).inputs)
      if (std::ranges::binary_search(pass.dead, input.value))
        bands_.at(input.value).Release(input.box.begin[1]);
  }

  void RunTile(const TilePass& pass, std::vector<ValueBox> boxes, int64_t i, int64_t k,
               Statistics& statistics) {
    if (boxes.empty()) return;
    const PieceDemand demand = DemandOf(picture_, available_, std::move(boxes));
    ReadyPiece& piece = Ready(demand);
    for (size_t n = 0; n < demand.inputs.size(); ++n) {
      const ValueBox& input = demand.inputs[n];
      float* to = piece.executor.input(n).values<float>().data();
      if (input.value == picture_.picture)
        source_(input.box, to);
      else
        bands_.at(input.value).Read(input.box, to);
    }
    piece.executor.Forward(Parameters(), {});
    for (size_t t = 0; t < demand.targets.size(); ++t) {
      const auto& [value, box] = demand.targets[t];
      const float* made = piece.executor.value<float>(piece.targets[t]).data();
      for (auto& [node, cells] : statistics)
        if (InputOf(node) == value)
          cells.Gather(made, box.size[2] * box.size[3], Cut(value, 0).cells(i),
                       Cut(value, 1).cells(k));
      if (std::ranges::binary_search(pass.keep, value)) bands_.at(value).Write(box, made);
      if (value == picture_.output) sink_(box, made);
    }
  }

  // The graph of a tile, made once for all tiles of its kind, all of them in one arena.
  ReadyPiece& Ready(const PieceDemand& demand) {
    const auto found = std::ranges::find(pieces_, demand.key, &ReadyPiece::key);
    if (found != pieces_.end()) {
      pieces_.splice(pieces_.begin(), pieces_, found);
    } else {
      if (pieces_.size() >= kMostPieces) pieces_.pop_back();
      PieceGraph made = MakePieceGraph(picture_, demand);
      ExecutorOptions options{.keep = made.targets, .arena = graph_.arena_};
      pieces_.push_front({demand.key, Executor(made.graph, options), made.targets});
    }
    ReadyPiece& piece = pieces_.front();
    std::vector<Layout> shapes;
    for (const ValueBox& input : demand.inputs)
      shapes.push_back(ops::LayoutOf(input.box, picture_.layout(input.value)));
    piece.executor.SetShapes(shapes);
    return piece;
  }

  TiledGraph& graph_;
  PictureGraph& picture_;
  const Source& source_;
  const Sink& sink_;
  Tiling tiling_;
  int64_t size_[2], count_[2];
  BandMemory memory_;
  std::map<Value, PictureBands> bands_;
  std::vector<char> available_;   // of each value, in this pass
  std::list<ReadyPiece> pieces_;  // the last used first
};

TiledGraph::TiledGraph(const Graph& graph, const Parameters& parameters, Value picture,
                       const Layout& shape, Value output,
                       const std::map<Value, std::shared_ptr<const Tensor>>& given)
    : picture_(MakePictureGraph(graph, parameters, picture, shape, output, given)) {
  CheckTiles();
}

// Tries the first and the last quarter.
void TiledGraph::CheckTiles() {
  const Layout& output = picture_.layout(picture_.output);
  if (SpaceAxes(picture_.output).empty() || !picture_.depends_on_picture(picture_.output)) {
    why_not_ = fmt::format("{} is no picture", output.ToString());
    return;
  }
  const auto whatever = std::make_shared<const ops::FinishedStatistics>();
  for (size_t n = 0; n < picture_.finished.size(); ++n)
    if (picture_.has_statistics[n]) picture_.finished[n] = whatever;
  for (const bool last : {false, true}) {
    Box box = ops::WholeBox(output);
    for (const size_t axis : SpaceAxes(picture_.output)) {
      const int64_t half = box.size[axis] / 2;
      if (last) box.begin[axis] = half;
      box.size[axis] = last ? box.size[axis] - half : std::max<int64_t>(1, half);
    }
    if (why_not_.empty()) DemandOf(picture_, Available({}), {{picture_.output, box}}, &why_not_);
  }
  std::ranges::fill(picture_.finished, nullptr);
}

std::vector<char> TiledGraph::Available(const std::vector<Value>& values) const {
  std::vector<char> available(picture_.depends.size(), 0);
  available[SlotOf(picture_.picture)] = 1;
  for (const Value value : values) available[SlotOf(value)] = 1;
  return available;
}

// Height and width; none where the value is no picture.
std::vector<size_t> TiledGraph::SpaceAxes(Value value) const {
  const Layout& layout = picture_.layout(value);
  std::vector<size_t> axes;
  for (size_t i = 0; i < layout.axes().size(); ++i)
    if (layout.axes()[i].label == kS) axes.push_back(i);
  if (axes.size() != 2) axes.clear();
  if (axes.empty() && layout.rank() == 4) axes = {1, 2};
  return axes;
}

// All of the output in one go, from what of the picture that takes.
PieceDemand TiledGraph::WholeDemand() const {
  const Box box = ops::WholeBox(picture_.layout(picture_.output));
  return DemandOf(picture_, Available({}), {{picture_.output, box}});
}

double TiledGraph::WholeBytes() const {
  const PieceDemand demand = WholeDemand();
  const PieceGraph piece = MakePieceGraph(picture_, demand);
  const Layout shape = ops::LayoutOf(demand.inputs[0].box, picture_.layout(picture_.picture));
  return Executor::PlannedBytes(piece.graph, std::span(&shape, 1), {.keep = piece.targets});
}

// The least that is a whole number of cells in arrays of all scales.
int64_t TiledGraph::Step() const {
  const auto height = [&](Value value) {
    const auto axes = SpaceAxes(value);
    return axes.empty() ? int64_t{0} : picture_.layout(value).axes()[axes[0]].size;
  };
  const int64_t output = height(picture_.output);
  int64_t scale = 1;
  for (const Node& node : picture_.graph->nodes()) {
    const int64_t size = height(node.outputs[0]);
    if (!picture_.depends_on_picture(node.outputs[0]) || size < 1) continue;
    scale = std::clamp((output + size / 2) / size, scale, kMostScale);
  }
  return scale * CellStatistics::kSide;
}

Tiling TiledGraph::TilingOf(int64_t side) const {
  const int64_t step = Step(), rounded = std::max<int64_t>(1, (side + step / 2) / step) * step;
  return {rounded, rounded};
}

// As few rows as make sense, for a band of them is there twice; as wide as the picture where they
// fit.
Tiling TiledGraph::TilingFor(double bytes) const {
  if (!why_not_.empty()) return {};
  const double whole = WholeBytes();
  if (whole <= bytes) return {};
  const auto axes = SpaceAxes(picture_.output);
  const auto& shape = picture_.layout(picture_.output).axes();
  const int64_t height = shape[axes[0]].size, width = shape[axes[1]].size, step = Step();
  const double pixels =
      kTileShare / 2 * bytes / (whole / static_cast<double>(height) / static_cast<double>(width));
  const auto most = static_cast<int64_t>(pixels / static_cast<double>(step));
  const int64_t columns = std::max<int64_t>(1, most / step) * step;
  if (columns < width) {
    const auto side = static_cast<int64_t>(std::sqrt(pixels)) / step * step;
    return {step, std::max(columns, side)};
  }
  const int64_t rows = std::clamp<int64_t>(most / width, 1, kMostRows) * step;
  return {rows, (width + step - 1) / step * step};
}

void TiledGraph::RunWhole(const Source& source, const Sink& sink) {
  const PieceDemand demand = WholeDemand();
  const PieceGraph piece = MakePieceGraph(picture_, demand);
  Executor executor(piece.graph, {.keep = piece.targets, .arena = arena_});
  const Box& read = demand.inputs[0].box;
  const Layout shape = ops::LayoutOf(read, picture_.layout(picture_.picture));
  executor.SetShapes(std::span(&shape, 1));
  source(read, executor.input(0).values<float>().data());
  executor.Forward(Parameters(), {});
  sink(demand.targets[0].box, executor.value<float>(piece.targets[0]).data());
}

void TiledGraph::Run(const Source& source, const Sink& sink, const Tiling& tiling,
                     const Memory& memory, const Progress& progress) {
  if (!why_not_.empty()) Fail("{}: cannot be computed by tiles", why_not_);
  std::ranges::fill(picture_.finished, nullptr);
  work_ = 1;
  if (tiling.rows == 0) return RunWhole(source, sink);
  const auto axes = SpaceAxes(picture_.output);
  const auto height = static_cast<double>(picture_.layout(picture_.output).axes()[axes[0]].size);
  const double band = std::min(1.0, 2 * static_cast<double>(tiling.rows) / height);
  const TilePasses passes =
      PlanPasses(picture_, {(1 - kTileShare) * memory.bytes,
                            (1 - kTileShare) * memory.bytes - memory.output_bytes, band});
  work_ = passes.cost / passes.once;
  TileRun(*this, source, sink, tiling).Run(passes, progress);
}

}  // namespace normkit
