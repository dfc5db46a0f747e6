// What is logged, kept for a test instead of printed.
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace normkit {

// From its making to its end; of several the last made has it. Not while other threads log.
class LogCapture {
 public:
  LogCapture();
  ~LogCapture();
  LogCapture(const LogCapture&) = delete;
  LogCapture& operator=(const LogCapture&) = delete;

  // The last thousand lines, as they would stand on stderr.
  std::vector<std::string> lines() const;

 private:
  struct Sinks;
  std::unique_ptr<Sinks> sinks_;
};

}  // namespace normkit
