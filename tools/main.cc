// normkit, the command-line program.

#include <csignal>
#include <cstdio>
#include <exception>
#include <iterator>

#include "normkit/core/error.h"
#include "tools/commands.h"
#include "tools/usage.h"
#include "tools/version.h"

namespace normkit::tools {
namespace {

// Registering a subcommand: one line here.
using AddFunction = void (*)(CLI::App&);
const std::vector<AddFunction> kCommands = {AddTrain,   AddEval,      AddPredict, AddInspect,
                                            AddCompare, AddNormalize, AddBench};

constexpr int kDone = 0, kFailed = 1;

int Fail(const std::string& message) {
  std::fflush(stdout);
  std::fprintf(stderr, "normkit: %s\n", message.c_str());
  return kFailed;
}

int Run(int argc, char** argv) {
  CLI::App app("Normalization layers: train networks with them, look at the result, use it.",
               "normkit");
  SetUpApp(app);
  for (AddFunction add : kCommands) add(app);
  try {
    app.parse(argc, argv);
    if (app.get_subcommands().empty()) std::fputs(ShortHelp(app).c_str(), stdout);
  } catch (const CLI::CallForVersion&) {
    std::fputs(VersionText().c_str(), stdout);
  } catch (const CLI::ParseError& error) {
    if (const int code = ExplainUsage(app, error)) return code;
  } catch (const Error& error) {
    return Fail(error.what());
  } catch (const std::bad_alloc&) {
    return Fail("out of memory");
  } catch (const std::exception& error) {
    return Fail(std::string("internal error: ") + error.what());
  }
  // Data that did not arrive (a full disk) is failed work.
  if (std::fflush(stdout) != 0 || std::ferror(stdout))
    return Fail("standard output: cannot be written");
  return kDone;
}

}  // namespace
}  // namespace normkit::tools

int main(int argc, char** argv) {
  // `normkit ... | head` ends quietly, even where the parent had the signal ignored.
  std::signal(SIGPIPE, SIG_DFL);
  return normkit::tools::Run(argc, argv);
}
