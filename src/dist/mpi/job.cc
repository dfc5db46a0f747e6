#include "src/dist/mpi/job.h"

#include <chrono>
#include <cstdlib>
#include <string_view>

#include "src/core/fail.h"

namespace normkit {
namespace {

using Clock = std::chrono::steady_clock;

// The job is being ended: what has not come after so many seconds never will.
constexpr double kMoment = 0.5;
// How often the clock is looked at while others are waited for.
constexpr int kTests = 64;
// What has not come within so many seconds is waited for without a processor of one's own.
constexpr double kBusy = 5e-4;
constexpr std::chrono::microseconds kPause{50};

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::string HostName() {
  char name[MPI_MAX_PROCESSOR_NAME];
  int length = 0;
  MPI_Get_processor_name(name, &length);
  return std::string(name, static_cast<size_t>(length));
}

std::vector<std::string> HostNames() {
  int ranks = 1;
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  std::string own = HostName();
  own.resize(MPI_MAX_PROCESSOR_NAME);
  std::string all(own.size() * static_cast<size_t>(ranks), '\0');
  const int length = static_cast<int>(own.size());
  CheckMpi(
      MPI_Allgather(own.data(), length, MPI_CHAR, all.data(), length, MPI_CHAR, MPI_COMM_WORLD),
      "asking for names of machines");
  std::vector<std::string> hosts;
  for (size_t r = 0; r < static_cast<size_t>(ranks); ++r)
    hosts.emplace_back(all.substr(r * own.size(), own.size()).c_str());
  return hosts;
}

bool begun = false;

class WithFlag {
 public:
  explicit WithFlag(std::atomic<bool>& flag) : flag_(flag) { flag_ = true; }
  ~WithFlag() { flag_ = false; }
  WithFlag(const WithFlag&) = delete;
  WithFlag& operator=(const WithFlag&) = delete;

 private:
  std::atomic<bool>& flag_;
};

}  // namespace

void CheckMpi(int code, const char* doing) {
  if (code == MPI_SUCCESS) return;
  char reason[MPI_MAX_ERROR_STRING];
  int length = 0;
  MPI_Error_string(code, reason, &length);
  Fail("MPI: {}: {}", doing, std::string_view(reason, static_cast<size_t>(length)));
}

bool MpiJob::started() { return begun; }

MpiJob& MpiJob::The() {
  static MpiJob& job = *new MpiJob;  // other objects' ends may still need it
  return job;
}

MpiJob::MpiJob() {
  int started = 0, provided = MPI_THREAD_SINGLE;
  MPI_Initialized(&started);
  if (!started) {
    CheckMpi(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &provided), "starting");
    ours_ = true;
  }
  MPI_Query_thread(&provided);
  several_threads_ = provided == MPI_THREAD_MULTIPLE;
  begun = true;
  std::atexit([] { The().End(); });
  CheckMpi(MPI_Comm_dup(MPI_COMM_WORLD, &meeting_), "making a communicator");
  MPI_Comm_set_errhandler(meeting_, MPI_ERRORS_RETURN);
  hosts_ = HostNames();
  MPI_Comm here = MPI_COMM_NULL;
  CheckMpi(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &here),
           "asking who is on this machine");
  MPI_Comm_size(here, &ranks_here_);
  MPI_Comm_free(&here);
}

void MpiJob::Watch(const MpiOptions& options, const WorkCounts& work) {
  options_ = options;
  if (options.patience > 0 && several_threads_ && hosts_.size() > 1 && !life_)
    life_ = std::make_unique<SignsOfLife>(meeting_, work, wait_);
}

void MpiJob::CheckOthers(double waited) {
  if (options_.stop && *options_.stop && waited > kMoment) {
    lost_ = true;
    Fail<LostRanksError>(
        "waiting for the other ranks: this one was told to end, and they do not answer: one of "
        "them has ended, or is in the middle of something long");
  }
  if (!life_) return;
  if (const int silent = life_->Silent(options_.patience); silent >= 0)
    GiveUp(silent, fmt::format("has given no sign of life for {:g} s, expected one each second",
                               options_.patience));
  const double idle = options_.patience_with_idle;
  if (const int rank = idle > 0 ? life_->Idle(idle) : -1; rank >= 0)
    GiveUp(rank, fmt::format("has used no processor time for {:g} s in the middle of its work, "
                             "expected less: it hangs",
                             idle));
}

void MpiJob::GiveUp(int rank, const std::string& why) {
  lost_ = true;
  Fail<LostRanksError>("waiting for the other ranks: rank {} (on {}) {}", rank,
                       hosts_[static_cast<size_t>(rank)], why);
}

bool MpiJob::Test(MPI_Request& request, const char* doing) {
  int done = 0;
  CheckMpi(MPI_Test(&request, &done, MPI_STATUS_IGNORE), doing);
  return done != 0;
}

void MpiJob::Wait(MPI_Request& request, const char* doing) {
  if (!life_ && !options_.stop) {
    CheckMpi(MPI_Wait(&request, MPI_STATUS_IGNORE), doing);
    return;
  }
  const WithFlag waits(wait_.waits);
  const Clock::time_point start = Clock::now();
  while (true) {
    for (int i = 0; i < kTests; ++i)
      if (Test(request, doing)) return;
    wait_.rounds.fetch_add(1, std::memory_order_relaxed);
    const double waited = SecondsSince(start);
    CheckOthers(waited);
    if (waited > kBusy)
      std::this_thread::sleep_for(kPause);
    else
      std::this_thread::yield();
  }
}

bool MpiJob::Meet(double seconds) {
  if (lost_) return false;
  MPI_Request request = MPI_REQUEST_NULL;
  CheckMpi(MPI_Ibarrier(meeting_, &request), "meeting");
  const Clock::time_point start = Clock::now();
  while (!Test(request, "meeting")) {
    if (SecondsSince(start) > seconds) {
      lost_ = true;  // the barrier will never be passed
      return false;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

void MpiJob::Abort(int exit_code) {
  MPI_Abort(MPI_COMM_WORLD, exit_code);
  std::_Exit(exit_code);
}

void MpiJob::End() {
  life_.reset();
  int ended = 0;
  MPI_Finalized(&ended);
  if (ended || !ours_) return;
  if (lost_) Abort(1);  // who is waited for in MPI_Finalize may never come
  MPI_Finalize();
}

}  // namespace normkit
