#include "tools/ranks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "src/core/numbers.h"

namespace normkit::tools {
namespace {

// What launchers tell each process: how many there are, and which it is. Slurm has more of the
// kind, but SLURM_NTASKS also stands in the environment of a batch script, which runs once; only a
// step that srun started says SLURM_STEP_NUM_TASKS.
struct Launcher {
  const char *count, *rank;
};
constexpr Launcher kLaunchers[] = {
    {"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"},  // Open MPI
    {"PMI_SIZE", "PMI_RANK"},                          // MPICH, Intel MPI
    {"MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_RANK"},    // MVAPICH
    {"SLURM_STEP_NUM_TASKS", "SLURM_PROCID"},
};

std::optional<int> FromEnvironment(const char* name) {
  const char* text = std::getenv(name);
  return text ? ParseNumber<int>(text) : std::nullopt;
}

}  // namespace

std::string Ranks::Refusal() const {
  return fmt::format(
      "started as {} ranks ({}), expected one process: they would write the same files; start it "
      "without a launcher, or unset {}",
      count, variable, variable);
}

std::optional<Ranks> StartedAsRanks() {
  for (const Launcher& launcher : kLaunchers) {
    const std::optional<int> count = FromEnvironment(launcher.count);
    const std::optional<int> rank = FromEnvironment(launcher.rank);
    if (count && rank && *count > 1) return Ranks{*count, *rank, launcher.count};
  }
  return std::nullopt;
}

bool AsksForHelp(const std::vector<std::string>& words) {
  constexpr std::string_view kWords[] = {"-h", "--help", "-V", "--version"};
  return words.empty() || words[0] == "help" || std::ranges::any_of(words, [&](const auto& word) {
           return std::ranges::find(kWords, word) != std::end(kWords);
         });
}

}  // namespace normkit::tools
