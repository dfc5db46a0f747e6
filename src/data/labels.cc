#include "src/data/labels.h"

#include <algorithm>
#include <map>
#include <set>

#include "src/core/fail.h"
#include "src/core/text.h"
#include "src/data/text_lines.h"

namespace normkit {
namespace {

void CheckNumbers(const std::vector<int64_t>& numbers, int64_t limit, const std::string& hint,
                  const std::string& where) {
  for (size_t i = 0; i < numbers.size(); ++i)
    if (numbers[i] < 0 || numbers[i] >= limit)
      Fail("{}[{}] is {}, expected a class number from 0 to {} ({})", where, i, numbers[i],
           limit - 1, hint);
}

}  // namespace

Labels LabelsOfNumbers(std::vector<int64_t> numbers, const std::string& where) {
  // Thousands of classes without observations are a mistake.
  const int64_t limit = std::max<int64_t>(1000, 10 * std::ssize(numbers));
  CheckNumbers(numbers, limit, "targets of a regression are floating-point", where);
  std::map<int64_t, int64_t> index;
  for (const int64_t number : numbers) index[number] = 0;
  Labels found;
  for (auto& [number, class_index] : index) {
    class_index = std::ssize(found.classes);
    found.classes.push_back(std::to_string(number));
  }
  if (!index.empty() && index.rbegin()->first >= std::ssize(found.classes))
    found.notes.push_back(fmt::format("class numbers {} to {}, of which {} occur",
                                      index.begin()->first, index.rbegin()->first, index.size()));
  for (int64_t& number : numbers) number = index[number];
  found.labels = std::move(numbers);
  return found;
}

Labels LabelsOfNames(std::vector<int64_t> numbers, std::vector<std::string> names,
                     const std::string& where) {
  CheckNumbers(numbers, std::ssize(names),
               fmt::format("classes has {} names, which count from 0", names.size()), where);
  const std::set<int64_t> present(numbers.begin(), numbers.end());
  Labels found{std::move(numbers), std::move(names), {}};
  if (present.size() < found.classes.size())
    found.notes.push_back(fmt::format("{} of the classes have no observations",
                                      found.classes.size() - present.size()));
  return found;
}

Labels LabelsOfTexts(const std::vector<std::string>& texts) {
  std::map<std::string, int64_t> index;
  for (const std::string& text : texts) index[text] = 0;
  Labels found;
  for (auto& [name, class_index] : index) {
    class_index = std::ssize(found.classes);
    found.classes.push_back(OneLine(name));
  }
  for (const std::string& text : texts) found.labels.push_back(index[text]);
  return found;
}

LabelsOrTargets AnswersOfTexts(const std::vector<std::string>& texts, const std::string& where) {
  std::vector<int64_t> numbers;
  std::vector<float> targets;
  for (const std::string& text : texts) {
    if (const auto number = ParseNumber<int64_t>(Trimmed(text))) numbers.push_back(*number);
    if (const auto target = ParseFloat(text)) targets.push_back(*target);
  }
  if (numbers.size() == texts.size()) return {LabelsOfNumbers(std::move(numbers), where), {}};
  if (targets.size() == texts.size()) return {{}, std::move(targets)};
  return {LabelsOfTexts(texts), {}};
}

}  // namespace normkit
