#include "src/data/npz_source.h"

#include <algorithm>
#include <set>

#include "src/core/fail.h"
#include "src/core/files.h"
#include "src/core/text.h"
#include "src/data/array_axes.h"
#include "src/data/array_source.h"
#include "src/data/labels.h"
#include "src/data/npy_format.h"

namespace normkit {
namespace {

// The bytes of a file and what is in them.
struct File {
  explicit File(const std::string& from) : path(from), bytes(ReadFile(path)), npz(bytes, path) {}

  // The array of this name, in whatever folder of the archive; "" where there is none.
  std::string Find(const std::string& name) const {
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

  std::string path, bytes;
  NpzReader npz;
};

// Calls read() so that what is wrong with an array names the file and the array.
template <class Read>
auto Named(const std::string& where, const Read& read) {
  try {
    return read();
  } catch (const Error& error) {
    const std::string what = error.what();
    if (what.starts_with(where.substr(0, where.find(": ")))) throw;
    Fail("{}: {}", where, what);
  }
}

std::string Shape(const NpyArray& array) {
  return fmt::format("{} [{}]", array.descr, fmt::join(array.shape, ","));
}

// The names that an .npz gives its classes.
std::vector<std::string> ReadClassNames(const NpyArray& array, const std::string& where) {
  if (array.shape.size() != 1 || array.size() == 0 || array.IsIntegral())
    Fail("{} is {}, expected a row of texts, one a class", where, Shape(array));
  std::vector<std::string> names = Named(where, [&] { return array.AsTexts(); });
  std::set<std::string_view> seen;
  for (size_t i = 0; i < names.size(); ++i)
    if (names[i].empty() || !seen.insert(names[i]).second)
      Fail("{}[{}] is '{}', expected a name that no other class has", where, i, names[i]);
  for (std::string& name : names) name = OneLine(name);
  return names;
}

// What an observation is, or the values that belong to it.
struct Answers {
  Labels labels;
  std::vector<float> targets;
  int64_t target_size = 0;
};

bool IsText(const NpyArray& array, const std::string& where) {
  const char kind = ParseElementType(array.descr, where).kind;
  return kind == 'S' || kind == 'U';
}

// y is [N] or [N,1] with class numbers or names, or floating-point numbers [N,...].
Answers ReadAnswers(const File& file, int64_t count, const std::string& x_shape) {
  const std::string where = file.path + ": y";
  const NpyArray y = file.npz.Read(file.Find("y"));
  if (y.shape.empty() || y.shape[0] != count)
    Fail("{} is [{}], expected {} observations as in x [{}]", where, fmt::join(y.shape, ","), count,
         x_shape);
  const std::string names = file.Find("classes");
  const bool text = IsText(y, where);
  Answers answers;
  if (y.IsIntegral() || text) {
    if (y.size() != count)
      Fail("{} is {} [{}], expected [{}] (class {})", where, text ? "texts" : "integers",
           fmt::join(y.shape, ","), count, text ? "names" : "numbers");
    if (text)
      answers.labels = LabelsOfTexts(Named(where, [&] { return y.AsTexts(); }));
    else if (names.empty())
      answers.labels = LabelsOfNumbers(Named(where, [&] { return y.AsIntegers(); }), where);
    else
      answers.labels =
          LabelsOfNames(Named(where, [&] { return y.AsIntegers(); }),
                        ReadClassNames(file.npz.Read(names), file.path + ": classes"), where);
    return answers;
  }
  if (!names.empty())
    Fail("{}: has classes, but y is {}, expected integers (class numbers)", file.path, y.descr);
  answers.targets = Named(where, [&] { return y.AsFloats(); });
  answers.target_size = y.size() / count;
  return answers;
}

// Whole numbers were taken for pictures: they must be those of pictures.
void CheckBytes(const NpyArray& x, const std::string& where) {
  for (const int64_t value : x.AsIntegers())
    if (value < 0 || value > 255)
      Fail(
          "{} is {} and holds {}, expected whole numbers from 0 to 255 in pictures; --format says "
          "what else the axes mean (BSS: grey pictures all the same)",
          where, Shape(x), value);
}

bool IsByte(const std::string& descr) { return descr == "|u1" || descr == "|b1"; }

// x as the source keeps it.
NpyArray ReadX(const File& file, const ArrayAxes& axes) {
  const std::string where = file.path + ": x";
  NpyArray x = file.npz.Read(file.Find("x"));
  if (axes.bytes_only && !IsByte(x.descr)) CheckBytes(x, where);
  if (std::is_sorted(axes.order.begin(), axes.order.end())) return x;
  return Transposed(x, axes.order);
}

template <class T, class Convert>
DataPtr MakeSource(std::shared_ptr<File> file, const ArrayAxes& axes, Answers answers,
                   const Convert& convert) {
  Arrays<T> arrays;
  arrays.layout = axes.observation;
  arrays.count = axes.count;
  arrays.description = fmt::format("{} ({} observations)", file->path, axes.count);
  arrays.notes = answers.labels.notes;
  if (axes.format != "BSSC" && axes.format != "BC" && axes.format != "BSS")
    arrays.notes.push_back(fmt::format("read as {}, made channels last", axes.format));
  arrays.labels = std::move(answers.labels.labels);
  arrays.classes = std::move(answers.labels.classes);
  arrays.targets = std::move(answers.targets);
  arrays.target_size = answers.target_size;
  arrays.decode = [file = std::move(file), axes, convert]() mutable {
    const NpyArray x = ReadX(*file, axes);
    file.reset();  // before the values are there a second time
    return convert(x);
  };
  return std::make_shared<ArraySource<T>>(std::move(arrays));
}

}  // namespace

DataPtr OpenNpz(const std::string& path, const OpenOptions& options) {
  auto file = std::make_shared<File>(path);
  const std::vector<std::string> names = file->npz.names();
  for (const char* wanted : {"x", "y"})
    if (file->Find(wanted).empty())
      Fail("{}: has no array '{}', expected x and y (it has: {})", path, wanted,
           names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", ")));
  const NpyInfo info = file->npz.Info(file->Find("x"));
  if (std::string_view("fiubV").find(ParseElementType(info.descr, path + ": x").kind) ==
      std::string_view::npos)
    Fail("{}: x is {} [{}], expected real numbers", path, info.descr, fmt::join(info.shape, ","));
  const ArrayAxes axes = ReadAxes(info, options.format, path + ": x");
  Answers answers = ReadAnswers(*file, axes.count, fmt::format("{}", fmt::join(info.shape, ",")));
  if (IsByte(info.descr))
    return MakeSource<uint8_t>(std::move(file), axes, std::move(answers), [](const NpyArray& x) {
      const auto* begin = reinterpret_cast<const uint8_t*>(x.data.data());
      return std::vector<uint8_t>(begin, begin + x.data.size());
    });
  return MakeSource<float>(std::move(file), axes, std::move(answers),
                           [](const NpyArray& x) { return x.AsFloats(); });
}

}  // namespace normkit
