#include "src/core/parallel.h"

#include <pthread.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <new>
#include <thread>
#include <utility>

#include "src/core/pause.h"
#include "src/core/scratch.h"
#include "src/core/signals.h"
#include "src/core/succession.h"
#include "src/core/thread_local.h"

namespace normkit {
namespace {

NORMKIT_THREAD_LOCAL bool in_parallel = false;
NORMKIT_THREAD_LOCAL Succession succession;

struct InParallelHere {
  InParallelHere() { in_parallel = true; }
  ~InParallelHere() { in_parallel = false; }
};

// Waits from `begin` until `done()` or until it is better to sleep.
template <class Done>
bool Spin(const Done& done, Succession::Time begin = std::chrono::steady_clock::now()) {
  do {
    for (int i = 0; i < 32; ++i) {
      if (done()) return true;
      Pause();
    }
  } while (std::chrono::steady_clock::now() - begin < kAwake);
  return done();
}

// The tasks of one job, cut into a part for each thread, which begins with its own (the same tasks
// of the next operation find its data in its cache) and goes on with what is left of the others'.
class JobTasks {
 public:
  using Call = void (*)(const void* task, int64_t i);
  static constexpr int kMaxThreads = 1024;

  void Cut(int64_t count, int threads, Call call, const void* task) {
    parts_ = static_cast<int>(std::min<int64_t>({count, threads, kMaxThreads}));
    for (int p = 0; p < parts_; ++p) {
      all_parts_[static_cast<size_t>(p)].next.store(count * p / parts_, std::memory_order_relaxed);
      all_parts_[static_cast<size_t>(p)].end = count * (p + 1) / parts_;
    }
    call_ = call;
    task_ = task;
  }
  int parts() const { return parts_; }

  void Run(int first) {
    for (int k = 0; k < parts_; ++k) {
      Part& part = all_parts_[static_cast<size_t>((first + k) % parts_)];
      while (true) {
        const int64_t i = part.next.fetch_add(1, std::memory_order_relaxed);
        if (i >= part.end) break;
        try {
          call_(task_, i);
        } catch (...) {  // the first is kept; who reads it waits until nobody is inside
          if (!failed_.exchange(true)) error_ = std::current_exception();
        }
      }
    }
  }

  // The first that was thrown, when nobody is inside any more.
  std::exception_ptr TakeError() {
    failed_.store(false, std::memory_order_relaxed);
    return std::exchange(error_, nullptr);
  }

 private:
  struct alignas(64) Part {
    std::atomic<int64_t> next;
    int64_t end;
  };

  std::atomic<bool> failed_{false};
  std::exception_ptr error_;
  int parts_ = 0;
  Call call_ = nullptr;
  const void* task_ = nullptr;
  std::array<Part, kMaxThreads> all_parts_;
};

// Threads that wait for jobs, one job at a time.
//
// The gate says who may be inside: a bit (the job is open), seats (how many may still enter), and
// how many are inside. The caller opens it, works until no task is left, closes it, and waits for
// those inside only. Never destroyed: its threads sleep until the process ends. A forked child has
// no such threads, and makes a pool of its own.
class Pool {
 public:
  // Returns when this thread had no more to do.
  Succession::Time Run(int64_t count, int threads, JobTasks::Call call, const void* task) {
    const InParallelHere here;
    if (busy_.exchange(true, std::memory_order_acquire)) {  // by another thread of the user's
      for (int64_t i = 0; i < count; ++i) call(task, i);
      return std::chrono::steady_clock::now();
    }
    Open(count, threads, call, task);
    tasks_.Run(0);
    gate_.fetch_and(kInside, std::memory_order_acq_rel);
    const auto empty = [&] { return gate_.load(std::memory_order_acquire) == 0; };
    const Succession::Time ended = std::chrono::steady_clock::now();
    if (!Spin(empty, ended))
      while (const uint32_t inside = gate_.load(std::memory_order_acquire)) gate_.wait(inside);
    const std::exception_ptr error = tasks_.TakeError();
    busy_.store(false, std::memory_order_release);
    if (error) std::rethrow_exception(error);
    return ended;
  }

 private:
  static constexpr uint32_t kOpen = 1u << 31, kSeat = 1u << 16, kInside = kSeat - 1;

  void Open(int64_t count, int threads, JobTasks::Call call, const void* task) {
    tasks_.Cut(count, threads, call, task);
    if (workers_ < tasks_.parts() - 1) StartWorkers();
    gate_.store(kOpen | static_cast<uint32_t>(workers_) * kSeat, std::memory_order_release);
    jobs_.fetch_add(1, std::memory_order_release);
    jobs_.notify_all();
  }

