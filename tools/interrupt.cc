#include "tools/interrupt.h"

#include <cerrno>
#include <csignal>

namespace normkit::tools {
namespace {

constexpr std::array<int, 3> kSignals = {SIGINT, SIGTERM, SIGHUP};

std::atomic<bool> interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free);  // a signal handler may set it

void OnSignal(int signal) {
  interrupted = true;
  if (signal != SIGHUP) std::signal(signal, SIG_DFL);
}

}  // namespace

InterruptGuard::InterruptGuard() {
  interrupted = false;
  for (size_t i = 0; i < kSignals.size(); ++i) {
    old_[i] = std::signal(kSignals[i], OnSignal);
    if (old_[i] != SIG_IGN) continue;
    std::signal(kSignals[i], SIG_IGN);
    ignores_hangup_ |= kSignals[i] == SIGHUP;
  }
  std::signal(SIGPIPE, SIG_IGN);  // for good: what is still to be said may not cost the exit code
}

InterruptGuard::~InterruptGuard() {
  for (size_t i = 0; i < kSignals.size(); ++i) std::signal(kSignals[i], old_[i]);
}

void Interrupt() { interrupted = true; }

const std::atomic<bool>& InterruptFlag() { return interrupted; }

const std::atomic<bool>& InterruptGuard::flag() const { return interrupted; }

void InterruptGuard::OnLostOutput() {
  const bool gone = errno == EPIPE || errno == EIO;
  if (gone && !ignores_hangup_) interrupted = true;
}

}  // namespace normkit::tools
