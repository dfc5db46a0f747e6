// The subcommands of the program: each stands in tools/NAME.cc and is registered by one line in
// main.cc.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

namespace normkit::tools {

// A subcommand with its one-line description, and example command lines that `--help` shows first.
//
//   void AddEval(CLI::App& app) {
//     auto args = std::make_shared<EvalArgs>();
//     CLI::App& command = AddCommand(app, "eval", "Measure a model on data",
//                                    {"normkit eval model.onnx --data digits"});
//     command.add_option("model", args->model, "Model file")->required();
//     command.callback([args] { RunEval(*args); });
//   }
//
// What the callback throws decides how the program ends: normkit::Error is failed work (exit code
// 1), CLI::ValidationError(option, message) is a wrong command line (exit code 2).
CLI::App& AddCommand(CLI::App& app, const std::string& name, const std::string& description,
                     const std::vector<std::string>& examples);

void AddTrain(CLI::App& app);
void AddEval(CLI::App& app);
void AddPredict(CLI::App& app);
void AddInspect(CLI::App& app);
void AddCompare(CLI::App& app);
void AddNormalize(CLI::App& app);
void AddBench(CLI::App& app);

}  // namespace normkit::tools
