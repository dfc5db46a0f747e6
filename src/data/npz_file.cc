#include "src/data/npz_file.h"

#include <algorithm>
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

}  // namespace

NpzFile::NpzFile(const std::string& from) : path(from), bytes(ReadFile(path)), npz(bytes, path) {}

std::string NpzFile::Find(const std::string& name) const {
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

bool IsTextArray(const NpyArray& array, const std::string& where) {
  const char kind = ParseElementType(array.descr, where).kind;
  return kind == 'S' || kind == 'U';
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
