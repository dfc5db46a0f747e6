// The MPI job that this process is part of.
#pragma once

#include <mpi.h>

#include <memory>
#include <string>
#include <vector>

#include "normkit/dist/reducer.h"
#include "src/core/at_work.h"
#include "src/dist/mpi/signs_of_life.h"

namespace normkit {

// Throws Error "MPI: DOING: reason".
void CheckMpi(int code, const char* doing);

// Started once in a process, ended when that exits.
class MpiJob {
 public:
  static MpiJob& The();
  static bool started();

  // From here on waiting for others ends as the options say. Called by all ranks.
  void Watch(const MpiOptions& options, const WorkCounts& work);
  // Until the call behind `request` is done; throws LostRanksError where it never will be.
  void Wait(MPI_Request& request, const char* doing);
  // Whether it is done.
  bool Test(MPI_Request& request, const char* doing);
  int RanksHere() const { return ranks_here_; }
  bool Meet(double seconds);
  bool Speaks() { return !life_ || life_->Speaks(); }
  [[noreturn]] void Abort(int exit_code);

 private:
  MpiJob();
  void CheckOthers(double waited);
  [[noreturn]] void GiveUp(int rank, const std::string& why);
  void End();

  bool ours_ = false, several_threads_ = false, lost_ = false;
  int ranks_here_ = 1;
  MPI_Comm meeting_ = MPI_COMM_NULL;
  std::vector<std::string> hosts_;  // of each rank
  MpiOptions options_;
  WaitCounts wait_;
  std::unique_ptr<SignsOfLife> life_;
};

}  // namespace normkit
