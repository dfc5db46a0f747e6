#include "src/data/sequence_folder.h"

#include <algorithm>
#include <utility>

#include "src/core/fail.h"
#include "src/core/files.h"
#include "src/data/csv.h"
#include "src/data/for_each.h"
#include "src/data/npy_format.h"
#include "src/data/sequence_axes.h"
#include "src/data/summary.h"

namespace normkit {
namespace {

SequenceFile ReadTable(const std::string& path, const std::string& bytes,
                       const std::string& format) {
  if (!format.empty() && format != "TC")
    Fail("{}: format '{}' is given, expected TC: a row a step", path, format);
  CsvTable table = ParseCsv(bytes, path, false);
  return {table.rows, RowLayout(table.columns), std::move(table.x), std::move(table.names)};
}

SequenceFile ReadArray(const std::string& path, const std::string& bytes,
                       const std::string& format) {
  NpyArray array = ParseNpy(bytes, path);
  const std::string is = fmt::format("{} [{}]", array.descr, fmt::join(array.shape, ","));
  if (format.empty() && array.shape.size() > 2)
    Fail(
        "{}: is {}, expected [T,C] or [T]: --format says what other axes are, TSSC, TCSS or TSS of "
        "pictures over time (T steps, S space, C channels), TSC of lines",
        path, is);
  const std::string axes = !format.empty() ? format : array.shape.size() == 1 ? "T" : "TC";
  if (!IsSequenceFormat(axes, /*observations=*/false))
    Fail(
        "{}: format '{}' is given, expected TC, CT or T of one sequence, or TSSC, TCSS or TSS "
        "(pictures over time)",
        path, axes);
  if (array.shape.size() != axes.size() || array.size() == 0)
    Fail("{}: is {}, expected [{}] with a step or more{}", path, is,
         format.empty() ? "T,C" : fmt::format("{}", fmt::join(axes, ",")),
         format.empty() ? ", or [T]" : fmt::format(" (format {})", format));
  Layout row = RowOfFormat(axes, array.shape);
  const int64_t length = array.shape[axes.find('T')];
  const std::vector<size_t> order = SequenceOrder(axes);
  if (!std::ranges::is_sorted(order)) array = Transposed(array, order);
  return {length, std::move(row), array.AsFloats(), {}};
}

// All have the rows of the first.
void CheckRows(const std::vector<SequenceFile>& read, const std::vector<std::string>& files) {
  const SequenceFile& first = read[0];
  for (size_t i = 1; i < read.size(); ++i) {
    if (read[i].row.axes().size() == 2 && first.row.axes().size() == 2 && read[i].row != first.row)
      Fail("{}: has {} columns, expected {}, as {}", files[i], read[i].row.channels(),
           first.row.channels(), files[0]);
    if (read[i].row != first.row)
      Fail("{}: has {}, expected {}, as {}", files[i], SizeText(read[i].row), SizeText(first.row),
           files[0]);
    if (read[i].names.empty() || first.names.empty()) continue;
    const auto [other, name] = std::ranges::mismatch(read[i].names, first.names);
    if (other != read[i].names.end())
      Fail("{}: column {} is called {}, expected {}, as in {}", files[i],
           other - read[i].names.begin() + 1, Quoted(*other), Quoted(*name), files[0]);
  }
}

}  // namespace

bool IsSequenceEnding(std::string_view ending) {
  return ending == ".csv" || ending == ".tsv" || ending == ".npy";
}

SequenceFile ReadSequenceFile(const std::string& path, const std::string& format) {
  const std::string bytes = ReadFile(path);
  if (bytes.starts_with("\x93NUMPY")) return ReadArray(path, bytes, format);
  return ReadTable(path, bytes, format);
}

DataPtr OpenSequenceFolder(const std::string& path, const ClassFolders& found,
                           const OpenOptions& options) {
  std::vector<SequenceFile> read(found.files.size());
  ForEachOrThrow(std::ssize(read), true, [&](int64_t i) {
    const auto k = static_cast<size_t>(i);
    read[k] = ReadSequenceFile(found.files[k], options.format);
  });
  CheckRows(read, found.files);
  SequenceData data;
  data.layout = read[0].row;
  for (SequenceFile& one : read) {
    data.lengths.push_back(one.length);
    data.x.insert(data.x.end(), one.x.begin(), one.x.end());
    one.x = {};
  }
  data.labels = found.labels;
  data.classes = found.classes;
  data.names = found.files;
  data.description = fmt::format("{} ({} sequences in {} folder{})", path, read.size(),
                                 found.classes.size(), found.classes.size() == 1 ? "" : "s");
  if (!found.left_out.empty()) data.notes.push_back("left out: " + found.left_out.ToString());
  return MakeSequences(std::move(data), options);
}

}  // namespace normkit
