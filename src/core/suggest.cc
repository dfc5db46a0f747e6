#include "src/core/suggest.h"

#include <algorithm>
#include <cctype>
#include <numeric>
#include <tuple>
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

// What other programs, and people, call things; words and names as Letters() has them. A word may
// stand in several rows: the first name that is a candidate counts.
constexpr std::pair<std::string_view, std::string_view> kAliases[] = {
    // Options.
    {"lr", "initiallearnrate"},
    {"learningrate", "initiallearnrate"},
    {"batchsize", "minibatchsize"},
    {"bs", "minibatchsize"},
    {"weightdecay", "l2regularization"},
    {"wd", "l2regularization"},
    {"beta1", "gradientdecayfactor"},
    {"beta2", "squaredgradientdecayfactor"},
    {"clip", "gradientthreshold"},
    {"clipnorm", "gradientthreshold"},
    {"gradclip", "gradientthreshold"},
    {"optimizer", "solver"},
    {"optim", "solver"},
    {"scheduler", "learnrateschedule"},
    {"arch", "network"},
    {"model", "network"},
    {"normalization", "norm"},
    {"dataset", "data"},
    {"input", "data"},
    {"jobs", "threads"},
    {"workers", "threads"},
    {"j", "threads"},
    {"o", "output"},
    {"outdir", "output"},
    {"topk", "top"},
    {"k", "top"},
    {"layout", "format"},
    {"axis", "operationdimension"},
    {"axes", "operationdimension"},
    {"gamma", "scale"},
    {"weight", "scale"},
    {"beta", "offset"},
    {"bias", "offset"},
    {"eps", "epsilon"},
    {"eps", "solverepsilon"},
    {"epsilon", "solverepsilon"},
    {"momentum", "meandecay"},
    // Commands.
    {"fit", "train"},
    {"training", "train"},
    {"evaluate", "eval"},
    {"evaluation", "eval"},
    {"benchmark", "bench"},
    {"test", "eval"},
    {"validate", "eval"},
    {"classify", "predict"},
    {"infer", "predict"},
    {"run", "predict"},
    {"info", "inspect"},
    {"show", "inspect"},
    {"summary", "inspect"},
    {"apply", "normalize"},
    // Normalizations and other layers.
    {"bn", "batch"},
    {"ln", "layer"},
    {"in", "instance"},
    {"gn", "group"},
    {"bn", "batchnormalization"},
    {"ln", "layernormalization"},
    {"in", "instancenormalization"},
    {"gn", "groupnormalization"},
    {"batchnorm2d", "batch"},
    {"batchnorm2d", "batchnormalization"},
    {"instancenorm2d", "instance"},
    {"instancenorm2d", "instancenormalization"},
    {"conv2d", "convolution2d"},
    {"dense", "fullyconnected"},
    {"linear", "fullyconnected"},
    {"fc", "fullyconnected"},
    {"maxpool2d", "maxpooling2d"},
    {"avgpool", "averagepooling2d"},
    {"avgpool2d", "averagepooling2d"},
    {"gap", "globalaveragepooling2d"},
    {"concat", "concatenation"},
    {"depthconcatenation", "concatenation"},
    {"kernel", "filtersize"},
    {"kernelsize", "filtersize"},
    {"outchannels", "numfilters"},
    {"units", "outputsize"},
    {"outfeatures", "outputsize"},
    // Values.
    {"mse", "meansquarederror"},
    {"resnet18", "resnettiny"},
    {"resnet20", "resnettiny"},
    {"resnet50", "resnettiny"},
    // Axes: N is B, D, H, W and L are S.
    {"nc", "bc"},
    {"ncl", "bcs"},
    {"ncw", "bcs"},
    {"nlc", "bsc"},
    {"nwc", "bsc"},
    {"nchw", "bcss"},
    {"bchw", "bcss"},
    {"nhwc", "bssc"},
    {"bhwc", "bssc"},
    {"ncdhw", "bcsss"},
    {"ndhwc", "bsssc"},
    {"ntc", "btc"},
    {"chw", "css"},
    {"hwc", "ssc"},
};

bool IsSeparator(char c) { return c == '-' || c == '_' || c == ' '; }

