#include "src/core/suggest.h"

#include <algorithm>
#include <numeric>

namespace normkit {
namespace {

// Levenshtein distance by rows.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

}  // namespace

std::string DidYouMean(std::string_view word, const std::vector<std::string>& candidates) {
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
