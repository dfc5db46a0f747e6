#include <algorithm>
#include <filesystem>

#include "src/core/fail.h"
#include "src/core/files.h"
#include "src/core/numbers.h"
#include "src/core/suggest.h"
#include "src/data/csv_source.h"
#include "src/data/file_kind.h"
#include "src/data/folder.h"
#include "src/data/idx.h"
#include "src/data/image_codec.h"
#include "src/data/npz_source.h"
#include "src/data/open_options.h"
#include "src/data/sequence_data.h"
#include "src/data/summary.h"
#include "src/data/tasks.h"
#include "src/data/text_lines.h"
#include "src/data/ts.h"

namespace normkit {
namespace {

namespace fs = std::filesystem;

constexpr const char* kExpected =
    "expected digits[:COUNT], a task (parity, adding, waves, moving, blobs, blobs3d), a folder "
    "with a "
    "folder a class, an "
    "IDX "
    "pair, an .npz, .ts or .csv";

constexpr int64_t kTaskCount = 2000;  // sequences of a task where nobody says how many
constexpr int64_t kBlobCount = 200;   // pictures and volumes with classes of positions

bool IsBlobs(const std::string& name) {
  return std::ranges::find(BlobNames(), name) != BlobNames().end();
}

// "digits", "parity:100": what is made here.
bool IsMade(const std::string& spec) {
  const std::string name = spec.substr(0, spec.find(':'));
  return name == "digits" || IsBlobs(name) ||
         std::ranges::find(TaskNames(), name) != TaskNames().end();
}

DataPtr OpenMade(const std::string& spec, const OpenOptions& options) {
  const size_t colon = spec.find(':');
  const std::string name = spec.substr(0, colon);
  const bool digits = name == "digits";
  const bool blobs = IsBlobs(name);
  int64_t count = digits ? options.count : blobs ? kBlobCount : kTaskCount;
  std::error_code error;  // what cannot be looked at is not there
  if (fs::exists(fs::symlink_status(spec, error)))
    Fail(
        "data '{0}': means {1} that are {2}, but there is a file or folder of that name; "
        "expected ./{0} for that one, or {0}:{3} for the {2} ones",
        spec,
        digits  ? "digits"
        : blobs ? "pictures or volumes"
                : "sequences",
        digits ? "drawn" : "made", count);
  if (colon != spec.npos) {
    const std::string number = spec.substr(colon + 1);
    const auto given = ParseNumber<int64_t>(number);
    if (!given) Fail("data '{}': '{}' is no number, expected {}:COUNT", spec, number, name);
    count = *given;
  }
  RefuseFormat(options, spec);
  RefuseLabelColumn(options, spec);
  if (digits) return GenerateDigits(count, options.seed);
  if (blobs) return GenerateBlobs(name, count, options.seed);
  return MakeSequences(MakeTask(name, count, options.seed), options);
}

// What else lies where the spec points to, for "did you mean".
std::vector<std::string> Neighbours(const std::string& spec) {
  std::vector<std::string> names = TaskNames();
  names.push_back("digits");
  names.insert(names.end(), BlobNames().begin(), BlobNames().end());
  const fs::path parent = fs::path(spec).parent_path();
  std::error_code error;
  for (fs::directory_iterator at(parent.empty() ? "." : parent, error), end;
       !error && at != end && names.size() < 10'000; at.increment(error))
    names.push_back((parent / at->path().filename()).string());
  for (const std::string& prefix : IdxPrefixesIn(parent.empty() ? "." : parent.string()))
    names.push_back(prefix);
  return names;
}

// A text with cells: by its ending, or by what separates them in its first row.
bool LooksLikeCsv(const std::string& path, std::string_view start) {
  if (FileKind(start) != "a text") return false;
  const std::string ending = Ending(path);
  if (ending == ".csv" || ending == ".tsv") return true;
  TextLines lines(start);
  while (lines.Next())
    if (const std::string_view line = lines.line(); !Trimmed(line).empty() && line[0] != '#')
      return line.find_first_of(",;\t") != line.npos;
  return false;
}

DataPtr OpenFile(const std::string& path, const OpenOptions& options) {
  constexpr uint64_t kStart = 1 << 16;  // comments may stand first
  const std::string start = ReadFileStart(path, kStart);
  if (start.empty()) Fail("data '{}': is empty, {}", path, kExpected);
  if (LooksLikeCsv(path, start)) return OpenCsv(path, options);
  RefuseLabelColumn(options, path);
  if (start.starts_with("PK")) return OpenNpz(path, options);
  RefuseFormat(options, path);
  if (const auto files = FindIdxFiles(path)) return OpenIdx(*files, path);
  if (LooksLikeTs(start)) return MakeSequences(ParseTs(ReadFile(path), path), options);
  const std::string_view kind = FileKind(std::string_view(start).substr(0, 512));
  std::string says = kind.empty() ? "a file of another kind" : std::string(kind);
  if (start.starts_with("\x93NUMPY")) says += ", without labels";
  Fail("data '{}': is {}, {}", path, says, kExpected);
}

// Only the pictures of folders are resized.
void CheckSize(const DataSource& data, const OpenOptions& options, const std::string& spec) {
  if (options.height == 0 && options.width == 0 && options.channels == 0) return;
  const auto fits = [](int64_t asked, int64_t has) { return asked == 0 || asked == has; };
  const std::vector<int64_t> shape = data.layout().shape();
  const std::string& format = data.layout().format();
  const size_t height = format == "BSSSC" ? 2 : 1;  // behind it width and channels
  if ((format != "BSSC" && format != "BSSSC") || !fits(options.height, shape[height]) ||
      !fits(options.width, shape[height + 1]) || !fits(options.channels, shape[height + 2]))
    Fail("data '{}': has {}; {} is asked for, which takes a folder of pictures: they are resized",
         spec, SizeText(data.layout()),
         AskedSizeText(options.height, options.width, options.channels));
}

// Options that only some data have a use for: another word for it is a mistake.
void CheckUses(const DataSource& data, const OpenOptions& options, const std::string& spec) {
  if (data.layout().packed()) return;
  const auto refuse = [&](std::string_view option) {
    Fail("data '{}': has no sequences ({}), expected {} for sequences only", spec,
         SizeText(data.layout()), option);
  };
  if (options.forecast) refuse("forecast");
  if (options.sequence_length != OpenOptions::kLongest) refuse("sequence_length");
  if (options.sequence_padding_direction != PaddingDirection::kRight)
    refuse("sequence_padding_direction");
}

// "FILE.npz:test" is a part of a file.
DataPtr OpenPart(const std::string& path, const std::string& part, const OpenOptions& options) {
  if (!ReadFileStart(path, 2).starts_with("PK"))
    Fail("data '{0}:{1}': {0} is no .npz, expected one for a part of it", path, part);
  RefuseLabelColumn(options, path);
  return OpenNpz(path, options, part);
}

DataPtr OpenAny(const std::string& spec, const OpenOptions& options) {
  if (IsMade(spec)) return OpenMade(spec, options);
  std::error_code error;  // what cannot be looked at is not there
  if (fs::is_regular_file(spec, error)) return OpenFile(spec, options);
  for (const std::string part : {"train", "val", "test"})
    if (const std::string path =
            spec.substr(0, spec.size() - std::min(spec.size(), part.size() + 1));
        spec.ends_with(":" + part) && fs::is_regular_file(path, error))
      return OpenPart(path, part, options);
  RefuseLabelColumn(options, spec);
  const std::string kind = IrregularKind(spec);
  if (kind == "a folder") return OpenFolder(spec, options);
  RefuseFormat(options, spec);
  if (const auto files = FindIdxFiles(spec)) return OpenIdx(*files, spec);
  if (!kind.empty()) Fail("data '{}': is {}, {}", spec, kind, kExpected);
  Fail("data '{}': there is no such file or folder, nor {}-images-idx3-ubyte[.gz]; {}{}", spec,
       spec, kExpected, DidYouMean(spec, Neighbours(spec)));
}

}  // namespace

DataPtr OpenData(const std::string& spec, const OpenOptions& options) {
  DataPtr data = OpenAny(spec, options);
  CheckSize(*data, options, spec);
  CheckUses(*data, options, spec);
  return data;
}

}  // namespace normkit
