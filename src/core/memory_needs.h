// What a piece of work will hold in memory, added up before it begins, against what there is.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace normkit {

// What this process may still take, and who gives it: the least of what the machine has left
// (available memory and free swap), what the control groups that hold the process leave (versions 1
// and 2), and the process's own limits (ulimit -v and -d).
struct FreeMemory {
  double bytes = 0;
  std::string whose;  // "this machine", "the control group '/a/b'", "ulimit -v"
};
// `root` stands before /proc and /sys; tests have their own. Where nothing can be found out there
// are infinitely many bytes.
FreeMemory FindFreeMemory(const std::string& root = "");

// The parts of it.
class MemoryNeeds {
 public:
  void Add(std::string what, double bytes);  // of no bytes: left out
  double total() const;

  // Throws Error "WORK needs 23.4 GB of memory, this machine has 15.8 GB left: 20.1 GB WHAT, 2.2 GB
  // WHAT and 1.1 GB of others; WAYS_OUT" where there is not enough, with the largest parts.
  void Check(std::string_view work, std::string_view ways_out) const;
  void Check(std::string_view work, std::string_view ways_out, const FreeMemory& free) const;

 private:
  struct Part {
    std::string what;
    double bytes;
  };
  std::vector<Part> parts_;
};

}  // namespace normkit
