// Blocks of tiles: transformed, multiplied point by point, transformed back.
#if defined(NORMKIT_WINOGRAD_TILES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_WINOGRAD_TILES_INL_H_
#undef NORMKIT_WINOGRAD_TILES_INL_H_
#else
#define NORMKIT_WINOGRAD_TILES_INL_H_
#endif

#include <hwy/cache_control.h>

#include <algorithm>

#include "src/winograd/weights-inl.h"

HWY_BEFORE_NAMESPACE();
namespace normkit::winograd {
namespace HWY_NAMESPACE {

// Registers of a product: rows of one operand times vectors of the other.
inline constexpr int kRows = HWY_TARGET == HWY_AVX3 ? 8 : 4;

// Tiles side by side in one row of one image.
struct Segment {
  int64_t image, row, begin, end;
  int64_t at;  // of the first, in its block
};

template <class Call>
HWY_INLINE void ForSegments(const Job& job, int64_t first, int64_t last, const Call& call) {
  const int64_t columns = job.tile_columns(), rows = job.tile_rows();
  for (int64_t tile = first; tile < last;) {
    const int64_t row = tile / columns, begin = tile % columns;
    const int64_t count = std::min(columns - begin, last - tile);
    call(Segment{row / rows, row % rows, begin, begin + count, tile - first});
    tile += count;
  }
}

// Four neighbours at the four points: B^T of F(2, 3), its last row negated.
HWY_INLINE void InputToPoints(Vec d0, Vec d1, Vec d2, Vec d3, Vec* v) {
  v[0] = hn::Sub(d0, d2);
  v[1] = hn::Add(d1, d2);
  v[2] = hn::Sub(d2, d1);
  v[3] = hn::Sub(d3, d1);
}

// Four rows of x, or zeros, at some channels.
struct InputRows {
  const float* row[4];
  int64_t step[4];
  int64_t width, next;  // from one row of tiles to the next

