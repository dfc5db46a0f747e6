// Whether this process is one of several that mpirun or srun started for the same work.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace normkit::tools {

struct Ranks {
  int count = 0, rank = 0;
  std::string variable;  // of the environment: who says so

  // Why the program does not start as one of them.
  std::string Refusal() const;
};

// Nothing where the process is alone: no launcher, or one rank.
std::optional<Ranks> StartedAsRanks();

// Whether the words of a command line want help or the version only, which any rank may give.
bool AsksForHelp(const std::vector<std::string>& words);

}  // namespace normkit::tools
