#include "src/onednn/inner_product.h"

#include <algorithm>

#include "src/core/parallel.h"
#include "src/onednn/engine.h"

namespace normkit {
namespace {

constexpr int64_t kMaxPieces = 16;
constexpr int64_t kMinPiece = 16;               // rows; narrower products waste the registers
constexpr int64_t kParallelProducts = 1 << 17;  // multiplications worth waking a thread for

// [0, size) in at most kMaxPieces pieces of a multiple of kMinPiece.
struct Cut {
  int64_t size, piece, count;
  explicit Cut(int64_t n) : size(n) {
    const int64_t wanted = (n + kMaxPieces - 1) / kMaxPieces;
    piece = (wanted + kMinPiece - 1) / kMinPiece * kMinPiece;
    count = (n + piece - 1) / piece;
  }
  int64_t begin(int64_t i) const { return i * piece; }
  int64_t length(int64_t i) const { return std::min(size, begin(i) + piece) - begin(i); }
};

bool WorthThreads(const InnerProductShape& s) {
  return s.batch * s.inputs * s.outputs >= kParallelProducts;
}

// dbias[o] = sum over b of dy[b, o], in the order of b.
void SumRows(const float* dy, int64_t batch, int64_t outputs, float* dbias) {
  std::fill(dbias, dbias + outputs, 0.f);
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t o = 0; o < outputs; ++o) dbias[o] += dy[b * outputs + o];
}

}  // namespace

void InnerProduct::Forward(const float* x, const float* weights, const float* bias,
                           float* y) const {
  const auto& [batch, in, out] = shape_;
  const Cut rows(batch);
  OneDnnCall call;
  ParallelFor(rows.count, WorthThreads(shape_), [&, in = in, out = out](int64_t i) {
    const OneThread one_thread;
    float* to = y + rows.begin(i) * out;
    for (int64_t row = 0; bias && row < rows.length(i); ++row)
      std::copy(bias, bias + out, to + row * out);
    call.Note(dnnl_sgemm('N', 'T', rows.length(i), out, in, 1, x + rows.begin(i) * in, in, weights,
                         in, bias ? 1.f : 0.f, to, out));
  });
  call.Check("matrix product");
}

void InnerProduct::BackwardData(const float* dy, const float* weights, bool add, float* dx) const {
  const auto& [batch, in, out] = shape_;
  const Cut rows(batch);
  OneDnnCall call;
  ParallelFor(rows.count, WorthThreads(shape_), [&, in = in, out = out](int64_t i) {
    const OneThread one_thread;
    call.Note(dnnl_sgemm('N', 'N', rows.length(i), in, out, 1, dy + rows.begin(i) * out, out,
                         weights, in, add ? 1.f : 0.f, dx + rows.begin(i) * in, in));
  });
  call.Check("matrix product");
}

// dW = dy^T x, cut along the longer side of W: each piece sums over the whole batch.
void InnerProduct::BackwardWeights(const float* x, const float* dy, float* dweights,
                                   float* dbias) const {
  const auto& [batch, in, out] = shape_;
  const bool by_output = out >= in;
  const Cut cut(by_output ? out : in);
  OneDnnCall call;
  ParallelFor(cut.count, WorthThreads(shape_), [&, batch = batch, in = in, out = out](int64_t i) {
    const OneThread one_thread;
    const int64_t first = cut.begin(i), length = cut.length(i);
    call.Note(by_output ? dnnl_sgemm('T', 'N', length, in, batch, 1, dy + first, out, x, in, 0,
                                     dweights + first * in, in)
                        : dnnl_sgemm('T', 'N', out, length, batch, 1, dy, out, x + first, in, 0,
                                     dweights + first, in));
  });
  call.Check("matrix product");
  if (dbias) SumRows(dy, batch, out, dbias);
}

}  // namespace normkit
