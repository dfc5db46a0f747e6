// Ranks that are threads of one process.
#include <condition_variable>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "normkit/core/reducer.h"
#include "normkit/core/transfers.h"
#include "src/core/fail.h"
#include "src/core/gathering_reducer.h"

namespace normkit {
namespace {

// What the threads share: what each gives, and the place where they wait for each other.
class Meeting {
 public:
  explicit Meeting(int ranks) : given_(static_cast<size_t>(ranks)) {}

  // Into `all` goes what each rank gives, `bytes` from `at` on.
  void Exchange(int rank, std::span<const std::byte> own, size_t at, size_t bytes,
                std::span<std::byte> all) {
    if (all.size() != bytes * given_.size() || at + bytes > own.size())
      Fail("ranks: rank {} gives {} bytes and has room for {}, expected {} (of {} ranks)", rank,
           bytes, all.size(), bytes * given_.size(), given_.size());
    given_[static_cast<size_t>(rank)] = own;
    Wait();
    // All ranks see the same sizes, so that where they differ nobody reads.
    for (size_t r = 0; r < given_.size(); ++r)
      if (given_[r].size() != given_[0].size())
        Fail("ranks: rank 0 gives {} bytes and rank {} {}, expected the same of each",
             given_[0].size(), r, given_[r].size());
    for (size_t r = 0; r < given_.size(); ++r)
      if (bytes > 0) std::memcpy(all.data() + r * bytes, given_[r].data() + at, bytes);
    Wait();  // nobody writes over what another still reads
  }

  // A rank ends early: nobody waits for it.
  void Leave() {
    const std::lock_guard lock(mutex_);
    left_ = true;
    changed_.notify_all();
  }

 private:
  void Wait() {
    std::unique_lock lock(mutex_);
    const int64_t round = round_;
    if (++waiting_ == given_.size()) {
      waiting_ = 0;
      ++round_;
      changed_.notify_all();
    }
    changed_.wait(lock, [&] { return round_ != round || left_; });
    if (round_ == round) Fail("ranks: another rank ended before this one");
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::span<const std::byte>> given_;
  size_t waiting_ = 0;
  int64_t round_ = 0;
  bool left_ = false;
};

// Threads read each other's memory at once: nothing is under way.
class DoneTransfer : public Transfer {
 public:
  bool Done() override { return true; }
  void Wait() override {}
};

class ThreadRank : public GatheringBase<TransferReducer> {
 public:
  ThreadRank(Meeting& meeting, int rank, int ranks)
      : meeting_(meeting), rank_(rank), ranks_(ranks) {}
  int ranks() const override { return ranks_; }
  int rank() const override { return rank_; }
  void Gather(std::span<const std::byte> own, std::span<std::byte> all) override {
    meeting_.Exchange(rank_, own, 0, own.size(), all);
  }
  std::unique_ptr<Transfer> StartScatter(std::span<const std::byte> own, size_t bytes,
                                         std::span<std::byte> all) override {
    const size_t each = own.size() / static_cast<size_t>(ranks_);
    meeting_.Exchange(rank_, own, static_cast<size_t>(rank_) * each, bytes, all);
    return std::make_unique<DoneTransfer>();
  }
  std::unique_ptr<Transfer> StartGather(std::span<const std::byte> own,
                                        std::span<std::byte> all) override {
    Gather(own, all);
    return std::make_unique<DoneTransfer>();
  }

 private:
  Meeting& meeting_;
  int rank_, ranks_;
};

}  // namespace

void RunRanks(int ranks, const std::function<void(Reducer&)>& body) {
  if (ranks < 1) Fail("ranks: {} given, expected 1 or more", ranks);
  Meeting meeting(ranks);
  std::mutex mutex;
  std::exception_ptr first;
  const auto fail = [&] {
    const std::lock_guard lock(mutex);
    if (!first) first = std::current_exception();
  };
  std::vector<std::thread> threads;
  try {
    for (int rank = 0; rank < ranks; ++rank)
      threads.emplace_back([&, rank] {
        ThreadRank reducer(meeting, rank, ranks);
        try {
          body(reducer);
        } catch (...) {
          fail();
        }
        meeting.Leave();
      });
  } catch (...) {  // no thread, or no memory for one: those that run end, too
    fail();
    meeting.Leave();
  }
  for (std::thread& thread : threads) thread.join();
  if (first) std::rethrow_exception(first);
}

}  // namespace normkit
