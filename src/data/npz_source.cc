#include "src/data/npz_source.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "src/core/fail.h"
#include "src/data/array_axes.h"
#include "src/data/array_source.h"
#include "src/data/npz_file.h"
#include "src/data/npz_sequences.h"

namespace normkit {
namespace {

// [N] and the space of x, or that and 1.
bool IsOfPositions(std::vector<int64_t> shape, const ArrayAxes& axes) {
  std::vector<int64_t> positions = axes.observation.shape();
  if (positions.size() < 4) return false;
  positions[0] = axes.count;
  if (shape.size() == positions.size() && shape.back() == 1) shape.pop_back();
  positions.pop_back();
  return shape == positions;
}

// What an observation is, or the values that belong to it: y is [N] or [N,1] with class numbers or
// names, or floating-point numbers [N,...], or class numbers of the positions of x.
NpzAnswers ReadAnswers(const NpzFile& file, const ArrayAxes& axes, const std::string& x_shape) {
  const int64_t count = axes.count;
  std::string note;
  const NpyArray y = NamingArray(
      file.path + ": y", [&] { return AsClassNumbers(file.npz.Read(file.Find("y")), note); });
  const bool positions = y.IsIntegral() && IsOfPositions(y.shape, axes);
  if (!positions && (y.shape.empty() || y.shape[0] != count))
    Fail("{}: y is [{}], expected {} observations as in x [{}]", file.path, fmt::join(y.shape, ","),
         count, x_shape);
  NpzAnswers answers = positions ? PositionAnswers(file, y, count) : AnswersOf(file, y, count);
  for (const std::string& said : {file.NamesNote(), note})
    if (!said.empty()) answers.labels.notes.push_back(said);
  return answers;
}

// Whole numbers were taken for pictures: they must be those of pictures.
void CheckBytes(const NpyArray& x, const std::string& where) {
  for (const int64_t value : x.AsIntegers())
    if (value < 0 || value > 255)
      Fail(
          "{} is {} and holds {}, expected whole numbers from 0 to 255 in pictures; --format says "
          "what else the axes mean (BSS: grey pictures all the same)",
          where, TypeAndShape({x.descr, x.shape}), value);
}

bool IsByte(const std::string& descr) { return descr == "|u1" || descr == "|b1"; }

// x as the source keeps it.
NpyArray ReadX(const NpzFile& file, const ArrayAxes& axes) {
  const std::string where = file.path + ": x";
  NpyArray x = file.npz.Read(file.Find("x"));
  if (axes.bytes_only && !IsByte(x.descr)) CheckBytes(x, where);
  if (std::is_sorted(axes.order.begin(), axes.order.end())) return x;
  return Transposed(x, axes.order);
}

template <class T, class Convert>
DataPtr MakeSource(std::shared_ptr<NpzFile> file, const std::string& part, const ArrayAxes& axes,
                   NpzAnswers answers, const Convert& convert) {
  Arrays<T> arrays;
  arrays.layout = axes.observation;
  arrays.count = axes.count;
  arrays.description = fmt::format("{}{} ({} observations)", file->path, part, axes.count);
  arrays.notes = answers.labels.notes;
  if (!std::is_sorted(axes.order.begin(), axes.order.end()))
    arrays.notes.push_back(fmt::format("read as {}, made channels last", axes.format));
  if (axes.bytes_only)
    arrays.notes.push_back("x [N,H,W] taken for grey pictures (--format BTC: for sequences)");
  arrays.labels = std::move(answers.labels.labels);
  arrays.classes = std::move(answers.labels.classes);
  arrays.targets = std::move(answers.targets);
  arrays.target_size = answers.target_size;
  arrays.position_classes = std::move(answers.position_classes);
  arrays.decode = [file = std::move(file), axes, convert]() mutable {
    const NpyArray x = ReadX(*file, axes);
    file.reset();  // before the values are there a second time
    return convert(x);
  };
  return std::make_shared<ArraySource<T>>(std::move(arrays));
}

}  // namespace

DataPtr OpenNpz(const std::string& path, const OpenOptions& options, const std::string& part) {
  auto file = std::make_shared<NpzFile>(path, part);
  const std::vector<std::string> names = file->npz.names();
  const auto expect = [&](const char* name) {
    if (!file->Has(name))
      Fail("{}: has no array '{}', expected x and y (it has: {})", path, name,
           names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", ")));
  };
  expect("x");
  const NpyInfo info = file->npz.Info(file->Find("x"));
  if (std::string_view("fiubV").find(ParseElementType(info.descr, path + ": x").kind) ==
      std::string_view::npos)
    Fail("{}: x is {}, expected real numbers", path, TypeAndShape(info));
  const bool sequences = HoldsSequences(*file, options.format);
  if (!sequences || (options.answers && !options.forecast)) expect("y");
  if (sequences) return OpenNpzSequences(*file, info, options);
  const ArrayAxes axes = ReadAxes(info, options.format, path + ": x");
  NpzAnswers answers = ReadAnswers(*file, axes, fmt::format("{}", fmt::join(info.shape, ",")));
  const std::string behind = part.empty() ? "" : ":" + part;
  if (IsByte(info.descr))
    return MakeSource<uint8_t>(
        std::move(file), behind, axes, std::move(answers), [](const NpyArray& x) {
          const auto* begin = reinterpret_cast<const uint8_t*>(x.data.data());
          return std::vector<uint8_t>(begin, begin + x.data.size());
        });
  return MakeSource<float>(std::move(file), behind, axes, std::move(answers),
                           [](const NpyArray& x) { return x.AsFloats(); });
}

}  // namespace normkit