  void StartWorkers() {
    const SignalsHeld held;  // a program's handlers run on its own threads
    while (workers_ < tasks_.parts() - 1) {
      try {
        std::thread([this, index = workers_ + 1] { Work(index); }).detach();
      } catch (const std::exception&) {
        break;  // no more threads, or no memory for one: those there are do it
      }
      ++workers_;
    }
  }

  bool Enter() {
    uint32_t gate = gate_.load(std::memory_order_relaxed);
    while (gate & kOpen && gate - kOpen >= kSeat)
      if (gate_.compare_exchange_weak(gate, gate - kSeat + 1, std::memory_order_acquire))
        return true;
    return false;
  }

  void Work(int index) {
    in_parallel = true;
    const bool spin = index < static_cast<int>(std::thread::hardware_concurrency());
    uint32_t seen = 0;
    while (true) {
      const auto changed = [&] { return jobs_.load(std::memory_order_acquire) != seen; };
      if (!spin || !Spin(changed)) jobs_.wait(seen, std::memory_order_acquire);
      seen = jobs_.load(std::memory_order_acquire);
      if (!Enter()) continue;
      // Who has no part leaves: the same threads work for the same number of threads, and find what
      // they keep from call to call.
      if (index < tasks_.parts()) tasks_.Run(index);
      // 1: the gate is closed, and nobody else inside.
      if (gate_.fetch_sub(1, std::memory_order_acq_rel) == 1) gate_.notify_one();
    }
  }

  std::atomic<bool> busy_{false};
  std::atomic<uint32_t> gate_{0}, jobs_{0};
  int workers_ = 0;  // this and the rest: changed by the caller while the gate is closed
  JobTasks tasks_;
};

std::atomic<Pool*> pool{nullptr};
NORMKIT_THREAD_LOCAL RunTeam team_here = nullptr;
std::atomic<bool> forked{false};

void NoticeForks() {
  static const bool notices = [] {
    if (pthread_atfork(nullptr, nullptr, [] {
          pool = nullptr;
          forked = true;
        }) != 0)
      throw std::bad_alloc();
    return true;
  }();
  (void)notices;
}

struct JobTag;

// On the threads of another library, which calls for the caller and each of the others.
void RunOnTeam(int64_t count, int threads, JobTasks::Call call, const void* task) {
  struct Job {
    JobTasks tasks;
    std::thread::id caller = std::this_thread::get_id();
    std::atomic<int> others{0};
  };
  bool fresh = false;  // as scratch needs no destructor: between calls a job owns nothing
  void* room = Scratch<JobTag, std::byte>(sizeof(Job), &fresh);
  Job& job = *(fresh ? new (room) Job : std::launder(static_cast<Job*>(room)));
  job.others = 0;
  job.tasks.Cut(count, threads, call, task);
  const auto work = [](void* data) {
    Job& of = *static_cast<Job*>(data);
    const InParallelHere here;
    const bool calls = std::this_thread::get_id() == of.caller;
    of.tasks.Run(calls ? 0 : 1 + of.others.fetch_add(1, std::memory_order_relaxed));
  };
  team_here(work, &job, static_cast<unsigned>(job.tasks.parts()), 0);
  if (const std::exception_ptr error = job.tasks.TakeError()) std::rethrow_exception(error);
}

}  // namespace

WithTeam::WithTeam(RunTeam team) : before_(team_here) {
  if (team) NoticeForks();
  team_here = team;
}
WithTeam::~WithTeam() { team_here = before_; }

bool InParallel() { return in_parallel; }

bool InQuickSuccession() {
  return succession.Next(std::chrono::steady_clock::now(), team_here != nullptr);
}

void RunOnThreads(int64_t count, int threads, void (*call)(const void* task, int64_t i),
                  const void* task) {
  NoticeForks();
  // A forked child has none of the other library's threads either, and that may wait for them.
  if (team_here && !forked) {
    RunOnTeam(count, threads, call, task);
    return succession.Ended(std::chrono::steady_clock::now());
  }
  Pool* current = pool;
  if (!current) {
    Pool* made = new Pool;
    if (pool.compare_exchange_strong(current, made))
      current = made;
    else
      delete made;  // another thread was first
  }
  succession.Ended(current->Run(count, threads, call, task));
}

}  // namespace normkit
