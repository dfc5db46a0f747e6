// Help, and what a wrong command line is told.
#pragma once

#include <string>
#include <vector>

#include "tools/command.h"

namespace normkit::tools {

// The program: --help, --version and the layout of help pages, which commands added later inherit.
class Program {
 public:
  Program();

  // Where commands are added.
  const Command& command() const { return command_; }

  // The words of the command line without the program's name, options as they are declared where
  // they are spelled otherwise: --MaxEpochs and --max_epochs are --max-epochs.
  std::vector<std::string> Words(int argc, char** argv) const;

  // Runs the command that the words choose, whose exceptions pass. Else prints what was asked for
  // (exit code 0), or one line that says what is wrong with the command line, with the nearest
  // command or option there is (exit code 2).
  int Run(const std::vector<std::string>& words) const;

 private:
  Command command_;
};

// `normkit help [COMMAND]`; the last command to be added.
void AddHelp(const Command& app);

}  // namespace normkit::tools
