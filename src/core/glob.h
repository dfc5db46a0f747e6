// Names by patterns: "conv*", "layer?.bn1".
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace normkit {

// `*` stands for any letters, none too, `?` for one; all others for themselves. In a time that is
// at most the product of both lengths.
bool MatchesGlob(std::string_view pattern, std::string_view name);

// Patterns of which each has to name something.
class Globs {
 public:
  // `what` begins messages: "freeze".
  Globs(std::vector<std::string> patterns, std::string what);

  // Whether one of them names one of `names`: those of one thing.
  bool Match(const std::vector<std::string>& names);
  // Throws Error where a pattern named nothing so far: "freeze: no layer is 'con*', expected ...".
  void CheckAllNamed() const;

 private:
  std::vector<std::string> patterns_, seen_;
  std::vector<char> used_;
  std::string what_;
};

}  // namespace normkit
