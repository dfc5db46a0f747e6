// How data are read, whatever names them: options of all commands that read any.
#pragma once

#include <string>

#include "normkit/core/layout.h"
#include "normkit/data/source.h"
#include "tools/command.h"

namespace normkit::tools {

// --image-size, --channels and --format; 0 and "": as the data are.
struct ReadingArgs {
  int64_t height = 0, width = 0, channels = 0;
  std::string format;
};
void AddReadingOptions(const Command& command, ReadingArgs& args);
void AddFormatOption(const Command& command, std::string& format);  // --format alone

OpenOptions ToOpenOptions(const ReadingArgs& args, uint64_t seed);

// The same for a model that takes `input`: pictures are made to fit it. Throws Error where the
// options ask for something else.
OpenOptions FitToModel(const ReadingArgs& args, const Layout& input, uint64_t seed,
                       const std::string& model);

}  // namespace normkit::tools