// Lower case without separators: "--max-epochs", "MaxEpochs" and "max_epochs" have the same.
std::string Letters(std::string_view word) {
  std::string letters;
  for (const char c : word)
    if (!IsSeparator(c)) letters += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return letters;
}

// What all spellings of a word have in common: lower case, without separators between its parts.
// Those outside and those between digits count: "-1" is not "1", nor is "25-5" 255.
std::string Spelling(std::string_view word) {
  constexpr std::string_view kSeparators = "-_ ";
  const auto is_digit = [](char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; };
  const size_t first = word.find_first_not_of(kSeparators);
  const size_t last = word.find_last_not_of(kSeparators);
  std::string spelling;
  for (size_t i = 0; i < word.size(); ++i) {
    const bool inside = IsSeparator(word[i]) && first < i && i < last;
    if (inside &&
        !(is_digit(spelling.back()) && is_digit(word[word.find_first_not_of(kSeparators, i)])))
      continue;
    spelling += static_cast<char>(std::tolower(static_cast<unsigned char>(word[i])));
  }
  return spelling;
}

// "batchnormalizationlayer", "batchnorm" and "batch" have the same stem.
std::string_view Stem(std::string_view letters) {
  for (const std::string_view end : {"layer", "normalization", "norm"})
    if (letters.size() > end.size() && letters.ends_with(end)) letters.remove_suffix(end.size());
  return letters;
}

// Of what likely stands for the same: 0 is as sure as can be. Nothing at all: kNothing.
constexpr size_t kNothing = 5;

// Whether `part` begins at the beginning of the name or of one of its parts.
bool HasPart(std::string_view name, std::string_view part) {
  for (size_t i = 0; i < name.size(); ++i) {
    const bool begins = !IsSeparator(name[i]) && (i == 0 || IsSeparator(name[i - 1]));
    if (begins && Letters(name.substr(i)).starts_with(part)) return true;
  }
  return false;
}

// The rank of a candidate by the kinds of the header, for a word of these letters.
size_t Rank(const std::string& word, std::string_view candidate, size_t distance) {
  constexpr size_t kLeast = 3;  // fewer letters are the beginning of too much
  const std::string name = Letters(candidate);
  if (Stem(word) == Stem(name)) return 0;
  for (const auto& [alias, meaning] : kAliases)
    if (alias == word && meaning == name) return 1;
  if (word.size() >= kLeast && name.starts_with(word)) return 2;
  const size_t most = std::max<size_t>(1, std::max(word.size(), name.size()) / 3);
  if (distance <= most && distance < std::min(word.size(), name.size())) return 3;
  if (word.size() >= kLeast && HasPart(candidate, word)) return 4;
  return kNothing;
}

}  // namespace

std::string DidYouMean(std::string_view word, const std::vector<std::string>& candidates) {
  constexpr size_t kLongestWord = 100;  // longer ones are no typos, and would take long
  const std::string letters = Letters(word);
  if (word.size() > kLongestWord || letters.empty()) return "";
  const std::string* nearest = nullptr;
  std::tuple<size_t, size_t, size_t> best(kNothing, 0, 0);
  for (const std::string& candidate : candidates) {
    const size_t distance = EditDistance(letters, Letters(candidate));
    const size_t lengths[] = {word.size(), candidate.size()};  // of two as near, the one as long
    const std::tuple found(Rank(letters, candidate, distance), distance,
                           std::max(lengths[0], lengths[1]) - std::min(lengths[0], lengths[1]));
    if (std::get<0>(found) < kNothing && found < best) nearest = &candidate, best = found;
  }
  return nearest ? ", did you mean '" + *nearest + "'?" : "";
}

std::string SameLetters(std::string_view word, const std::vector<std::string>& candidates) {
  const std::string letters = Spelling(word);
  for (const std::string& candidate : candidates)
    if (Spelling(candidate) == letters) return candidate;
  return "";
}

bool SameStem(std::string_view a, std::string_view b) {
  const std::string letters = Spelling(a), others = Spelling(b);
  return Stem(letters) == Stem(others);
}

}  // namespace normkit
