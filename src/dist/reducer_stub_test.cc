#include <gtest/gtest.h>

#include "normkit/core/error.h"
#include "normkit/dist/reducer.h"

namespace normkit {
namespace {

TEST(ReducerStubTest, SaysThatMpiIsAbsent) {
  EXPECT_FALSE(MpiAvailable());
  try {
    MakeMpiReducer();
    FAIL() << "made a reducer without MPI";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "MPI: this build of normkit holds no MPI back-end (libnormkit_mpi.so); install an "
                 "MPI library and build again");
  }
}

}  // namespace
}  // namespace normkit
