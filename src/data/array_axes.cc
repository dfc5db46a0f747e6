#include "src/data/array_axes.h"

#include <algorithm>
#include <utility>

#include "src/core/fail.h"
#include "src/core/text.h"

namespace normkit {
namespace {

bool IsChannels(int64_t size) { return size == 1 || size == 3; }

std::string Shape(const NpyInfo& array) {
  return fmt::format("{} [{}]", array.descr, fmt::join(array.shape, ","));
}

// The format that can only be meant; throws Error where there are several.
std::string OnlyFormat(const NpyInfo& array, const std::string& where) {
  const std::vector<int64_t>& shape = array.shape;
  const char kind = ParseElementType(array.descr, where).kind;
  const bool whole = kind == 'i' || kind == 'u' || kind == 'b';
  switch (shape.size()) {
    case 2:
      return "BC";
    case 3:
      if (whole && !IsChannels(shape[1])) return "BSS";
      Fail(
          "{} is {}, which may be sequences or grey pictures: --format says which, BTC for "
          "sequences "
          "(B observations, T time, C channels), BSS for grey pictures (S space)",
          where, Shape(array));
    case 4:
      if (IsChannels(shape[3]) && !IsChannels(shape[1])) return "BSSC";
      Fail(
          "{} is {}, whose channels may be first or last: --format says which, BCSS (first) or "
          "BSSC (last; B observations, S space, C channels)",
          where, Shape(array));
    default:
      Fail("{} is {}, expected [N,F], [N,T,C], [N,H,W] or [N,H,W,C]", where, Shape(array));
  }
}

void CheckFormat(const std::string& format, const NpyInfo& array, const std::string& where) {
  const auto count = [&](char letter) { return std::count(format.begin(), format.end(), letter); };
  if (format.find_first_not_of("BSC") != format.npos)
    Fail("{}: format {} is given, expected letters B (observations), S (space) and C (channels){}",
         where, Quoted(format), count('T') > 0 ? ": these are no sequences" : "");
  if (format.size() != array.shape.size())
    Fail("{} is {}, format '{}' has {} letters, expected one an axis", where, Shape(array), format,
         format.size());
  const bool features = count('S') == 0 && count('C') == 1,
             pictures = (count('S') == 2 || count('S') == 3) && count('C') <= 1;
  if (count('B') != 1 || !(features || pictures))
    Fail(
        "{}: format '{}' is given, expected B once, and C (features), SS or SSC (pictures), "
        "SSS or SSSC (volumes)",
        where, format);
}

}  // namespace

ArrayAxes ReadAxes(const NpyInfo& array, const std::string& format, const std::string& where) {
  if (std::find(array.shape.begin(), array.shape.end(), 0) != array.shape.end())
    Fail("{} is {}, expected sizes of at least 1", where, Shape(array));
  ArrayAxes axes;
  if (format.empty()) {
    axes.format = OnlyFormat(array, where);
    axes.bytes_only = axes.format == "BSS";
  } else {
    CheckFormat(format, array, where);
    axes.format = format;
  }
  std::string labels;
  std::vector<int64_t> shape;
  for (const char label : {'B', 'S', 'C'})
    for (size_t i = 0; i < axes.format.size(); ++i) {
      if (axes.format[i] != label) continue;
      axes.order.push_back(i);
      labels += label;
      shape.push_back(array.shape[i]);
    }
  axes.count = std::exchange(shape[0], 1);
  axes.add_channel = labels == "BSS" || labels == "BSSS";
  if (axes.add_channel) {
    labels += 'C';
    shape.push_back(1);
  }
  axes.observation = Layout::Make(labels, shape);
  return axes;
}

}  // namespace normkit
