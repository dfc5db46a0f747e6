#include "src/core/glob.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "src/core/fail.h"
#include "src/core/suggest.h"

namespace normkit {

bool MatchesGlob(std::string_view pattern, std::string_view name) {
  size_t p = 0, n = 0, star = pattern.npos, from = 0;  // the last `*`, and where it began to stand
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      from = n;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == name[n])) {
      ++p;
      ++n;
    } else if (star != pattern.npos) {
      p = star + 1;
      n = ++from;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == pattern.npos;
}

Globs::Globs(std::vector<std::string> patterns, std::string what)
    : patterns_(std::move(patterns)), used_(patterns_.size()), what_(std::move(what)) {}

bool Globs::Match(const std::vector<std::string>& names) {
  bool matches = false;
  for (size_t i = 0; i < patterns_.size(); ++i)
    for (const std::string& name : names)
      if (MatchesGlob(patterns_[i], name)) {
        matches = true;
        used_[i] = 1;
      }
  if (!patterns_.empty() && !names.empty() && (seen_.empty() || seen_.back() != names.front()))
    seen_.push_back(names.front());
  return matches;
}

void Globs::CheckAllNamed() const {
  constexpr std::ptrdiff_t kShown = 12;
  for (size_t i = 0; i < patterns_.size(); ++i) {
    if (used_[i]) continue;
    const std::vector<std::string> some(seen_.begin(),
                                        seen_.begin() + std::min(std::ssize(seen_), kShown));
    Fail("{}: nothing is called {}{}; expected some of: {}{}", what_, Quoted(patterns_[i]),
         DidYouMean(patterns_[i], seen_), fmt::join(some, ", "),
         std::ssize(seen_) > kShown ? ", ..." : "");
  }
}

}  // namespace normkit
