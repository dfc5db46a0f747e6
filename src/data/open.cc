#include <filesystem>

#include "src/core/fail.h"
#include "src/core/files.h"
#include "src/core/numbers.h"
#include "src/core/suggest.h"
#include "src/data/file_kind.h"
#include "src/data/folder.h"
#include "src/data/idx.h"
#include "src/data/npz_source.h"
#include "src/data/summary.h"

namespace normkit {
namespace {

namespace fs = std::filesystem;

constexpr const char* kExpected =
    "expected digits[:COUNT], a folder with a folder a class, an IDX pair or an .npz";

DataPtr OpenDigits(const std::string& spec, const OpenOptions& options) {
  std::error_code error;  // what cannot be looked at is not there
  if (fs::exists(fs::symlink_status(spec, error)))
    Fail(
        "data '{0}': means digits that are drawn, but there is a file or folder of that name; "
        "expected ./{0} for that one, or digits:{1} for the drawn ones",
        spec, options.count);
  int64_t count = options.count;
  if (const size_t colon = spec.find(':'); colon != spec.npos) {
    const std::string number = spec.substr(colon + 1);
    const auto given = ParseNumber<int64_t>(number);
    if (!given) Fail("data '{}': '{}' is no number, expected digits:COUNT", spec, number);
    count = *given;
  }
  return GenerateDigits(count, options.seed);
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

// A file that is no .npz.
DataPtr OpenFile(const std::string& path) {
  const std::string start = ReadFileStart(path, 512);
  if (const auto files = FindIdxFiles(path)) return OpenIdx(*files, path);
  const std::string_view kind = FileKind(start);
  std::string says = kind.empty() ? "a file of another kind" : std::string(kind);
  if (start.starts_with("\x93NUMPY")) says += ", without labels";
  Fail("data '{}': is {}, {}", path, says, kExpected);
}

// Only the pictures of folders are resized.
DataPtr AsAskedFor(DataPtr data, const OpenOptions& options, const std::string& spec) {
  if (options.height == 0 && options.width == 0 && options.channels == 0) return data;
  const auto fits = [](int64_t asked, int64_t has) { return asked == 0 || asked == has; };
  const std::vector<int64_t> shape = data->layout().shape();
  if (data->layout().format() != "BSSC" || !fits(options.height, shape[1]) ||
      !fits(options.width, shape[2]) || !fits(options.channels, shape[3]))
    Fail("data '{}': has {}; {} is asked for, which takes a folder of pictures: they are resized",
         spec, SizeText(data->layout()),
         AskedSizeText(options.height, options.width, options.channels));
  return data;
}

// Only arrays have axes whose meaning is to be said.
void CheckHasAxes(const OpenOptions& options, const std::string& spec) {
  if (!options.format.empty())
    Fail("data '{}': format '{}' is given, expected it for arrays (.npz) only", spec,
         options.format);
}

DataPtr OpenOther(const std::string& spec, const OpenOptions& options) {
  if (spec == "digits" || spec.starts_with("digits:")) return OpenDigits(spec, options);
  std::error_code error;  // what cannot be looked at is not there
  if (fs::is_regular_file(spec, error)) return OpenFile(spec);
  if (const auto files = FindIdxFiles(spec)) return OpenIdx(*files, spec);
  if (const std::string kind = IrregularKind(spec); !kind.empty())
    Fail("data '{}': is {}, {}", spec, kind, kExpected);
  Fail("data '{}': there is no such file or folder, nor {}-images-idx3-ubyte[.gz]; {}{}", spec,
       spec, kExpected, DidYouMean(spec, Neighbours(spec)));
}

bool IsNpz(const std::string& path) {
  std::error_code error;
  return fs::is_regular_file(path, error) && ReadFileStart(path, 4).starts_with("PK");
}

}  // namespace

DataPtr OpenData(const std::string& spec, const OpenOptions& options) {
  const bool digits = spec == "digits" || spec.starts_with("digits:");
  if (!digits && IsNpz(spec)) return AsAskedFor(OpenNpz(spec, options), options, spec);
  CheckHasAxes(options, spec);
  if (!digits && IrregularKind(spec) == "a folder") return OpenFolder(spec, options);
  return AsAskedFor(OpenOther(spec, options), options, spec);
}

}  // namespace normkit
