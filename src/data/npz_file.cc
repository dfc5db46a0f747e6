#include "src/data/npz_file.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>
#include <string_view>
#include <utility>

#include "src/core/files.h"
#include "src/core/text.h"

namespace normkit {
namespace {

NpyInfo InfoOf(const NpyArray& array) { return {array.descr, array.shape}; }

// The names that an .npz gives its classes.
std::vector<std::string> ReadClassNames(const NpyArray& array, const std::string& where) {
  if (array.shape.size() != 1 || array.size() == 0 || array.IsIntegral())
    Fail("{} is {}, expected a row of texts, one a class", where, TypeAndShape(InfoOf(array)));
  std::vector<std::string> names = NamingArray(where, [&] { return array.AsTexts(); });
  std::set<std::string_view> seen;
  for (size_t i = 0; i < names.size(); ++i)
    if (names[i].empty() || !seen.insert(names[i]).second)
      Fail("{}[{}] is '{}', expected a name that no other class has", where, i, names[i]);
  for (std::string& name : names) name = OneLine(name);
  return names;
}

// What observations and their answers are called: here, by Keras, by MedMNIST, by others.
struct PartNames {
  std::string_view part, x, y;
};
constexpr PartNames kPartNames[] = {{"", "x", "y"},
                                    {"train", "x_train", "y_train"},
                                    {"train", "X_train", "y_train"},
                                    {"train", "train_images", "train_labels"},
                                    {"val", "x_val", "y_val"},
                                    {"val", "X_val", "y_val"},
                                    {"val", "val_images", "val_labels"},
                                    {"test", "x_test", "y_test"},
                                    {"test", "X_test", "y_test"},
                                    {"test", "test_images", "test_labels"},
                                    {"", "X", "y"},
                                    {"", "images", "labels"}};

}  // namespace

NpzFile::NpzFile(const std::string& from, const std::string& part)
    : path(from), bytes(ReadFile(path)), npz(bytes, path) {
  for (const PartNames& names : kPartNames) {
    if ((!part.empty() && names.part != part) || FindExactly(std::string(names.x)).empty())
      continue;
    x_ = names.x;
    y_ = names.y;
    return;
  }
  if (!part.empty())
    Fail("{}: has no part '{}', expected arrays x_{} and y_{}, or {}_images and {}_labels", path,
         part, part, part, part, part);
}

std::string NpzFile::NamesNote() const {
  if (x_ == "x") return "";
  std::string others;
  for (const PartNames& names : kPartNames)
    if (!names.part.empty() && names.x != x_ && !FindExactly(std::string(names.x)).empty())
      others += fmt::format("{}FILE:{}", others.empty() ? "; others: " : ", ", names.part);
  return fmt::format("{} and {} of the file{}", x_, y_, others);
}

std::string NpzFile::Find(const std::string& name) const {
  return FindExactly(name == "x" ? x_ : name == "y" ? y_ : name);
}

std::string NpzFile::FindExactly(const std::string& name) const {
  const std::vector<std::string> names = npz.names();
  if (std::find(names.begin(), names.end(), name) != names.end()) return name;
  std::string found;
  for (const std::string& candidate : names) {
    if (!candidate.ends_with("/" + name)) continue;
    if (!found.empty())
      Fail("{}: has both {} and {}, expected one array '{}'", path, found, candidate, name);
    found = candidate;
  }
  return found;
}

std::string TypeAndShape(const NpyInfo& array) {
  return fmt::format("{} [{}]", array.descr, fmt::join(array.shape, ","));
}

namespace {

// The place of the one in each row, else nothing.
std::vector<int64_t> PlacesOfOnes(const std::vector<float>& values, int64_t width) {
  std::vector<int64_t> places;
  for (size_t row = 0; row < values.size(); row += static_cast<size_t>(width)) {
    int64_t place = -1;
    for (int64_t k = 0; k < width; ++k) {
      const float value = values[row + static_cast<size_t>(k)];
      if (value == 0) continue;
      if (value != 1 || place >= 0) return {};
      place = k;
    }
    if (place < 0) return {};
    places.push_back(place);
  }
  return places;
}

// Those of the values, where they are 0 to K - 1 or 1 to K, all of them there; else nothing.
std::vector<int64_t> WithoutGaps(const std::vector<float>& values) {
  std::set<int64_t> seen;
  std::vector<int64_t> numbers;
  for (const float value : values) {
    if (!(value >= 0) || value != std::floor(value) || value > static_cast<float>(values.size()))
      return {};
    numbers.push_back(static_cast<int64_t>(value));
    seen.insert(numbers.back());
  }
  const auto count = std::ssize(seen);
  const bool all = count > 1 && *seen.begin() <= 1 && *seen.rbegin() - *seen.begin() + 1 == count;
  return all && 2 * count <= std::ssize(numbers) ? numbers : std::vector<int64_t>();
}

NpyArray Integers(const std::vector<int64_t>& numbers) {
  NpyArray array{.descr = "<i8", .shape = {std::ssize(numbers)}};
  array.data.resize(numbers.size() * sizeof(int64_t));
  std::memcpy(array.data.data(), numbers.data(), array.data.size());
  return array;
}

}  // namespace

NpyArray AsClassNumbers(NpyArray y, std::string& note) {
  const char kind = ParseElementType(y.descr, "y").kind;
  const bool floats = kind == 'f';
  if (!floats && kind != 'i' && kind != 'u' && kind != 'b') return y;
  if (y.shape.size() == 2 && y.shape[1] > 1) {
    const std::vector<int64_t> places = PlacesOfOnes(y.AsFloats(), y.shape[1]);
    if (places.empty()) return y;
    note = fmt::format("y [N,{}] taken for one-hot classes", y.shape[1]);
    const auto occur = std::ssize(std::set<int64_t>(places.begin(), places.end()));
    if (occur < y.shape[1]) note += fmt::format(", of which {} occur", occur);
    return Integers(places);
  }
  if (!floats || y.shape.size() != 1) return y;
  const std::vector<int64_t> numbers = WithoutGaps(y.AsFloats());
  if (numbers.empty()) return y;
  note = "y of whole numbers taken for classes (targets: as [N,1])";
  return Integers(numbers);
}

bool IsTextArray(const NpyArray& array, const std::string& where) {
  const char kind = ParseElementType(array.descr, where).kind;
  return kind == 'S' || kind == 'U';
}

NpzAnswers PositionAnswers(const NpzFile& file, const NpyArray& y, int64_t count) {
  constexpr int64_t kMostClasses = 1 << 10;
  const std::string where = file.path + ": y", names = file.Find("classes");
  NpzAnswers answers;
  int64_t most = 0;
  for (const int64_t label : NamingArray(where, [&] { return y.AsIntegers(); })) {
    if (label < 0 || label >= kMostClasses)
      Fail("{} holds {}, expected class numbers of positions, 0 to {}", where, label,
           kMostClasses - 1);
    most = std::max(most, label);
    answers.targets.push_back(static_cast<float>(label));
  }
  answers.target_size = y.size() / count;
  if (!names.empty())
    answers.position_classes = ReadClassNames(file.npz.Read(names), file.path + ": classes");
  else
    for (int64_t i = 0; i <= std::max<int64_t>(1, most); ++i)
      answers.position_classes.push_back(std::to_string(i));
  if (most >= std::ssize(answers.position_classes))
    Fail("{} holds {}, expected the numbers of {} classes, from 0", where, most,
         answers.position_classes.size());
  return answers;
}

NpzAnswers AnswersOf(const NpzFile& file, const NpyArray& y, int64_t count) {
  const std::string where = file.path + ": y";
  const std::string names = file.Find("classes");
  const bool text = IsTextArray(y, where);
  NpzAnswers answers;
  if (y.IsIntegral() || text) {
    if (y.size() != count)
      Fail("{} is {} [{}], expected [{}] (class {})", where, text ? "texts" : "integers",
           fmt::join(y.shape, ","), count, text ? "names" : "numbers");
    if (text)
      answers.labels = LabelsOfTexts(NamingArray(where, [&] { return y.AsTexts(); }));
    else if (names.empty())
      answers.labels = LabelsOfNumbers(NamingArray(where, [&] { return y.AsIntegers(); }), where);
    else
      answers.labels =
          LabelsOfNames(NamingArray(where, [&] { return y.AsIntegers(); }),
                        ReadClassNames(file.npz.Read(names), file.path + ": classes"), where);
    return answers;
  }
  if (!names.empty())
    Fail("{}: has classes, but y is {}, expected integers (class numbers)", file.path, y.descr);
  answers.targets = NamingArray(where, [&] { return y.AsFloats(); });
  answers.target_size = y.size() / count;
  return answers;
}

}  // namespace normkit
