#include "tools/data_options.h"

#include "src/core/fail.h"
#include "src/core/numbers.h"
#include "src/core/suggest.h"
#include "src/data/picture_size.h"
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

constexpr NumberRange<int64_t> kSteps{1, 1'000'000'000};

int64_t ParseSequenceLength(const std::string& text) {
  const std::vector<std::string> words{"longest", "shortest"};
  if (const std::string word = SameLetters(text, words); !word.empty())
    return word == words[0] ? OpenOptions::kLongest : OpenOptions::kShortest;
  const std::optional<int64_t> number = ParseNumber<int64_t>(text);
  if (!number || !kSteps.Contains(*number))
    Fail("{} given, expected {}, {}{}", Quoted(text), kSteps.ToString(), OneOf(words),
         DidYouMean(text, words));
  return *number;
}

const std::vector<std::string> kDirections{"right", "left"};  // as PaddingDirection counts

PaddingDirection ParseDirection(const std::string& text) {
  return Choose(text, kDirections) == kDirections[0] ? PaddingDirection::kRight
                                                     : PaddingDirection::kLeft;
}

std::string DirectionText(PaddingDirection direction) {
  return kDirections[static_cast<size_t>(direction)];
}

// The options of sequences and tables.
void AddSequenceOptions(const Command& command, ReadingArgs& args) {
  AddText(
      command, "--label-column", args.label_column, "NAME",
      "The column of a table (.csv) that is to be told, by its name or its number from 1; without, "
      "the one called label, class, target or y, else the last");
  AddFlag(command, "--forecast", args.forecast,
          "Sequences: the target of each step is the next one, instead of what the data say");
  AddSequenceLengthOption(
      command, args.sequence_length,
      "Sequences: longest leaves them as they are, shortest cuts all to the shortest, N cuts "
      "each into pieces of up to N steps");
  AddPaddingDirectionOption(command, args.sequence_padding_direction);
}

}  // namespace

std::string SequenceLengthText(int64_t length) {
  if (length == OpenOptions::kLongest) return "longest";
  return length == OpenOptions::kShortest ? "shortest" : std::to_string(length);
}

void AddSequenceLengthOption(const Command& command, int64_t& length,
                             const std::string& description) {
  AddValue(command, "--sequence-length", "N", "a whole number, longest or shortest", description,
           [&length](const std::string& text) { length = ParseSequenceLength(text); })
      .Default("longest");
}

void AddPaddingDirectionOption(const Command& command, PaddingDirection& direction) {
  AddValue(
      command, "--sequence-padding-direction", "NAME", OneOf(kDirections),
      "Where arrays [N,T,C] have the padding of shorter sequences: right of them (at the end) or "
      "left; --sequence-length cuts at that end",
      [&direction](const std::string& text) { direction = ParseDirection(text); })
      .Default(DirectionText(direction));
}

std::vector<std::pair<std::string, std::string>> Describe(const ReadingArgs& args) {
  std::vector<std::pair<std::string, std::string>> described;
  const auto add = [&](bool differs, const char* name, const std::string& value) {
    if (differs) described.emplace_back(name, value);
  };
  const ReadingArgs plain;
  add(args.height > 0, "image-size", fmt::format("{}x{}", args.height, args.width));
  add(args.channels > 0, "channels", std::to_string(args.channels));
  add(!args.format.empty(), "format", args.format);
  add(!args.label_column.empty(), "label-column", args.label_column);
  add(args.forecast, "forecast", "");
  add(args.sequence_length != plain.sequence_length, "sequence-length",
      SequenceLengthText(args.sequence_length));
  add(args.sequence_padding_direction != plain.sequence_padding_direction,
      "sequence-padding-direction", DirectionText(args.sequence_padding_direction));
  return described;
}

ReadingArgs ReadingOf(const std::map<std::string, std::string>& described) {
  ReadingArgs args;
  const auto take = [&](const char* name, const auto& parse) {
    if (const auto found = described.find(name); found != described.end()) parse(found->second);
  };
  take("image-size", [&](const std::string& text) { ParseImageSize(text, args); });
  take("channels", [&](const std::string& text) { ParseChannels(text, args); });
  take("format", [&](const std::string& text) { args.format = text; });
  take("label-column", [&](const std::string& text) { args.label_column = text; });
  take("forecast", [&](const std::string&) { args.forecast = true; });
  take("sequence-length",
       [&](const std::string& text) { args.sequence_length = ParseSequenceLength(text); });
  take("sequence-padding-direction",
       [&](const std::string& text) { args.sequence_padding_direction = ParseDirection(text); });
  return args;
}

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
  AddSequenceOptions(command, args);
}

void AddFormatOption(const Command& command, std::string& format) {
  AddValue(
      command, "--format", "LETTERS", "a letter an axis, such as BCSS",
      "What the axes of arrays mean, a letter each: B observations, T time, S space, C channels; "
      "BCSS is [N,C,H,W], BSS [N,H,W], BTC sequences [N,T,C]; of a folder BSSS: a folder a class, "
      "in it a "
      "folder of slices a volume",
      [&format](const std::string& text) {
        if (text.empty() || text.find_first_not_of("BTSC") != text.npos)
          Fail("{} given, expected letters of B, T, S and C, one an axis, such as BCSS{}",
               Quoted(text), DidYouMean(text, {"BCSS", "BSSC", "BSS", "BC", "BTC", "TC"}));
        format = text;
      });
}

OpenOptions ToOpenOptions(const ReadingArgs& args, uint64_t seed) {
  return {.seed = seed,
          .height = args.height,
          .width = args.width,
          .channels = args.channels,
          .format = args.format,
          .label_column = args.label_column,
          .forecast = args.forecast,
          .sequence_length = args.sequence_length,
          .sequence_padding_direction = args.sequence_padding_direction};
}

OpenOptions FitToModel(const ReadingArgs& args, const Network& network, uint64_t seed,
                       const std::string& model) {
  OpenOptions options = ToOpenOptions(args, seed);
  const Layout input = network.graph.input_layout();
  options.forecast |= network.facts.contains("forecast");
  const auto size = PictureSizeOf(input);
  if (!size) return options;
  const auto fits = [](int64_t asked, int64_t takes) { return asked == 0 || asked == takes; };
  if (!fits(args.height, size->height) || !fits(args.width, size->width) ||
      !fits(args.channels, size->channels))
    Fail(
        "{}: takes {}, {} is asked for by --image-size and --channels; leave them out, pictures "
        "are made to fit",
        model, SizeText(input), AskedSizeText(args.height, args.width, args.channels));
  options.height = size->height;
  options.width = size->width;
  options.channels = size->channels;
  return options;
}

}  // namespace normkit::tools
