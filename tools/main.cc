// normkit, the command-line program.

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>
#include <vector>

#include "normkit/core/error.h"
#include "tools/commands.h"
#include "tools/ranks.h"
#include "tools/usage.h"

namespace normkit::tools {
namespace {

// Registering a subcommand: one line here.
using AddFunction = void (*)(const Command&);
const std::vector<AddFunction> kCommands = {
    AddTrain, AddEval,    AddPredict, AddInspect, AddCompare,    AddNormalize, AddBench,
    AddRun,   AddStylize, AddStyle,   AddImage,   AddStatistics, AddDoctor,    AddHelp};

constexpr int kDone = 0, kFailed = 1;

int Failed(const std::string& message) {
  std::fflush(stdout);
  return FailTogether(message, kFailed);
}

// Where one of them was closed, the next file to be opened would be taken for it.
void OpenStandardFiles() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd)
    if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)  // writing to this standard output fails
      (void)!open("/dev/null", fd == STDERR_FILENO ? O_WRONLY : O_RDONLY);
}

int Run(int argc, char** argv) {
  const Program program;
  for (AddFunction add : kCommands) add(program.command());
  const std::vector<std::string> words = program.Words(argc, argv);
  try {
    if (const auto ranks = StartedAsRanks()) JoinRanks(*ranks, words);
    if (const int code = program.Run(words)) return code;
  } catch (const EndWith& end) {
    std::fflush(stdout);
    return std::ferror(stdout) ? Failed("standard output: cannot be written") : end.code;
  } catch (const Error& error) {
    return Failed(error.what());
  } catch (const std::filesystem::filesystem_error& error) {
    return Failed(error.path1().string() + ": " + error.code().message());
  } catch (const std::bad_alloc&) {
    return Failed("out of memory");
  } catch (const std::exception& error) {
    return Failed(std::string("internal error: ") + error.what());
  }
  // Data that did not arrive (a full disk) is failed work.
  if (std::fflush(stdout) != 0 || std::ferror(stdout))
    return Failed("standard output: cannot be written");
  return kDone;
}

}  // namespace
}  // namespace normkit::tools

int main(int argc, char** argv) {
  normkit::tools::OpenStandardFiles();
  // `normkit ... | head` ends quietly, even where the parent had the signal ignored.
  std::signal(SIGPIPE, SIG_DFL);
  std::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is a failed write
  return normkit::tools::Run(argc, argv);
}
