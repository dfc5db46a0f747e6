#include "src/dist/mpi_module.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdlib>
#include <memory>
#include <string_view>

#include "normkit/dist/reducer.h"
#include "normkit/version.h"
#include "src/core/fail.h"
#include "src/dist/mpi/module.h"

namespace normkit {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFile = "libnormkit_mpi.so";

// Where an installation or a build has it: beside the library that this code is in, or where the
// libraries of the program's prefix are.
std::vector<fs::path> Folders() {
  std::error_code error;
  std::vector<fs::path> folders;
  Dl_info own{};
  if (dladdr(reinterpret_cast<void*>(&MpiAvailable), &own) && own.dli_fname)
    folders.push_back(fs::canonical(own.dli_fname, error).parent_path());
  const fs::path program = fs::read_symlink("/proc/self/exe", error).parent_path();
  for (const fs::path libraries : {"lib", NORMKIT_LIBDIR})
    folders.push_back(program.parent_path() / libraries);
  return folders;
}

const MpiModule& TheMpiModule() {
  static const MpiModule module = LoadMpiModule(Folders());
  return module;
}

}  // namespace

MpiModule LoadMpiModule(const std::vector<fs::path>& folders) {
  MpiModule module;
  std::error_code error;
  std::vector<std::string> places;
  for (const fs::path& folder : folders) {
    const fs::path path = folder / kFile;
    places.push_back(folder.string());
    if (!fs::exists(path, error)) continue;
    // MPI loads modules of its own, which look for its names among everybody's, and starts once in
    // a process.
    void* const loaded = dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE);
    if (!loaded) {
      const char* const reason = dlerror();
      module.why_not = fmt::format("{}: cannot be loaded: {}", path.string(), reason);
      return module;
    }
    const auto version =
        reinterpret_cast<decltype(&normkit_mpi_version)>(dlsym(loaded, "normkit_mpi_version"));
    if (!version || std::string_view(version()) != NORMKIT_VERSION) {
      module.why_not = fmt::format("{}: belongs to normkit {}, expected {}", path.string(),
                                   version ? version() : "of no version", NORMKIT_VERSION);
      return module;
    }
    const auto take = [&]<class F>(F*& function, const char* name) {
      function = reinterpret_cast<F*>(dlsym(loaded, name));
    };
    take(module.make_reducer, "normkit_mpi_make_reducer");
    take(module.ranks_here, "normkit_mpi_ranks_here");
    take(module.meet, "normkit_mpi_meet");
    take(module.speaks, "normkit_mpi_speaks");
    take(module.abort, "normkit_mpi_abort");
    return module;
  }
  module.why_not = fmt::format(
      "{} is in none of {}, expected in one of them (builds of normkit on machines with MPI have "
      "it)",
      kFile, fmt::join(places, ", "));
  return module;
}

bool MpiAvailable() { return TheMpiModule().make_reducer != nullptr; }

namespace {

const MpiModule& Needed(const char* doing) {
  const MpiModule& module = TheMpiModule();
  if (!module.make_reducer) Fail("MPI: {}: {}", doing, module.why_not);
  return module;
}

}  // namespace

std::unique_ptr<Reducer> MakeMpiReducer(const MpiOptions& options) {
  return std::unique_ptr<Reducer>(Needed("making a reducer").make_reducer(options, work_counts));
}

int MpiRanksHere() { return Needed("asking who is on this machine").ranks_here(); }

bool MpiMeet(double seconds) { return Needed("meeting").meet(seconds); }

bool MpiSpeaks() { return !MpiAvailable() || TheMpiModule().speaks(); }

void MpiAbort(int exit_code) {
  if (MpiAvailable()) TheMpiModule().abort(exit_code);
  std::_Exit(exit_code);
}

}  // namespace normkit
