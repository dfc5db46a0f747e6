#include "tools/data_options.h"

#include "src/core/fail.h"
#include "src/core/numbers.h"
#include "src/core/suggest.h"
#include "src/data/summary.h"
#include "tools/options.h"

namespace normkit::tools {
namespace {

constexpr NumberRange<int64_t> kSide{1, 65'535};

// "224x224" or "auto".
void ParseImageSize(const std::string& text, ReadingArgs& args) {
  args.height = args.width = 0;
  if (text == "auto") return;
  const size_t x = text.find_first_of("xX");
  const auto side = [&](const std::string& part) { return ParseNumber<int64_t>(part); };
  const auto height = side(text.substr(0, x));
  const auto width = x == text.npos ? height : side(text.substr(x + 1));
  if (x == text.npos || !height || !width || !kSide.Contains(*height) || !kSide.Contains(*width))
    Fail("{} given, expected HEIGHTxWIDTH, such as 96x128, each {}, or auto", Quoted(text),
         kSide.ToString());
  args.height = *height;
  args.width = *width;
}

void ParseChannels(const std::string& text, ReadingArgs& args) {
  if (text != "auto" && text != "1" && text != "3")
    Fail("{} given, expected 1 (grey), 3 (colour) or auto", Quoted(text));
  args.channels = text == "auto" ? 0 : text[0] - '0';
}

}  // namespace

void AddReadingOptions(const Command& command, ReadingArgs& args) {
  AddValue(command, "--image-size", "HxW", "HEIGHTxWIDTH",
           "Height and width that pictures in folders are resized to; auto: their median",
           [&args](const std::string& text) { ParseImageSize(text, args); })
      .Default("auto");
  AddValue(command, "--channels", "N", "1, 3 or auto",
           "Pictures in folders as grey (1) or colour (3); auto: colour where any has it",
           [&args](const std::string& text) { ParseChannels(text, args); })
      .Default("auto");
  AddFormatOption(command, args.format);
}

void AddFormatOption(const Command& command, std::string& format) {
  AddValue(command, "--format", "LETTERS", "a letter an axis, such as BCSS",
           "What the axes of arrays mean, a letter each: B observations, S space, C channels; BCSS "
           "is [N,C,H,W], BSS [N,H,W]",
           [&format](const std::string& text) {
             if (text.empty() || text.find_first_not_of("BTSC") != text.npos)
               Fail("{} given, expected letters of B, T, S and C, one an axis, such as BCSS{}",
                    Quoted(text), DidYouMean(text, {"BCSS", "BSSC", "BSS", "BC"}));
             format = text;
           });
}

OpenOptions ToOpenOptions(const ReadingArgs& args, uint64_t seed) {
  return {.seed = seed,
          .height = args.height,
          .width = args.width,
          .channels = args.channels,
          .format = args.format};
}

OpenOptions FitToModel(const ReadingArgs& args, const Layout& input, uint64_t seed,
                       const std::string& model) {
  OpenOptions options = ToOpenOptions(args, seed);
  if (input.format() != "BSSC") return options;
  const std::vector<int64_t> shape = input.shape();
  const auto fits = [](int64_t asked, int64_t takes) { return asked == 0 || asked == takes; };
  if (!fits(args.height, shape[1]) || !fits(args.width, shape[2]) || !fits(args.channels, shape[3]))
    Fail(
        "{}: takes {}, {} is asked for by --image-size and --channels; leave them out, pictures "
        "are made to fit",
        model, SizeText(input), AskedSizeText(args.height, args.width, args.channels));
  options.height = shape[1];
  options.width = shape[2];
  options.channels = shape[3];
  return options;
}

}  // namespace normkit::tools
