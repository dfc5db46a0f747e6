#include "src/dist/mpi_module.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "normkit/core/error.h"
#include "normkit/dist/reducer.h"
#include "normkit/version.h"

namespace normkit {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(MpiModuleTest, SaysWhereItIsNotFound) {
  const MpiModule module = LoadMpiModule({"/nowhere/lib", "/nowhere/lib64"});
  EXPECT_EQ(module.make_reducer, nullptr);
  EXPECT_EQ(module.why_not,
            "libnormkit_mpi.so is in none of /nowhere/lib, /nowhere/lib64, expected in one of them "
            "(builds of normkit on machines with MPI have it)");
}

TEST(MpiModuleTest, SaysWhatCannotBeLoaded) {
  const fs::path folder = fs::path(::testing::TempDir()) / fmt::format("mpi-module-{}", getpid());
  fs::create_directories(folder);
  std::ofstream(folder / "libnormkit_mpi.so") << "no library";
  const MpiModule module = LoadMpiModule({"/nowhere", folder, NORMKIT_OTHER_MPI});
  fs::remove_all(folder);
  EXPECT_EQ(module.make_reducer, nullptr);
  EXPECT_THAT(module.why_not, StartsWith((folder / "libnormkit_mpi.so").string() +
                                         ": cannot be loaded: " + folder.string()));
}

TEST(MpiModuleTest, ThatOfAnotherVersionIsNotUsed) {
  const MpiModule module = LoadMpiModule({NORMKIT_OTHER_MPI});
  EXPECT_EQ(module.make_reducer, nullptr);
  EXPECT_THAT(module.why_not, HasSubstr("/libnormkit_mpi.so: belongs to normkit 0.0.0, expected " +
                                        std::string(NORMKIT_VERSION)));
}

TEST(MpiModuleTest, WithoutItThereIsNoReducer) {
  if (MpiAvailable()) GTEST_SKIP() << "MPI's module is here; tests/install/run takes it away";
  try {
    MakeMpiReducer();
    FAIL() << "made a reducer without MPI";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(),
                StartsWith("MPI: making a reducer: libnormkit_mpi.so is in none of "));
  }
}

}  // namespace
}  // namespace normkit
