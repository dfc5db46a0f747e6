// Classes from what files say about them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace normkit {

struct Labels {
  std::vector<int64_t> labels;  // one an observation, indices of classes
  std::vector<std::string> classes;
  std::vector<std::string> notes;  // for the summary
};

// From class numbers: the numbers that occur are the classes, in order, so that labels 1 to K give
// no class 0 without observations. Throws Error, which begins with `where` ("FILE: y"), for
// negative numbers and those that are too large to be meant as classes.
Labels LabelsOfNumbers(std::vector<int64_t> numbers, const std::string& where);

// The same where classes have names: numbers count them from 0.
Labels LabelsOfNames(std::vector<int64_t> numbers, std::vector<std::string> names,
                     const std::string& where);

// From the name of each observation's class; classes are sorted.
Labels LabelsOfTexts(const std::vector<std::string>& texts);

// What a text file tells of observations, one text each: whole numbers are class numbers, other
// numbers the targets of a regression, all else names of classes. One of both is empty.
struct LabelsOrTargets {
  Labels labels;
  std::vector<float> targets;
};
LabelsOrTargets AnswersOfTexts(const std::vector<std::string>& texts, const std::string& where);

}  // namespace normkit
