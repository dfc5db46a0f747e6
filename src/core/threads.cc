#include "normkit/core/threads.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <thread>

#include "src/core/cpu_quota.h"
#include "src/core/fail.h"
#include "src/core/numbers.h"
#include "src/core/parallel.h"
#include "src/core/thread_local.h"

namespace normkit {
namespace {

constexpr NumberRange<int> kThreads{1, 1024};

std::atomic<int> chosen{0};
NORMKIT_THREAD_LOCAL int chosen_here = 0;

// As programs of OpenMP do: OMP_NUM_THREADS ("4", or "4,2" for nested ones), else the processors
// that this process may use, no more than a container's quota pays for.
int DefaultThreads() {
  const char* wanted = std::getenv("OMP_NUM_THREADS");
  const std::string_view text = wanted ? wanted : "";
  const std::optional<int> number = ParseNumber<int>(text.substr(0, text.find(',')));
  if (number && kThreads.Contains(*number)) return *number;
  cpu_set_t allowed;
  const bool known = sched_getaffinity(0, sizeof(allowed), &allowed) == 0;
  const int processors =
      known ? CPU_COUNT(&allowed) : static_cast<int>(std::thread::hardware_concurrency());
  const int most = std::clamp(processors, kThreads.low, kThreads.high);
  return std::min(most, CpuQuota().value_or(most));
}

}  // namespace

void SetNumThreads(int threads) {
  if (threads < 0 || threads > 1024)
    Fail("threads: {} given, expected 0 (default) to 1024", threads);
  chosen = threads;
}

int NumThreads() {
  const int threads = chosen_here > 0 ? chosen_here : chosen.load();
  if (threads > 0) return threads;
  static const int fallback = DefaultThreads();
  return fallback;
}

WithThreads::WithThreads(int threads) : before_(chosen_here) {
  if (threads > 0) chosen_here = threads;
}
WithThreads::~WithThreads() { chosen_here = before_; }

}  // namespace normkit
