// Help, and what a wrong command line is told.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace normkit::tools {

// --help, --version and the layout of help pages; subcommands added later inherit the layout.
void SetUpApp(CLI::App& app);

// `normkit help [COMMAND]`; the last command to be added.
void AddHelp(CLI::App& app);

// The words of the command line without the program's name, options as they are declared where they
// are spelled otherwise: --MaxEpochs and --max_epochs are --max-epochs.
std::vector<std::string> CommandLineWords(const CLI::App& app, int argc, char** argv);

// What `normkit` alone prints.
std::string ShortHelp(const CLI::App& app);

// Prints help (exit code 0), or one line that says what is wrong with the command line, with the
// nearest command or option there is (exit code 2).
int ExplainUsage(const CLI::App& app, const CLI::ParseError& error);

}  // namespace normkit::tools