  // The points of one column.
  HWY_INLINE void Column(int64_t w, Vec* v) const {
    const D d;
    if (w < 0 || w >= width) {
      for (int i = 0; i < 4; ++i) v[i] = hn::Zero(d);
      return;
    }
    hwy::Prefetch(row[2] + w * step[2] + next);
    hwy::Prefetch(row[3] + w * step[3] + next);
    InputToPoints(hn::LoadU(d, row[0] + w * step[0]), hn::LoadU(d, row[1] + w * step[1]),
                  hn::LoadU(d, row[2] + w * step[2]), hn::LoadU(d, row[3] + w * step[3]), v);
  }
};

HWY_INLINE void TransformInput(const Job& job, const float* x, const Segment& s, float* v) {
  const D d;
  const int64_t channels = job.channels, stride = TileStride(channels);
  HWY_ALIGN static constexpr float kZeros[kPanel] = {};
  for (int64_t c = 0; c < channels; c += Lanes()) {
    InputRows in{{}, {}, job.width, 2 * job.width * channels};
    for (int64_t i = 0; i < 4; ++i) {
      const int64_t h = 2 * s.row - job.top + i;
      const bool inside = h >= 0 && h < job.height;
      in.row[i] = inside ? x + (s.image * job.height + h) * job.width * channels + c : kZeros;
      in.step[i] = inside ? channels : 0;
    }
    Vec column[4][4], points[4];
    int64_t w = 2 * s.begin - job.left;
    in.Column(w, column[0]);
    in.Column(w + 1, column[1]);
    float* to = v + s.at * channels + c;
    for (int64_t tile = s.begin; tile < s.end; ++tile, w += 2, to += channels) {
      in.Column(w + 2, column[2]);
      in.Column(w + 3, column[3]);
      for (int i = 0; i < 4; ++i) {
        InputToPoints(column[0][i], column[1][i], column[2][i], column[3][i], points);
        for (int j = 0; j < 4; ++j) hn::StoreU(points[j], d, to + (i * 4 + j) * stride);
        column[0][i] = column[2][i];
        column[1][i] = column[3][i];
      }
    }
  }
}

// Gradients of two neighbours at the four points: A.
HWY_INLINE void GradientToPoints(Vec a, Vec b, Vec* w) {
  w[0] = a;
  w[1] = hn::Add(a, b);
  w[2] = hn::Sub(a, b);
  w[3] = b;
}

HWY_INLINE void TransformGradient(const Job& job, const float* dy, const Segment& s, float* w) {
  const D d;
  const int64_t filters = job.filters, stride = TileStride(filters);
  const float* image = dy + s.image * job.out_height * job.out_width * filters;
  const int64_t next = 2 * job.out_width * filters;
  float* to = w + s.at * filters;
  for (int64_t tile = s.begin; tile < s.end; ++tile, to += filters) {
    const bool wide = 2 * tile + 1 < job.out_width, high = 2 * s.row + 1 < job.out_height;
    const float* from = image + (2 * s.row * job.out_width + 2 * tile) * filters;
    const float* below = from + job.out_width * filters;
    for (int64_t f = 0; f < filters; f += Lanes()) {
      hwy::Prefetch(from + f + next);
      hwy::Prefetch(from + f + filters + next);
      hwy::Prefetch(below + f + next);
      hwy::Prefetch(below + f + filters + next);
      const Vec none = hn::Zero(d);
      Vec left[4], right[4], points[4];
      GradientToPoints(hn::LoadU(d, from + f), high ? hn::LoadU(d, below + f) : none, left);
      GradientToPoints(wide ? hn::LoadU(d, from + filters + f) : none,
                       wide && high ? hn::LoadU(d, below + filters + f) : none, right);
      for (int i = 0; i < 4; ++i) {
        GradientToPoints(left[i], right[i], points);
        for (int j = 0; j < 4; ++j) hn::StoreU(points[j], d, to + (i * 4 + j) * stride + f);
      }
    }
  }
}

// Products at the four points to two neighbours: A^T.
HWY_INLINE void PointsToOutput(const Vec* m, Vec* y) {
  y[0] = hn::Add(hn::Add(m[0], m[1]), m[2]);
  y[1] = hn::Add(hn::Sub(m[1], m[2]), m[3]);
}

// The 2x2 outputs of a tile.
HWY_INLINE void TileOutput(const float* m, int64_t stride, Vec y[2][2]) {
  const D d;
  Vec rows[4][2], points[4];
  for (int i = 0; i < 4; ++i) {
    for (int j = 0; j < 4; ++j) points[j] = hn::LoadU(d, m + (i * 4 + j) * stride);
    PointsToOutput(points, rows[i]);
  }
  for (int j = 0; j < 2; ++j) {
    Vec out[2];
    for (int i = 0; i < 4; ++i) points[i] = rows[i][j];
    PointsToOutput(points, out);
    y[0][j] = out[0];
    y[1][j] = out[1];
  }
}

HWY_INLINE void TransformOutput(const Job& job, const float* m, const Segment& s, const float* bias,
                                bool add, float* y) {
  const D d;
  const int64_t filters = job.filters, stride = TileStride(filters);
  float* image = y + s.image * job.out_height * job.out_width * filters;
  const float* from = m + s.at * filters;
  for (int64_t tile = s.begin; tile < s.end; ++tile, from += filters) {
    const int64_t wide = std::min<int64_t>(2, job.out_width - 2 * tile),
                  high = std::min<int64_t>(2, job.out_height - 2 * s.row);
    float* to = image + (2 * s.row * job.out_width + 2 * tile) * filters;
    for (int64_t f = 0; f < filters; f += Lanes()) {
      Vec out[2][2];
      TileOutput(from + f, stride, out);
      for (int64_t i = 0; i < high; ++i)
        for (int64_t j = 0; j < wide; ++j) {
          float* at = to + (i * job.out_width + j) * filters + f;
          Vec value = out[i][j];
          if (bias) value = hn::Add(value, hn::LoadU(d, bias + f));
          if (add) value = hn::Add(value, hn::LoadU(d, at));
          hn::StoreU(value, d, at);
        }
    }
  }
}

// out[kCount rows][vectors] = a[kCount][inner] * b: the sums of each element in order.
template <int kCount, int kVectors>
HWY_INLINE void MultiplyRows(const float* a, const float* const* b, int64_t inner, float* out,
                             int64_t stride) {
  const D d;
  Vec sum[kCount][kVectors];
  for (int r = 0; r < kCount; ++r)
    for (int n = 0; n < kVectors; ++n) sum[r][n] = hn::Zero(d);
  for (int64_t c = 0; c < inner; ++c) {
    Vec right[kVectors];
    for (int n = 0; n < kVectors; ++n) right[n] = hn::LoadU(d, b[n] + c * kPanel);
    for (int r = 0; r < kCount; ++r) {
      const Vec left = hn::Set(d, a[r * inner + c]);
      for (int n = 0; n < kVectors; ++n) sum[r][n] = hn::MulAdd(left, right[n], sum[r][n]);
    }
  }
  for (int r = 0; r < kCount; ++r)
    for (int n = 0; n < kVectors; ++n) hn::StoreU(sum[r][n], d, out + r * stride + n * Lanes());
}

// The same for all rows of a block; `f` is the first column.
template <int kVectors>
HWY_INLINE void MultiplyColumns(const float* v, const float* u, int64_t tiles, int64_t inner,
                                int64_t f, float* m, int64_t filters) {
  const float* b[kVectors];
  for (int n = 0; n < kVectors; ++n) {
    const int64_t column = f + n * Lanes();
    b[n] = u + column / kPanel * kPanel * inner + column % kPanel;
  }
  int64_t t = 0;
  for (; t + kRows <= tiles; t += kRows)
    MultiplyRows<kRows, kVectors>(v + t * inner, b, inner, m + t * filters + f, filters);
  for (; t + 2 <= tiles; t += 2)
    MultiplyRows<2, kVectors>(v + t * inner, b, inner, m + t * filters + f, filters);
  if (t < tiles) MultiplyRows<1, kVectors>(v + t * inner, b, inner, m + t * filters + f, filters);
}

HWY_INLINE void MultiplyPoint(const Job& job, const float* v, const float* u, int64_t tiles,
                              float* m) {
  const int64_t two = 2 * Lanes();
  int64_t f = 0;
  for (; f + two <= job.filters; f += two)
    MultiplyColumns<2>(v, u, tiles, job.channels, f, m, job.filters);
  if (f < job.filters) MultiplyColumns<1>(v, u, tiles, job.channels, f, m, job.filters);
}

HWY_NOINLINE void Convolve(const Job& job, const float* x, const float* u, const float* bias,
                           bool add, int64_t first, int64_t last, float* v, float* m, float* y) {
  for (int64_t begin = first; begin < last; begin += kBlock) {
    const int64_t end = std::min(begin + kBlock, last);
    ForSegments(job, begin, end, [&](const Segment& s) { TransformInput(job, x, s, v); });
    for (int64_t k = 0; k < kPoints; ++k)
      MultiplyPoint(job, v + k * TileStride(job.channels),
                    u + k * PointStride(job.channels * job.filters), end - begin,
                    m + k * TileStride(job.filters));
    ForSegments(job, begin, end,
                [&](const Segment& s) { TransformOutput(job, m, s, bias, add, y); });
  }
}

// du[kRows][vectors] += the sum over the tiles of v[.][kRows] * w[.][vectors]: by blocks, which
// halves the rounding error of one long sum.
template <int kVectors>
HWY_INLINE void AddOuter(const Job& job, const float* v, const float* w, int64_t tiles, float* du) {
  const D d;
  Vec sum[kRows][kVectors];
  for (int r = 0; r < kRows; ++r)
    for (int n = 0; n < kVectors; ++n) sum[r][n] = hn::Zero(d);
  for (int64_t t = 0; t < tiles; ++t, v += job.channels, w += job.filters) {
    Vec right[kVectors];
    for (int n = 0; n < kVectors; ++n) right[n] = hn::LoadU(d, w + n * Lanes());
    for (int r = 0; r < kRows; ++r) {
      const Vec left = hn::Set(d, v[r]);
      for (int n = 0; n < kVectors; ++n) sum[r][n] = hn::MulAdd(left, right[n], sum[r][n]);
    }
  }
  for (int r = 0; r < kRows; ++r)
    for (int n = 0; n < kVectors; ++n) {
      float* to = du + r * job.filters + n * Lanes();
      hn::StoreU(hn::Add(hn::LoadU(d, to), sum[r][n]), d, to);
    }
}

HWY_NOINLINE void AddProducts(const Job& job, const float* x, const float* dy, int64_t first,
                              int64_t last, float* v, float* w, float* du) {
  const int64_t two = 2 * Lanes();
  for (int64_t begin = first; begin < last; begin += kBlock) {
    const int64_t end = std::min(begin + kBlock, last);
    ForSegments(job, begin, end, [&](const Segment& s) { TransformInput(job, x, s, v); });
    ForSegments(job, begin, end, [&](const Segment& s) { TransformGradient(job, dy, s, w); });
    for (int64_t k = 0; k < kPoints; ++k) {
      const float* from_v = v + k * TileStride(job.channels);
      const float* from_w = w + k * TileStride(job.filters);
      float* to = du + k * PointStride(job.channels * job.filters);
      for (int64_t c = 0; c < job.channels; c += kRows) {
        int64_t f = 0;
        for (; f + two <= job.filters; f += two)
          AddOuter<2>(job, from_v + c, from_w + f, end - begin, to + c * job.filters + f);
        if (f < job.filters)
          AddOuter<1>(job, from_v + c, from_w + f, end - begin, to + c * job.filters + f);
      }
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace normkit::winograd
HWY_AFTER_NAMESPACE();

#endif
