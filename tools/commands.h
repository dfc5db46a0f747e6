// The subcommands of the program: each stands in tools/NAME.cc and is registered by one line in
// main.cc.
#pragma once

#include <string>
#include <vector>

#include "tools/command.h"

namespace normkit::tools {

// A subcommand with its one-line description, and example command lines that `--help` shows first.
//
//   void AddEval(const Command& app) {
//     auto args = std::make_shared<EvalArgs>();
//     const Command command = AddCommand(app, "eval", "Measure a model on data",
//                                        {"normkit eval model.onnx --data digits"});
//     AddText(command, "model", args->model, "MODEL.onnx", "Model file").Required();
//     command.Run([args] { RunEval(*args); });
//   }
Command AddCommand(const Command& app, const std::string& name, const std::string& description,
                   const std::vector<std::string>& examples);

// Thrown by a command that is done and says more than that by its exit code.
struct EndWith {
  int code;
};

void AddTrain(const Command& app);
void AddEval(const Command& app);
void AddPredict(const Command& app);
void AddInspect(const Command& app);
void AddCompare(const Command& app);
void AddNormalize(const Command& app);
void AddBench(const Command& app);
void AddRun(const Command& app);
void AddStylize(const Command& app);
void AddImage(const Command& app);
void AddStyle(const Command& app);
void AddStatistics(const Command& app);
void AddDoctor(const Command& app);

}  // namespace normkit::tools
