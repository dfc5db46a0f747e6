// Pictures through a graph by tiles, in as much memory as is given, with the bits of one run over
// the whole.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "src/graph/piece_graph.h"
#include "src/graph/tile_passes.h"

namespace normkit {

// How a picture is cut: the sizes of tiles, in elements of the output. 0: it is not.
struct Tiling {
  int64_t rows = 0, columns = 0;
  bool operator==(const Tiling&) const = default;
};

// One picture: its size is that of the graph's input `picture`. Statistics of normalizations that
// are those of all pixels are gathered in a pass over all tiles each, by cells (CellStatistics),
// and tiles take as much more of what they read as the operations look at. The graph is that of
// the caller and has to outlive this.
class TiledGraph {
 public:
  TiledGraph(const Graph& graph, const Parameters& parameters, Value picture, const Layout& shape,
             Value output, const std::map<Value, std::shared_ptr<const Tensor>>& given = {});

  // "": it can be computed by tiles; else the operation that cannot.
  const std::string& why_not() const { return why_not_; }

  // The memory that one run over the whole takes.
  double WholeBytes() const;
  // The tiling for tiles of N x N; what tiles begin at are multiples of 16 at all sizes of arrays
  // within the graph.
  Tiling TilingOf(int64_t side) const;
  // None where the whole fits into so many bytes, else one for which it takes at most about as
  // many.
  Tiling TilingFor(double bytes) const;

  // Boxes of the picture, and of the output.
  using Source = std::function<void(const Box& box, float* to)>;
  using Sink = std::function<void(const Box& box, const float* from)>;
  using Progress = std::function<void(double done)>;  // of 1
  // Takes at most about so many bytes, those of the caller's output among them, which grows in the
  // last pass; but as many as the arrays of one tile want.
  struct Memory {
    double bytes, output_bytes = 0;
  };
  void Run(const Source& source, const Sink& sink, const Tiling& tiling, const Memory& memory,
           const Progress& progress = nullptr);

  // Memory to compute in, instead of its own: what ExecutorOptions::arena says.
  void UseArena(std::shared_ptr<Tensor> arena) { arena_ = std::move(arena); }

  // Of the last Run: how often it computed what had to be computed once.
  double work() const { return work_; }

 private:
  class TileRun;
  std::vector<char> Available(const std::vector<Value>& values) const;
  std::vector<size_t> SpaceAxes(Value value) const;
  void CheckTiles();
  int64_t Step() const;
  PieceDemand WholeDemand() const;
  void RunWhole(const Source& source, const Sink& sink);

  PictureGraph picture_;
  std::string why_not_;
  std::shared_ptr<Tensor> arena_ = std::make_shared<Tensor>();
  double work_ = 1;
};

}  // namespace normkit
