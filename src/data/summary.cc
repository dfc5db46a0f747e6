#include "src/data/summary.h"

#include <algorithm>

#include "src/core/fail.h"
#include "src/core/text.h"

namespace normkit {
namespace {

constexpr size_t kMostNamed = 10;  // classes, or reasons, by name in one line

std::vector<int64_t> CountClasses(const DataSource& source) {
  std::vector<int64_t> counts(source.classes().size());
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < source.size(); ++i) {
    labels.resize(static_cast<size_t>(source.Answers(i)));
    source.ReadLabels(i, labels);
    for (const int64_t label : labels) ++counts[static_cast<size_t>(label)];
  }
  return counts;
}

// "3 classes (ant 5, bee 5, cat 4)", "100 classes (of 18 to 22 each)".
std::string ClassText(const DataSource& source) {
  const std::vector<std::string>& names = source.classes();
  const std::vector<int64_t> counts = CountClasses(source);
  std::string text = fmt::format("{} class{} (", names.size(), names.size() == 1 ? "" : "es");
  if (names.size() <= kMostNamed) {
    for (size_t k = 0; k < names.size(); ++k)
      text += fmt::format("{}{} {}", k == 0 ? "" : ", ", names[k], counts[k]);
  } else {
    const auto [least, most] = std::minmax_element(counts.begin(), counts.end());
    text += *least == *most ? fmt::format("{} each", *least)
                            : fmt::format("{} to {} each", *least, *most);
  }
  return text + ")";
}

// "3 to 40 rows".
std::string LengthText(const DataSource& source) {
  int64_t least = source.size() > 0 ? source.length(0) : 0, most = least;
  for (int64_t i = 0; i < source.size(); ++i) {
    least = std::min(least, source.length(i));
    most = std::max(most, source.length(i));
  }
  return least == most ? fmt::format("{} row{}", most, most == 1 ? "" : "s")
                       : fmt::format("{} to {} rows", least, most);
}

}  // namespace

std::string SizeText(const Layout& observation) {
  const std::vector<int64_t> shape = observation.shape();
  if (observation.format() == "BSSC")
    return fmt::format("{} x {} x {} (height x width x channels)", shape[1], shape[2], shape[3]);
  if (observation.format() == "BSSSC")
    return fmt::format("{} x {} x {} x {} (depth x height x width x channels)", shape[1], shape[2],
                       shape[3], shape[4]);
  if (observation.format() == "BC")
    return fmt::format("{} feature{}", shape[1], shape[1] == 1 ? "" : "s");
  if (observation.format() == "TC")
    return fmt::format("{} feature{} a row", shape[1], shape[1] == 1 ? "" : "s");
  if (observation.format() == "TSSC")
    return fmt::format("{} x {} x {} (height x width x channels) a row", shape[1], shape[2],
                       shape[3]);
  return observation.ToString();
}

std::string AskedSizeText(int64_t height, int64_t width, int64_t channels) {
  const auto text = [](int64_t asked) { return asked == 0 ? "any" : std::to_string(asked); };
  return fmt::format("{} x {} x {}", text(height), text(width), text(channels));
}

std::string Summarize(const DataSource& source, const std::vector<std::string>& notes) {
  std::string text = source.Description() + ": ";
  if (!source.classes().empty())
    text += ClassText(source);
  else if (!source.position_classes().empty())
    text += fmt::format("{} classes ({}) of each position", source.position_classes().size(),
                        fmt::join(source.position_classes(), ", "));
  else
    text += fmt::format("{} target value{} each", source.target_size(),
                        source.target_size() == 1 ? "" : "s");
  if (source.answers_each_row()) text += source.classes().empty() ? " row" : " of rows";
  text += ", " + SizeText(source.layout());
  if (source.layout().packed()) text += ", " + LengthText(source);
  for (const std::string& note : notes) text += "; " + note;
  return OneLine(text);
}

std::string LeftOut::ToString() const {
  std::string text;
  size_t named = 0;
  int64_t others = 0;
  for (const auto& [reason, count] : counts_) {
    if (named < kMostNamed)
      text += fmt::format("{}{} {}", named++ == 0 ? "" : ", ", count, reason);
    else
      others += count;
  }
  return others == 0 ? text : fmt::format("{}, {} others", text, others);
}

}  // namespace normkit
