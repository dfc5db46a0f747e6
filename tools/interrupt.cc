#include "tools/interrupt.h"

#include <csignal>

namespace normkit::tools {
namespace {

std::atomic<bool> interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free);  // a signal handler may set it

void OnSignal(int signal) {
  interrupted = true;
  std::signal(signal, SIG_DFL);
}

}  // namespace

InterruptGuard::InterruptGuard() {
  interrupted = false;
  old_interrupt_ = std::signal(SIGINT, OnSignal);
  old_terminate_ = std::signal(SIGTERM, OnSignal);
}

InterruptGuard::~InterruptGuard() {
  std::signal(SIGINT, old_interrupt_);
  std::signal(SIGTERM, old_terminate_);
}

const std::atomic<bool>& InterruptGuard::flag() const { return interrupted; }

}  // namespace normkit::tools
