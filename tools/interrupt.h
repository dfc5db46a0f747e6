// Ctrl-C, a closed terminal, a reader that has gone.
#pragma once

#include <array>
#include <atomic>

namespace normkit::tools {

// Whether a guard has seen such a signal.
const std::atomic<bool>& InterruptFlag();

// As the first such signal.
void Interrupt();

// While one exists, the first SIGINT, SIGTERM or SIGHUP (the terminal was closed) sets a flag. A
// second SIGINT or SIGTERM ends the program at once; a second SIGHUP, which shells send as well,
// does nothing. What the program was started to ignore (nohup) stays ignored. From the first guard
// on, output that nobody reads is a failed write and no longer ends the process.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

  const std::atomic<bool>& flag() const;

  // After a write of the output that failed, while errno tells why: where its reader or terminal
  // has gone it is as Ctrl-C, unless the program is to live on without a terminal (nohup).
  void OnLostOutput();

 private:
  using Handler = void (*)(int);
  std::array<Handler, 3> old_;
  bool ignores_hangup_ = false;
};

}  // namespace normkit::tools
