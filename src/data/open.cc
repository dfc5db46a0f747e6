#include <charconv>
#include <filesystem>
#include <set>

#include "normkit/data/npy.h"
#include "src/core/fail.h"
#include "src/core/suggest.h"
#include "src/data/array_source.h"
#include "src/data/folder.h"
#include "src/data/idx.h"

namespace normkit {
namespace {

namespace fs = std::filesystem;

DataPtr OpenDigits(const std::string& spec, const OpenOptions& options) {
  int64_t count = options.count;
  if (const size_t colon = spec.find(':'); colon != spec.npos) {
    const char *begin = spec.data() + colon + 1, *end = spec.data() + spec.size();
    const auto [stop, error] = std::from_chars(begin, end, count);
    if (error != std::errc() || stop != end)
      Fail("data '{}': '{}' is no number, expected digits:COUNT", spec, std::string(begin, end));
  }
  return GenerateDigits(count, options.seed);
}

// The layout of one observation of x; `x` is [count, ...].
Layout ObservationLayout(const NpyArray& x, const std::string& path) {
  std::vector<int64_t> shape = x.shape;
  const size_t rank = shape.size();
  if (rank < 2 || rank > 4 || x.size() == 0)
    Fail("{}: x is [{}], expected [N,F], [N,H,W] or [N,H,W,C] with none of them 0", path,
         fmt::join(shape, ","));
  shape[0] = 1;
  if (rank == 2) return Layout::Make("BC", shape);
  if (rank == 3) shape.push_back(1);
  return Layout::Make("BSSC", shape);
}

// The names that an .npz gives its classes.
std::vector<std::string> ReadClassNames(const NpyArray& array, const std::string& path) {
  if (array.shape.size() != 1 || array.size() == 0 || array.IsIntegral())
    Fail("{}: classes is {} [{}], expected a row of texts, one a class", path, array.descr,
         fmt::join(array.shape, ","));
  std::vector<std::string> names;
  try {
    names = array.AsTexts();
  } catch (const Error& error) {
    Fail("{}: classes: {}", path, error.what());
  }
  std::set<std::string_view> seen;
  for (size_t i = 0; i < names.size(); ++i)
    if (names[i].empty() || !seen.insert(names[i]).second)
      Fail("{}: classes[{}] is '{}', expected a name that no other class has", path, i, names[i]);
  return names;
}

// y is [N] or [N,1] with class numbers, from 0; `classes` may be empty, names are the numbers then.
DataPtr OpenClasses(Layout layout, const NpyArray& x, const NpyArray& y,
                    std::vector<std::string> classes, const std::string& path,
                    std::string description) {
  if (y.size() != y.shape[0])
    Fail("{}: y is integers [{}], expected [{}] (class numbers)", path, fmt::join(y.shape, ","),
         y.shape[0]);
  std::vector<int64_t> labels = y.AsIntegers();
  // A class without observations is possible, thousands of them are a mistake.
  const int64_t limit = classes.empty() ? std::max<int64_t>(1000, 10 * y.size())
                                        : static_cast<int64_t>(classes.size());
  int64_t last = 0;
  for (size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] < 0 || labels[i] >= limit)
      Fail(
          "{}: y[{}] is {}, expected a class number from 0 to {} (targets of a regression are "
          "floating-point)",
          path, i, labels[i], limit - 1);
    last = std::max(last, labels[i]);
  }
  if (classes.empty())
    for (int64_t i = 0; i <= last; ++i) classes.push_back(std::to_string(i));
  return FromArrays(std::move(layout), x.AsFloats(), std::move(labels), std::move(classes),
                    std::move(description));
}

DataPtr OpenNpz(const std::string& path) {
  const std::map<std::string, NpyArray> arrays = ReadNpz(path);
  std::vector<std::string> names;
  for (const auto& [name, array] : arrays) names.push_back(name);
  for (const char* wanted : {"x", "y"})
    if (!arrays.contains(wanted))
      Fail("{}: has no array '{}', expected x and y (it has: {})", path, wanted,
           names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", ")));
  const NpyArray &x = arrays.at("x"), &y = arrays.at("y");
  Layout layout = ObservationLayout(x, path);
  const int64_t count = x.shape[0];
  if (y.shape.empty() || y.shape[0] != count)
    Fail("{}: y is [{}], expected {} observations as in x [{}]", path, fmt::join(y.shape, ","),
         count, fmt::join(x.shape, ","));
  std::string description = fmt::format("{} ({} observations)", path, count);
  const auto classes = arrays.find("classes");
  if (y.IsIntegral())
    return OpenClasses(std::move(layout), x, y,
                       classes == arrays.end() ? std::vector<std::string>()
                                               : ReadClassNames(classes->second, path),
                       path, std::move(description));
  if (classes != arrays.end())
    Fail("{}: has classes, but y is {}, expected integers (class numbers)", path, y.descr);
  return FromArraysRegression(std::move(layout), x.AsFloats(), y.AsFloats(), y.size() / count,
                              std::move(description));
}

// What else lies where the spec points to, for "did you mean".
std::vector<std::string> Neighbours(const std::string& spec) {
  std::vector<std::string> names = {"digits"};
  const fs::path parent = fs::path(spec).parent_path();
  std::error_code error;
  for (fs::directory_iterator at(parent.empty() ? "." : parent, error), end;
       !error && at != end && names.size() < 10'000; at.increment(error))
    names.push_back((parent / at->path().filename()).string());
  for (const std::string& prefix : IdxPrefixesIn(parent.empty() ? "." : parent.string()))
    names.push_back(prefix);
  return names;
}

}  // namespace

DataPtr OpenData(const std::string& spec, const OpenOptions& options) {
  if (spec == "digits" || spec.starts_with("digits:")) return OpenDigits(spec, options);
  std::error_code error;  // what cannot be looked at is not there
  if (fs::is_directory(spec, error)) return OpenFolder(spec, options);
  if (const auto files = FindIdxFiles(spec)) return OpenIdx(*files, spec);
  if (!fs::exists(spec, error))
    Fail(
        "data '{}': there is no such file or folder, nor {}-images-idx3-ubyte[.gz]; expected "
        "digits[:COUNT], a folder with a folder a class, the prefix of an IDX pair or an .npz{}",
        spec, spec, DidYouMean(spec, Neighbours(spec)));
  if (!spec.ends_with(".npz"))
    Fail(
        "data '{}': is a file of another kind, expected digits[:COUNT], a folder with a folder a "
        "class, the prefix of an IDX pair or an .npz",
        spec);
  return OpenNpz(spec);
}

}  // namespace normkit
