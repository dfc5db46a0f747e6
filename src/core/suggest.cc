#include "src/core/suggest.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace normkit {
namespace {

// Edits that turn a into b: insert, delete, replace, or swap two neighbours (the commonest typo).
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    before = std::exchange(last, row);
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const bool same = a[i - 1] == b[j - 1];
      row[j] = std::min({row[j - 1] + 1, last[j] + 1, last[j - 1] + !same});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
  }
  return row[b.size()];
}

}  // namespace

std::string DidYouMean(std::string_view word, const std::vector<std::string>& candidates) {
  constexpr size_t kLongestWord = 100;  // longer ones are no typos, and would take long
  if (word.size() > kLongestWord) return "";
  const std::string* nearest = nullptr;
  size_t best = 0;
  for (const std::string& candidate : candidates) {
    const size_t distance = EditDistance(word, candidate);
    if (!nearest || distance < best) nearest = &candidate, best = distance;
  }
  if (!nearest || best > std::max<size_t>(1, std::max(word.size(), nearest->size()) / 3)) return "";
  return ", did you mean '" + *nearest + "'?";
}

}  // namespace normkit
