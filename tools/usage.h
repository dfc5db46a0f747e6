// Help, and what a wrong command line is told.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace normkit::tools {

// --help, --version and the layout of help pages; subcommands added later inherit the layout.
void SetUpApp(CLI::App& app);

// What `normkit` alone prints.
std::string ShortHelp(const CLI::App& app);

// Prints help (exit code 0), or one line that says what is wrong with the command line, with the
// nearest command or option there is (exit code 2).
int ExplainUsage(const CLI::App& app, const CLI::ParseError& error);

}  // namespace normkit::tools
