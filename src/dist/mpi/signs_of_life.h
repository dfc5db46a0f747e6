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

namespace normkit {

// A thread that sends a byte to every other rank each second, and notes when theirs came. All
// ranks make one; MPI has to allow several threads.
class SignsOfLife {
 public:
  explicit SignsOfLife(MPI_Comm comm);
  ~SignsOfLife();
  SignsOfLife(const SignsOfLife&) = delete;
  SignsOfLife& operator=(const SignsOfLife&) = delete;

  // A rank that has been silent for so many seconds; -1: none, or this one has slept itself.
  int Silent(double seconds) const;
  // Whether this rank is the first that asks: the others are told, and it says why the job ends.
  bool Speaks();

 private:
  using Clock = std::chrono::steady_clock;
  using Time = std::atomic<Clock::rep>;  // since the clock's epoch

  void Run();
  void Listen(int from);
  void Send(const char& sign);  // which outlives this
  void Hear();

  MPI_Comm comm_ = MPI_COMM_NULL;
  int ranks_ = 1, rank_ = 0;
  std::vector<MPI_Request> coming_;
  std::vector<char> heard_;       // what the requests receive
  std::unique_ptr<Time[]> last_;  // of each rank; of this one: when its thread last ran
  std::mutex mutex_;
  std::condition_variable ends_;
  bool ended_ = false, others_speak_ = false;
  std::thread thread_;
};

}  // namespace normkit
