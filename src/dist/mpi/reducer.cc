#include <mpi.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <numeric>
#include <vector>

#include "normkit/core/transfers.h"
#include "normkit/version.h"
#include "src/core/fail.h"
#include "src/dist/mpi/job.h"
#include "src/dist/mpi/module.h"

namespace normkit {
namespace {

// Elements that cross at once: bounds the scratch memory and keeps byte counts within MPI's int.
constexpr size_t kBlock = size_t{1} << 20;

// In a communicator of its own for each kind, whose collectives all ranks begin in one order.
class MpiTransfer : public Transfer {
 public:
  explicit MpiTransfer(const char* doing) : doing_(doing) {}
  bool Done() override { return done_ = done_ || job_.Test(request, doing_); }
  void Wait() override {
    if (!done_) job_.Wait(request, doing_);
    done_ = true;
  }
  MPI_Request request = MPI_REQUEST_NULL;
  std::vector<int> bytes, from, to;  // which MPI reads until it is done

 private:
  MpiJob& job_ = MpiJob::The();
  const char* doing_;
  bool done_ = false;
};

class MpiReducer : public TransferReducer {
 public:
  MpiReducer(const MpiOptions& options, const WorkCounts& work) {
    for (MPI_Comm* comm : {&comm_, &scatters_, &gathers_}) {
      CheckMpi(MPI_Comm_dup(MPI_COMM_WORLD, comm), "making a communicator");
      MPI_Comm_set_errhandler(*comm, MPI_ERRORS_RETURN);
    }
    job_.Watch(options, work);
    MPI_Comm_size(comm_, &ranks_);
    MPI_Comm_rank(comm_, &rank_);
  }
  ~MpiReducer() override {
    int ended = 0;
    MPI_Finalized(&ended);
    if (ended) return;
    for (MPI_Comm* comm : {&comm_, &scatters_, &gathers_}) MPI_Comm_free(comm);
  }
  MpiReducer(const MpiReducer&) = delete;
  MpiReducer& operator=(const MpiReducer&) = delete;

  int ranks() const override { return ranks_; }
  int rank() const override { return rank_; }

  void Merge(std::span<Moments> moments) override {
    Reduce(moments, [](Moments& into, const Moments& other) { into.Merge(other); });
  }
  void Sum(std::span<double> values) override {
    Reduce(values, [](double& into, double other) { into += other; });
  }
  void Gather(std::span<const std::byte> own, std::span<std::byte> all) override {
    for (size_t begin = 0; begin < own.size(); begin += kBlock) {
      const std::span<const std::byte> block =
          own.subspan(begin, std::min(kBlock, own.size() - begin));
      const int bytes = static_cast<int>(block.size());
      std::vector<std::byte> blocks(block.size() * static_cast<size_t>(ranks_));
      MPI_Request request = MPI_REQUEST_NULL;
      CheckMpi(MPI_Iallgather(block.data(), bytes, MPI_BYTE, blocks.data(), bytes, MPI_BYTE, comm_,
                              &request),
               "gathering");
      job_.Wait(request, "gathering");
      for (size_t r = 0; r < static_cast<size_t>(ranks_); ++r)
        std::copy_n(blocks.data() + r * block.size(), block.size(),
                    all.data() + r * own.size() + begin);
    }
  }

  std::unique_ptr<Transfer> StartScatter(std::span<const std::byte> own, size_t bytes,
                                         std::span<std::byte> all) override {
    constexpr const char* kDoing = "scattering sums";
    auto transfer = std::make_unique<MpiTransfer>(kDoing);
    const size_t ranks = static_cast<size_t>(ranks_), each = own.size() / ranks;
    transfer->bytes.assign(ranks, Int(bytes, kDoing));
    for (size_t r = 0; r < ranks; ++r) {
      transfer->from.push_back(Int(r * each, kDoing));
      transfer->to.push_back(Int(r * bytes, kDoing));
    }
    const int* counts = transfer->bytes.data();
    CheckMpi(MPI_Ialltoallv(own.data(), counts, transfer->from.data(), MPI_BYTE, all.data(), counts,
                            transfer->to.data(), MPI_BYTE, scatters_, &transfer->request),
             kDoing);
    return transfer;
  }
  std::unique_ptr<Transfer> StartGather(std::span<const std::byte> own,
                                        std::span<std::byte> all) override {
    constexpr const char* kDoing = "gathering sums";
    auto transfer = std::make_unique<MpiTransfer>(kDoing);
    const int bytes = Int(own.size(), kDoing);
    CheckMpi(MPI_Iallgather(own.data(), bytes, MPI_BYTE, all.data(), bytes, MPI_BYTE, gathers_,
                            &transfer->request),
             kDoing);
    return transfer;
  }

