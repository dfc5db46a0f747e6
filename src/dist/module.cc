// MPI stands in a module of its own, libnormkit_mpi.so, which is loaded when a reducer is asked
// for: a program that normalizes alone never loads MPI (docs/decisions.md).
#include "src/dist/mpi/module.h"

#include <dlfcn.h>

#include <filesystem>
#include <string>

#include "normkit/dist/reducer.h"
#include "normkit/version.h"
#include "src/core/fail.h"
#include "src/dist/dependencies.h"

namespace normkit {
namespace {

namespace fs = std::filesystem;

constexpr const char* kModule = "libnormkit_mpi.so";

// Beside the library that this code is in, or where that of a program would be; "" for nowhere.
std::string FindModule() {
  std::error_code error;
  std::vector<fs::path> folders;
  Dl_info self{};
  if (dladdr(reinterpret_cast<void*>(&MpiAvailable), &self) && self.dli_fname)
    folders.push_back(fs::canonical(self.dli_fname, error).parent_path());
  const fs::path program = fs::read_symlink("/proc/self/exe", error).parent_path();
  for (const char* libraries : {"lib", NORMKIT_LIBDIR})
    if (!program.empty()) folders.push_back(program.parent_path() / libraries);
  for (const fs::path& folder : folders)
    if (!folder.empty() && fs::exists(folder / kModule, error)) return folder / kModule;
  return "";
}

// Loaded once, and never unloaded: MPI cannot be started twice.
void* Module() {
  static void* const module = [] {
    const std::string path = FindModule();
    if (path.empty())
      Fail(
          "MPI: this build of normkit holds no MPI back-end ({}); install an MPI library and "
          "build again",
          kModule);
    void* loaded = dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE);  // as MPI wants it
    if (!loaded) Fail("MPI: {} cannot be loaded: {}", path, dlerror());
    const auto built_with = reinterpret_cast<decltype(&normkit_mpi_built_with)>(
        dlsym(loaded, "normkit_mpi_built_with"));
    if (!built_with || std::string_view(built_with()) != NORMKIT_VERSION)
      Fail("MPI: {} is of normkit {}, expected {}", path, built_with ? built_with() : "?",
           NORMKIT_VERSION);
    return loaded;
  }();
  return module;
}

template <class F>
F* Function(const char* name) {
  return reinterpret_cast<F*>(dlsym(Module(), name));
}

}  // namespace

bool MpiAvailable() {
  static const bool available = !FindModule().empty();
  return available;
}

std::unique_ptr<Reducer> MakeMpiReducer() {
  return std::unique_ptr<Reducer>(
      Function<decltype(normkit_mpi_make_reducer)>("normkit_mpi_make_reducer")());
}

std::vector<Dependency> DistDependencies() {
  if (!MpiAvailable()) return {};
  return {
      {"MPI", Function<decltype(normkit_mpi_version)>("normkit_mpi_version")(), "BSD-3-Clause"}};
}

}  // namespace normkit
