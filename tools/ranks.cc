#include "tools/ranks.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>

#include "normkit/core/threads.h"
#include "normkit/dist/reducer.h"
#include "src/core/fail.h"
#include "src/core/log.h"
#include "src/core/numbers.h"
#include "src/core/text.h"
#include "tools/interrupt.h"

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

// Commands that share their work among ranks; others would write the same files.
constexpr std::string_view kShared[] = {"train", "eval", "predict", "compare", "statistics"};

// Seconds without a sign of life, or of hanging, after which a rank is given up, and what says
// others. It may compute as long as it likes.
constexpr double kPatience = 20;
constexpr char kPatienceVariable[] = "NORMKIT_PATIENCE";
// Ranks that fail alike do so within so many seconds; of others the first that is left speaks.
constexpr double kAlike = 2, kTurn = 0.2;

double Patience() {
  const char* text = std::getenv(kPatienceVariable);
  if (!text) return kPatience;
  try {
    return ParseNumber<double>(text, NumberRange<double>{.low = 2});
  } catch (const Error& error) {
    Fail("{}: {}", kPatienceVariable, error.what());
  }
}

struct Job {
  int rank = 0;
  std::unique_ptr<Reducer> reducer;
  int messages = STDERR_FILENO;  // where the failure of a rank that is quiet goes
};
Job& TheJob() {
  static Job job;
  return job;
}

// Whether the words of a command line want help or the version only.
bool AsksForHelp(const std::vector<std::string>& words) {
  constexpr std::string_view kWords[] = {"-h", "--help", "-V", "--version"};
  return words.empty() || words[0] == "help" || std::ranges::any_of(words, [&](const auto& word) {
           return std::ranges::find(kWords, word) != std::end(kWords);
         });
}

// All that would be said once a rank. A process that is to say more (NORMKIT_VERBOSE) keeps stderr.
void BeQuiet(Job& job) {
  const int nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (nothing < 0) return;
  dup2(nothing, STDOUT_FILENO);
  if (!LogsDetails()) {
    job.messages = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    dup2(nothing, STDERR_FILENO);
  }
  close(nothing);
}

// Where nobody says how many threads: those of the machine are shared by its ranks.
void ShareThreads() {
  const int here = MpiRanksHere(),
            each = std::max(1, static_cast<int>(std::thread::hardware_concurrency()) / here);
  if (!std::getenv("OMP_NUM_THREADS") && NumThreads() > each)
    setenv("OMP_NUM_THREADS", std::to_string(each).c_str(), 0);
}

void Say(int file, const std::string& line) {
  const std::string text = "normkit: " + line + "\n";
  (void)!write(file, text.data(), text.size());
}

std::string HostName() {
  char name[256] = "";
  gethostname(name, sizeof(name) - 1);
  return name;
}

}  // namespace

std::optional<Ranks> StartedAsRanks() {
  for (const Launcher& launcher : kLaunchers) {
    const std::optional<int> count = FromEnvironment(launcher.count);
    const std::optional<int> rank = FromEnvironment(launcher.rank);
    if (count && rank && *count > 1) return Ranks{*count, *rank, launcher.count};
  }
  return std::nullopt;
}

void JoinRanks(const Ranks& ranks, const std::vector<std::string>& words) {
  if (AsksForHelp(words)) return;
  Job& job = TheJob();
  job.rank = ranks.rank;
  if (ranks.rank > 0) BeQuiet(job);
  if (std::ranges::find(kShared, words[0]) == std::end(kShared))
    Fail(
        "{}: started as {} ranks ({}), expected one process ({} share their work among ranks); "
        "start it without a launcher, or unset {}",
        words[0], ranks.count, ranks.variable, fmt::join(kShared, ", "), ranks.variable);
  if (!MpiAvailable()) {  // which says why
    MakeMpiReducer();
    return;
  }
  const double patience = Patience();
  job.reducer = MakeMpiReducer(
      {.patience = patience, .patience_with_idle = patience, .stop = &InterruptFlag()});
  if (job.reducer->ranks() != ranks.count)
    Fail(
        "started as {} ranks ({}), but MPI knows {}: the launcher is not of the MPI that normkit "
        "was built with",
        ranks.count, ranks.variable, job.reducer->ranks());
  ShareThreads();
}

Reducer* JobReducer() { return TheJob().reducer.get(); }

bool Leads() { return TheJob().rank == 0; }

std::vector<std::string> GatherTexts(Reducer& reducer, std::string_view own) {
  const auto ranks = static_cast<size_t>(reducer.ranks());
  const uint64_t size = own.size();
  std::vector<uint64_t> sizes(ranks);
  reducer.Gather(std::as_bytes(std::span(&size, 1)), std::as_writable_bytes(std::span(sizes)));
  const size_t longest = *std::ranges::max_element(sizes);
  std::string padded(own), all(longest * ranks, '\0');
  padded.resize(longest);
  reducer.Gather(std::as_bytes(std::span(padded)), std::as_writable_bytes(std::span(all)));
  std::vector<std::string> texts;
  for (size_t r = 0; r < ranks; ++r) texts.push_back(all.substr(r * longest, sizes[r]));
  return texts;
}

int FailTogether(const std::string& message, int exit_code) {
  Job& job = TheJob();
  const auto say = [&](const std::string& line) { Say(job.messages, OneLine(line)); };
  if (!job.reducer) {  // mpirun ends the job when the first of them ends: who speaks is let go
                       // first
    if (job.rank == 0)
      say(message);
    else
      std::this_thread::sleep_for(std::chrono::duration<double>(kTurn));
    return exit_code;
  }
  if (MpiMeet(kAlike)) {
    if (job.rank == 0) say(message);
    return exit_code;
  }
  std::this_thread::sleep_for(std::chrono::duration<double>(kTurn * job.rank));
  if (MpiSpeaks())
    say(job.rank == 0 ? message
                      : fmt::format("rank {} (on {}): {}", job.rank, HostName(), message));
  MpiAbort(exit_code);
}

}  // namespace normkit::tools
