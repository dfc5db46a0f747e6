#include "src/core/late_sums.h"

#include <utility>

namespace normkit {
namespace {

// What a bucket has room for: the messages of many layers become few, and the first are under way
// early (docs/decisions.md has how the size was found).
constexpr size_t kBucketBytes = size_t{512} << 10;

size_t RoundUp(size_t bytes) {
  return (bytes + sizeof(double) - 1) / sizeof(double) * sizeof(double);
}

// Or never begun; one that cannot be asked is not.
bool IsDone(Transfer* transfer) {
  try {
    return !transfer || transfer->Done();
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

void LateSums::Bucket::Clear() {
  runs.clear();
  piece = slice = 0;
  scatter.reset();
  gather.reset();
}

// Of a pass that failed. Others may still write to what is under way: that memory stays for good.
void LateSums::Abandon() {
  const auto under_way = [](const Bucket& bucket) {
    return !IsDone(bucket.scatter.get()) || !IsDone(bucket.gather.get());
  };
  if (std::ranges::any_of(buckets_, under_way)) new std::vector<Bucket>(std::move(buckets_));
  buckets_.clear();
  scattered_ = gathered_ = 0;
}

void LateSums::Begin(TransferReducer& reducer, std::span<const float> gradients) {
  if (scattered_ > 0) Abandon();
  for (Bucket& bucket : buckets_) bucket.Clear();
  reducer_ = &reducer;
  gradients_ = gradients;
}

bool LateSums::Takes(const float* to) const {
  return to >= gradients_.data() && to < gradients_.data() + gradients_.size();
}

size_t LateSums::MostBytes() const { return RoundUp(kBucketBytes / num_ranks() + sizeof(double)); }

size_t LateSums::MostNodes(const BatchPart& part) const {
  size_t most = 1;
  for (size_t r = 0; r < num_ranks(); ++r)
    most = std::max(most, PartNodes(PartOf(part, r)).count());
  return most;
}

template <class T>
void LateSums::Add(const LeafArrays<T>& nodes, const BatchPart& part, int64_t size, float* to) {
  const auto most = static_cast<int64_t>(MostBytes() / (MostNodes(part) * sizeof(T)) * num_ranks());
  for (int64_t begin = 0; begin < size; begin += most) {
    LeafArrays<T> run = nodes;
    for (T*& node : run)
      if (node) node += begin;
    AddRun(run, part, std::min(most, size - begin), to + begin);
  }
}
template void LateSums::Add(const LeafArrays<float>&, const BatchPart&, int64_t, float*);
template void LateSums::Add(const LeafArrays<double>&, const BatchPart&, int64_t, float*);

template <class T>
void LateSums::AddRun(const LeafArrays<T>& nodes, const BatchPart& part, int64_t size, float* to) {
  Run run{.to = to, .size = size, .part = part, .f64 = std::is_same_v<T, double>};
  run.slice = (static_cast<size_t>(size) + num_ranks() - 1) / num_ranks();
  run.nodes = MostNodes(part);
  const size_t bytes = RoundUp(run.nodes * run.slice * sizeof(T));
  Bucket& bucket = BucketFor(bytes);
  run.at = std::exchange(bucket.piece, bucket.piece + bytes);
  run.sum_at = std::exchange(bucket.slice, bucket.slice + run.slice);
  const PartNodes mine(part);
  for (size_t r = 0; r < num_ranks(); ++r) {
    T* piece = reinterpret_cast<T*>(bucket.out.data() + r * MostBytes() + run.at);
    for (size_t i = 0; i < mine.count(); ++i)
      std::copy_n(nodes[mine[i]] + std::min(static_cast<size_t>(size), r * run.slice),
                  run.length(r), piece + i * run.slice);
  }
  bucket.runs.push_back(run);
}

// One with room for so many more bytes.
LateSums::Bucket& LateSums::BucketFor(size_t bytes) {
  if (scattered_ < buckets_.size() && buckets_[scattered_].piece + bytes > MostBytes()) Scatter();
  if (scattered_ == buckets_.size()) buckets_.emplace_back();
  Bucket& bucket = buckets_[scattered_];
  bucket.out.resize(MostBytes() * num_ranks());
  return bucket;
}

// The one that is being filled.
void LateSums::Scatter() {
  Bucket& bucket = buckets_[scattered_++];
  bucket.in.resize(bucket.piece * num_ranks());
  bucket.scatter = reducer_->StartScatter(bucket.out, bucket.piece, bucket.in);
}

// This rank's slice of it.
template <class T>
void LateSums::AddUpRun(const Run& run, Bucket& bucket) const {
  LeafArrays<T> nodes{};
  for (size_t r = 0; r < num_ranks(); ++r) {
    const PartNodes theirs(PartOf(run.part, r));
    T* piece = reinterpret_cast<T*>(bucket.in.data() + r * bucket.piece + run.at);
    for (size_t i = 0; i < theirs.count(); ++i) nodes[theirs[i]] = piece + i * run.slice;
  }
  const size_t length = run.length(static_cast<size_t>(rank()));
  MergeLeaves(nodes, 0, BatchPart::kLeaves,
              [&](T* into, const T* from) { AddUp()(into, from, static_cast<int64_t>(length)); });
  std::transform(nodes[0], nodes[0] + length, bucket.sums.data() + run.sum_at,
                 [](T sum) { return static_cast<float>(sum); });
}

void LateSums::Gather(Bucket& bucket) {
  bucket.sums.resize(bucket.slice);
  bucket.all.resize(bucket.slice * num_ranks());
  for (const Run& run : bucket.runs)
    run.f64 ? AddUpRun<double>(run, bucket) : AddUpRun<float>(run, bucket);
  ++gathered_;
  bucket.gather = reducer_->StartGather(std::as_bytes(std::span(bucket.sums)),
                                        std::as_writable_bytes(std::span(bucket.all)));
}

void LateSums::Store(const Bucket& bucket) const {
  for (const Run& run : bucket.runs)
    for (size_t r = 0; r < num_ranks(); ++r)
      std::copy_n(bucket.all.data() + r * bucket.slice + run.sum_at, run.length(r),
                  run.to + std::min(static_cast<size_t>(run.size), r * run.slice));
}

// In the order of the buckets, which is the same on all ranks.
void LateSums::Progress() {
  while (gathered_ < scattered_ && buckets_[gathered_].scatter->Done()) Gather(buckets_[gathered_]);
  if (gathered_ == scattered_ && gathered_ > 0) buckets_[gathered_ - 1].gather->Done();
}

void LateSums::Finish() {
  if (scattered_ < buckets_.size() && !buckets_[scattered_].runs.empty()) Scatter();
  while (gathered_ < scattered_) {
    buckets_[gathered_].scatter->Wait();
    Gather(buckets_[gathered_]);
  }
  for (size_t i = 0; i < gathered_; ++i) {
    buckets_[i].gather->Wait();
    Store(buckets_[i]);
    buckets_[i].Clear();
  }
  scattered_ = gathered_ = 0;
}

}  // namespace normkit
