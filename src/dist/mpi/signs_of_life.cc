#include "src/dist/mpi/signs_of_life.h"

#include <ctime>
#include <utility>

namespace normkit {
namespace {

constexpr std::chrono::seconds kBetween{1};
constexpr char kSign = 1, kSpeaks = 2, kIdle = 3;
// Seconds of a second: more than MPI's and this thread's own, less than those of any computation.
constexpr double kUsed = 0.01;

double ProcessorSeconds() {
  timespec used{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) + 1e-9 * static_cast<double>(used.tv_nsec);
}

}  // namespace

SignsOfLife::SignsOfLife(MPI_Comm comm, const WorkCounts& work, const WaitCounts& wait)
    : work_(work), wait_(wait) {
  MPI_Comm_dup(comm, &comm_);
  MPI_Comm_size(comm_, &ranks_);
  MPI_Comm_rank(comm_, &rank_);
  const auto ranks = static_cast<size_t>(ranks_);
  coming_.assign(ranks, MPI_REQUEST_NULL);
  heard_.assign(ranks, 0);
  last_ = std::make_unique<Time[]>(ranks);
  idle_ = std::make_unique<std::atomic<int>[]>(ranks);
  for (int r = 0; r < ranks_; ++r) {
    last_[static_cast<size_t>(r)] = Clock::now().time_since_epoch().count();
    if (r != rank_) Listen(r);
  }
  thread_ = std::thread([this] { Run(); });
}

SignsOfLife::~SignsOfLife() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  ends_.notify_all();
  thread_.join();
  for (MPI_Request& request : coming_) {
    if (request == MPI_REQUEST_NULL) continue;
    MPI_Cancel(&request);
    MPI_Request_free(&request);
  }
}

void SignsOfLife::Listen(int from) {
  const auto r = static_cast<size_t>(from);
  MPI_Irecv(&heard_[r], 1, MPI_BYTE, from, 0, comm_, &coming_[r]);
}

void SignsOfLife::Send(const char& sign) {
  for (int r = 0; r < ranks_; ++r) {
    if (r == rank_) continue;
    MPI_Request sent = MPI_REQUEST_NULL;
    MPI_Isend(&sign, 1, MPI_BYTE, r, 0, comm_, &sent);
    MPI_Request_free(&sent);
  }
}

void SignsOfLife::Hear() {
  for (int r = 0; r < ranks_; ++r) {
    const auto at = static_cast<size_t>(r);
    int came = 0;
    while (r != rank_ && (MPI_Test(&coming_[at], &came, MPI_STATUS_IGNORE), came)) {
      others_speak_ |= heard_[at] == kSpeaks;
      idle_[at] = heard_[at] == kIdle ? idle_[at] + 1 : 0;
      last_[at] = Clock::now().time_since_epoch().count();
      Listen(r);
    }
  }
}

bool SignsOfLife::Speaks() {
  const std::lock_guard lock(mutex_);
  Hear();
  if (!others_speak_) Send(kSpeaks);
  return !others_speak_;
}

bool SignsOfLife::IsIdle() {
  const uint64_t begun = std::exchange(begun_, work_.begun + wait_.rounds);
  const double processor = std::exchange(processor_, ProcessorSeconds());
  return (work_.under_way > 0 || wait_.waits) && begun_ == begun && processor_ - processor < kUsed;
}

void SignsOfLife::Run() {
  std::unique_lock lock(mutex_);
  while (!ended_) {
    Send(IsIdle() ? kIdle : kSign);
    Hear();
    last_[static_cast<size_t>(rank_)] = Clock::now().time_since_epoch().count();
    ends_.wait_for(lock, kBetween, [this] { return ended_; });
  }
}

int SignsOfLife::Idle(double seconds) const {
  const double most = seconds / std::chrono::duration<double>(kBetween).count();
  for (int r = 0; r < ranks_; ++r)
    if (r != rank_ && idle_[static_cast<size_t>(r)] > most) return r;
  return -1;
}

int SignsOfLife::Silent(double seconds) const {
  const auto since = [&](int r) {
    const Clock::duration at(last_[static_cast<size_t>(r)].load());
    return std::chrono::duration<double>(Clock::now().time_since_epoch() - at).count();
  };
  // A process that was stopped itself, and goes on, has not read what came meanwhile.
  if (since(rank_) > std::chrono::duration<double>(3 * kBetween).count()) return -1;
  for (int r = 0; r < ranks_; ++r)
    if (r != rank_ && since(r) > seconds) return r;
  return -1;
}

}  // namespace normkit
