#include "normkit/data/moved_pictures.h"

#include <algorithm>
#include <utility>

#include "normkit/core/random.h"
#include "src/core/fail.h"
#include "src/core/hash.h"

namespace normkit {
namespace {

class MovedSource : public DataSource {
 public:
  MovedSource(DataPtr source, const PictureMoves& moves)
      : source_(std::move(source)), moves_(moves) {}

  int64_t size() const override { return source_->size() * moves_.rounds; }
  const Layout& layout() const override { return source_->layout(); }
  const std::vector<std::string>& classes() const override { return source_->classes(); }
  int64_t label(int64_t index) const override { return source_->label(Of(index)); }
  int64_t target_size() const override { return source_->target_size(); }
  void ReadTarget(int64_t index, std::span<float> out) const override {
    source_->ReadTarget(Of(index), out);
  }
  std::string Description() const override { return source_->Description(); }
  std::string ObservationName(int64_t index) const override {
    return source_->ObservationName(Of(index));
  }
  ValueRange Range() const override { return source_->Range(); }
  int64_t MemoryBytes() const override { return source_->MemoryBytes(); }
  void Load() const override { source_->Load(); }
  uint64_t Fingerprint() const override {
    Hash hash;
    hash.Add(source_->Fingerprint());
    for (const int64_t number : {moves_.shift, int64_t{moves_.mirror}, moves_.rounds})
      hash.Add(static_cast<uint64_t>(number));
    hash.Add(moves_.seed);
    return hash.value();
  }

  void Read(int64_t index, std::span<float> out) const override {
    const std::vector<int64_t> shape = layout().shape();
    const int64_t height = shape[1], width = shape[2], channels = shape[3];
    std::vector<float> x(out.size());
    source_->Read(Of(index), x);
    Random random(moves_.seed, static_cast<uint64_t>(index));
    const auto drawn = [&] { return random.Below(2 * moves_.shift + 1) - moves_.shift; };
    const int64_t down = drawn(), right = drawn();
    const bool mirrored = moves_.mirror && random.Below(2) == 1;
    std::ranges::fill(out, 0.f);
    for (int64_t row = 0; row < height; ++row)
      for (int64_t column = 0; column < width; ++column) {
        const int64_t from_row = row - down,
                      from_column = (mirrored ? width - 1 - column : column) - right;
        if (from_row < 0 || from_row >= height || from_column < 0 || from_column >= width) continue;
        std::copy_n(x.begin() + (from_row * width + from_column) * channels, channels,
                    out.begin() + (row * width + column) * channels);
      }
  }

 private:
  int64_t Of(int64_t index) const { return index % source_->size(); }

  DataPtr source_;
  PictureMoves moves_;
};

}  // namespace

DataPtr MovePictures(DataPtr source, const PictureMoves& moves) {
  if (source->layout().format() != "BSSC")
    Fail("moving pictures of '{}': observations are {}, expected pictures, BSSC",
         source->Description(), source->layout().ToString());
  constexpr int64_t kMost = 1 << 16;
  if (moves.shift < 0 || moves.shift > kMost || moves.rounds < 1 || moves.rounds > kMost)
    Fail("moving pictures: shift {} and {} rounds given, expected 0 or more and 1 or more",
         moves.shift, moves.rounds);
  return std::make_shared<MovedSource>(std::move(source), moves);
}

}  // namespace normkit
