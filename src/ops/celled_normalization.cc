#include "src/ops/celled_normalization.h"

#include <algorithm>

#include "src/core/parallel.h"

namespace normkit::ops {
namespace {

constexpr int64_t kRowsAtOnce = 8;  // of cells, where the picture is whole

// Statistics are of x itself, whatever is done with it then.
NormOptions Plain(const NormOptions& options) {
  return {.epsilon = options.epsilon, .num_groups = options.num_groups, .name = options.name};
}

class CelledNormalizationKernel : public Kernel {
 public:
  CelledNormalizationKernel(const NormalizationSettings& settings, const Layout& x)
      : settings_(settings),
        height_(x.axes()[1].size),
        width_(x.axes()[2].size),
        channels_(x.channels()),
        normalization_(*settings.spec, x, DType::kF32, settings.options) {
    if (!settings.finished)
      cells_ = std::make_unique<CellStatistics>(*settings.spec, x, settings.options);
  }
  bool forward_in_place() const override { return true; }

  void Forward(const ForwardContext& context) override {
    FinishedStatistics own;
    if (!settings_.finished) own = Gather(context.x());
    const FinishedStatistics& with = settings_.finished ? *settings_.finished : own;
    Normalization::ForwardArgs args;
    args.x = context.x();
    args.gamma = settings_.scale ? context.x(1) : nullptr;
    args.beta = settings_.offset ? context.x(settings_.scale ? 2 : 1) : nullptr;
    args.addend = settings_.addend ? context.x(settings_.mean_input()) : nullptr;
    args.y = context.y();
    args.saved = {const_cast<double*>(with.mean.data()), const_cast<double*>(with.rstd.data())};
    normalization_.Apply(normalization_.whole(), args);
  }

 private:
  FinishedStatistics Gather(const float* x) {
    cells_->Reset();
    const int64_t rows = CellStatistics::Count(height_), stride = width_ * channels_;
    for (int64_t first = 0; first < rows; first += kRowsAtOnce) {
      const CellRange range{first, std::min(rows, first + kRowsAtOnce)};
      cells_->BeginRows(range);
      cells_->Gather(x + CellStatistics::Begin(first, height_) * stride, stride, range,
                     {0, CellStatistics::Count(width_)});
      cells_->EndRows();
    }
    return cells_->Finish();
  }

  NormalizationSettings settings_;
  int64_t height_, width_, channels_;
  Normalization normalization_;
  std::unique_ptr<CellStatistics> cells_;
};

}  // namespace

CellStatistics::CellStatistics(const NormSpec& spec, const Layout& x, const NormOptions& options)
    : spec_(spec),
      options_(Plain(options)),
      height_(x.axes()[1].size),
      width_(x.axes()[2].size),
      layout_(x),
      whole_(spec, x, DType::kF32, options_),
      total_(static_cast<size_t>(whole_.num_statistics())) {}

const Normalization& CellStatistics::OfCell(int64_t height, int64_t width, int64_t stride) {
  const std::vector<int64_t> key{height, width, stride};
  if (const auto found = cells_.find(key); found != cells_.end()) return found->second;
  std::vector<Axis> axes = layout_.axes();
  axes[1].size = height;
  axes[2].size = width;
  NormOptions options = options_;
  options.strides.x = {height * stride, stride, axes[3].size, 1};
  return cells_.emplace(key, Normalization(spec_, Layout(std::move(axes)), DType::kF32, options))
      .first->second;
}

void CellStatistics::BeginRows(CellRange rows) {
  rows_ = rows;
  moments_.resize(static_cast<size_t>(rows.count() * Count(width_)) * total_.size());
}

void CellStatistics::Gather(const float* x, int64_t stride, CellRange rows, CellRange columns) {
  const int64_t top = Begin(rows.first, height_), left = Begin(columns.first, width_),
                channels = layout_.channels();
  struct Cell {
    int64_t begin, end;
  };
  const auto cell = [](int64_t i, int64_t size) {
    return Cell{Begin(i, size), Begin(i + 1, size)};
  };
  const auto of = [&](int64_t r, int64_t c) -> const Normalization& {
    const Cell row = cell(r, height_), column = cell(c, width_);
    return OfCell(row.end - row.begin, column.end - column.begin, stride);
  };
  for (const int64_t r : {rows.first, rows.last - 1})  // made here, for threads only look them up
    for (const int64_t c : {columns.first, columns.last - 1}) of(r, c);
  ParallelFor(rows.count() * columns.count(), true, [&](int64_t i) {
    const int64_t r = rows.first + i / columns.count(), c = columns.first + i % columns.count();
    const Normalization& normalization = of(r, c);
    Normalization::ForwardArgs args;
    args.x =
        x + (cell(r, height_).begin - top) * stride + (cell(c, width_).begin - left) * channels;
    Moments* to = moments_.data() +
                  static_cast<size_t>((r - rows_.first) * Count(width_) + c) * total_.size();
    normalization.Gather(normalization.whole(), args, {to, total_.size()});
  });
}

void CellStatistics::EndRows() {
  const size_t n = total_.size();
  for (size_t at = 0; at < moments_.size(); at += n)
    for (size_t s = 0; s < n; ++s) total_[s].Merge(moments_[at + s]);
}

FinishedStatistics CellStatistics::Finish() const {
  FinishedStatistics finished{std::vector<double>(total_.size()),
                              std::vector<double>(total_.size())};
  whole_.Finish(total_, {finished.mean.data(), finished.rstd.data()});
  return finished;
}

void CellStatistics::Reset() { std::ranges::fill(total_, Moments()); }

std::unique_ptr<Kernel> MakeCelledNormalization(const NormalizationSettings& settings,
                                                const Layout& x) {
  return std::make_unique<CelledNormalizationKernel>(settings, x);
}

}  // namespace normkit::ops