 private:
  static int Int(size_t bytes, const char* doing) {
    if (bytes > static_cast<size_t>(std::numeric_limits<int>::max()))
      Fail("MPI: {}: {} bytes at once, expected fewer than 2^31", doing, bytes);
    return static_cast<int>(bytes);
  }

  // MPI_Allreduce leaves the order of additions to the library. Here each rank owns a slice, joins
  // what all ranks have there in rank order, and hands the result to all: the same bits on every
  // rank and in every run, at the traffic of two copies of the data.
  template <class T, class Join>
  void Reduce(std::span<T> values, const Join& join) {
    for (size_t begin = 0; begin < values.size(); begin += kBlock)
      ReduceBlock(values.subspan(begin, std::min(kBlock, values.size() - begin)), join);
  }

  template <class T, class Join>
  void ReduceBlock(std::span<T> values, const Join& join) {
    const auto ranks = static_cast<size_t>(ranks_), rank = static_cast<size_t>(rank_);
    // Slice r is [begin[r], begin[r + 1]), in elements and in bytes.
    const auto begin_of = [&](size_t r) { return values.size() * r / ranks; };
    const size_t own = begin_of(rank + 1) - begin_of(rank);
    std::vector<int> bytes(ranks), offsets(ranks), own_bytes(ranks), own_offsets(ranks);
    for (size_t r = 0; r < ranks; ++r) {
      offsets[r] = static_cast<int>(begin_of(r) * sizeof(T));
      bytes[r] = static_cast<int>((begin_of(r + 1) - begin_of(r)) * sizeof(T));
      own_bytes[r] = static_cast<int>(own * sizeof(T));
      own_offsets[r] = static_cast<int>(r * own * sizeof(T));
    }
    std::vector<T> parts(ranks * own);
    MPI_Request request = MPI_REQUEST_NULL;
    CheckMpi(MPI_Ialltoallv(values.data(), bytes.data(), offsets.data(), MPI_BYTE, parts.data(),
                            own_bytes.data(), own_offsets.data(), MPI_BYTE, comm_, &request),
             "exchanging statistics");
    job_.Wait(request, "exchanging statistics");
    for (size_t r = 1; r < ranks; ++r)
      for (size_t i = 0; i < own; ++i) join(parts[i], parts[r * own + i]);
    CheckMpi(MPI_Iallgatherv(parts.data(), own_bytes[0], MPI_BYTE, values.data(), bytes.data(),
                             offsets.data(), MPI_BYTE, comm_, &request),
             "gathering statistics");
    job_.Wait(request, "gathering statistics");
  }

  MpiJob& job_ = MpiJob::The();
  MPI_Comm comm_ = MPI_COMM_NULL, scatters_ = MPI_COMM_NULL, gathers_ = MPI_COMM_NULL;
  int ranks_ = 1, rank_ = 0;
};

}  // namespace
}  // namespace normkit

const char* normkit_mpi_version() { return NORMKIT_VERSION; }

normkit::Reducer* normkit_mpi_make_reducer(const normkit::MpiOptions& options,
                                           const normkit::WorkCounts& work) {
  return new normkit::MpiReducer(options, work);
}

int normkit_mpi_ranks_here() { return normkit::MpiJob::The().RanksHere(); }

bool normkit_mpi_meet(double seconds) {
  return normkit::MpiJob::started() && normkit::MpiJob::The().Meet(seconds);
}

bool normkit_mpi_speaks() { return !normkit::MpiJob::started() || normkit::MpiJob::The().Speaks(); }

void normkit_mpi_abort(int exit_code) { normkit::MpiJob::The().Abort(exit_code); }
