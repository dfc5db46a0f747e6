// This process as one of several that mpirun or srun started for the same work.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "normkit/core/reducer.h"

namespace normkit::tools {

struct Ranks {
  int count = 0, rank = 0;
  std::string variable;  // of the environment: who says so
};

// Nothing where the process is alone: no launcher, or one rank.
std::optional<Ranks> StartedAsRanks();

// Joins the others for the command of these words (MPI starts here, and threads are shared out
// among the ranks of a machine). From here on ranks but 0 say nothing. Throws Error where the
// command is one for one process, there is no MPI, or it is another than the launcher's. Help and
// the version are given by any rank, without the others.
void JoinRanks(const Ranks& ranks, const std::vector<std::string>& words);

// Of the job; null: alone.
Reducer* JobReducer();
// Whether this is rank 0, or alone: it writes files and speaks.
bool Leads();

// What each rank gives, in rank order.
std::vector<std::string> GatherTexts(Reducer& reducer, std::string_view own);

// Says why the work failed: once for all where all ranks do; else where and of which rank, and ends
// the others, which wait for it. Returns the exit code.
int FailTogether(const std::string& message, int exit_code);

}  // namespace normkit::tools
