#include "src/core/names.h"

#include <algorithm>

#include "src/core/fail.h"
#include "src/core/suggest.h"
#include "src/core/text.h"

namespace normkit {

int FindName(std::string_view text, std::span<const std::string_view> names) {
  const std::string found = SameLetters(text, {names.begin(), names.end()});
  const auto name = std::ranges::find(names, found);
  return name == names.end() ? -1 : static_cast<int>(name - names.begin());
}

int ParseName(std::string_view what, std::string_view text,
              std::span<const std::string_view> names) {
  if (const int found = FindName(text, names); found >= 0) return found;
  Fail("{} {} is unknown, expected {}{}", what, Quoted(text), fmt::join(names, ", "),
       DidYouMean(text, {names.begin(), names.end()}));
}

}  // namespace normkit
