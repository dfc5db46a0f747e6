// "Did you mean ...?"
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace normkit {

// ", did you mean 'nearest'?" for the candidate that `word` is likely to stand for, or "". In this
// order: the same letters ("MaxEpochs", "max_epochs", "reluLayer"), what others call the same
// ("lr", "bn", "NCHW"), a beginning ("resnet" of "resnet-tiny"), a few wrong letters (at most a
// third), a part ("epochs" of "max-epochs").
std::string DidYouMean(std::string_view word, const std::vector<std::string>& candidates);

// The candidate that is `word` but for case and "-", "_" and blanks between its parts, or "". What
// stands before a word or between digits counts: "-1" is not "1".
std::string SameLetters(std::string_view word, const std::vector<std::string>& candidates);

// Whether two words are the same but for that and for what stands behind names of layers:
// "batchNormalizationLayer", "batchnorm" and "batch".
bool SameStem(std::string_view a, std::string_view b);

}  // namespace normkit
