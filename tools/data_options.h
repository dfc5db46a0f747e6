// How data are read, whatever names them: options of all commands that read any.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "normkit/core/layout.h"
#include "normkit/data/source.h"
#include "normkit/nn/network.h"
#include "tools/command.h"

namespace normkit::tools {

// --image-size, --channels, --format, --label-column and what is done to sequences; 0 and "": as
// the data are.
struct ReadingArgs {
  int64_t height = 0, width = 0, channels = 0;
  std::string format, label_column;
  bool forecast = false;
  int64_t sequence_length = OpenOptions::kLongest;
  PaddingDirection sequence_padding_direction = PaddingDirection::kRight;
};
void AddReadingOptions(const Command& command, ReadingArgs& args);
void AddFormatOption(const Command& command, std::string& format);  // --format alone
std::string SequenceLengthText(int64_t length);
void AddSequenceLengthOption(const Command& command, int64_t& length,
                             const std::string& description);
void AddPaddingDirectionOption(const Command& command, PaddingDirection& direction);

// The options that differ from the defaults, as (name, value), in the order of help; a flag has the
// value "". And back: what a checkpoint keeps. Throws Error for values that the options do not
// take.
std::vector<std::pair<std::string, std::string>> Describe(const ReadingArgs& args);
ReadingArgs ReadingOf(const std::map<std::string, std::string>& described);

OpenOptions ToOpenOptions(const ReadingArgs& args, uint64_t seed);

// The same for a model: pictures are made to fit it, and what forecasts is given the next steps.
// Throws Error where the options ask for something else.
OpenOptions FitToModel(const ReadingArgs& args, const Network& network, uint64_t seed,
                       const std::string& model);

}  // namespace normkit::tools
