// "Did you mean ...?"
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace normkit {

// ", did you mean 'nearest'?" for the candidate nearest to `word` by edit distance, or "" where
// none is near (more than a third of the letters differ).
std::string DidYouMean(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace normkit
