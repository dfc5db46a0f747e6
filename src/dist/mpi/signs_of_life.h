// Tells a rank that is stopped or whose machine is gone from one that computes.
#pragma once

#include <mpi.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "src/core/at_work.h"

namespace normkit {

// Whether a rank waits for others in a loop, and how often it went around.
struct WaitCounts {
  std::atomic<bool> waits = false;
  std::atomic<uint64_t> rounds = 0;
};

// A thread that sends a byte to every other rank each second, and notes when theirs came. The byte
// says whether the rank hangs: it is at work or waits, but has begun nothing new, not looked whom
// it waits for, and used no processor time since the one before. All ranks make one; MPI has to
// allow several threads.
class SignsOfLife {
 public:
  SignsOfLife(MPI_Comm comm, const WorkCounts& work, const WaitCounts& wait);
  ~SignsOfLife();
  SignsOfLife(const SignsOfLife&) = delete;
  SignsOfLife& operator=(const SignsOfLife&) = delete;

  // A rank that has been silent for so many seconds; -1: none, or this one has slept itself.
  int Silent(double seconds) const;
  // A rank that has hung for so many seconds; -1: none.
  int Idle(double seconds) const;
  // Whether this rank is the first that asks: the others are told, and it says why the job ends.
  bool Speaks();

 private:
  using Clock = std::chrono::steady_clock;
  using Time = std::atomic<Clock::rep>;  // since the clock's epoch

  void Run();
  bool IsIdle();
  void Listen(int from);
  void Send(const char& sign);  // which outlives this
  void Hear();

  MPI_Comm comm_ = MPI_COMM_NULL;
  int ranks_ = 1, rank_ = 0;
  std::vector<MPI_Request> coming_;
  std::vector<char> heard_;  // what the requests receive
  const WorkCounts& work_;
  const WaitCounts& wait_;
  uint64_t begun_ = 0;                        // when the last byte was sent
  double processor_ = 0;                      // seconds that this process had used then
  std::unique_ptr<std::atomic<int>[]> idle_;  // bytes in a row that say so, of each rank
  std::unique_ptr<Time[]> last_;              // of each rank; of this one: when its thread last ran
  std::mutex mutex_;
  std::condition_variable ends_;
  bool ended_ = false, others_speak_ = false;
  std::thread thread_;
};

}  // namespace normkit
