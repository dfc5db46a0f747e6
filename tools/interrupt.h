// Ctrl-C.
#pragma once

#include <atomic>

namespace normkit::tools {

// While one exists, the first SIGINT or SIGTERM sets a flag, and a second ends the program at once.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

  const std::atomic<bool>& flag() const;

 private:
  void (*old_interrupt_)(int);
  void (*old_terminate_)(int);
};

}  // namespace normkit::tools
