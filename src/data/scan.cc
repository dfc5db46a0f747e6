#include "src/data/scan.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <utility>

#include "src/core/fail.h"
#include "src/core/files.h"
#include "src/core/text.h"
#include "src/data/idx.h"
#include "src/data/image_codec.h"
#include "src/data/sequence_folder.h"

namespace normkit {
namespace {

namespace fs = std::filesystem;

// The names in a folder, sorted by their bytes.
std::vector<fs::path> Entries(const fs::path& folder) {
  std::vector<fs::path> entries;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
    entries.push_back(at->path());
  if (error) Fail("{}: the folder cannot be read: {}", folder.string(), error.message());
  std::sort(entries.begin(), entries.end());
  return entries;
}

bool IsHidden(const fs::path& path) {
  const std::string name = path.filename().string();
  return name.starts_with(".") || name == "__MACOSX";
}

// A file without ending is known by its first bytes.
bool HasPictureBytes(const std::string& path) {
  try {
    return IsPicture(ReadFileStart(path, 16));
  } catch (const Error&) {
    return false;
  }
}

// Walks a folder and those below it.
class Walk {
 public:
  explicit Walk(LeftOut& left_out) : left_out_(left_out) {}

  void Folder(const fs::path& folder) {
    struct stat status;
    // A link may lead back to a folder above, or to one that another link led to.
    if (stat(folder.c_str(), &status) == 0 &&
        !seen_.insert({status.st_dev, status.st_ino}).second) {
      left_out_.Add("link to a folder read before");
      return;
    }
    for (const fs::path& entry : Entries(folder)) Entry(entry);
  }

  std::vector<std::string> files;
  std::vector<std::string> sequences;  // .csv, .npy, ...

 private:
  void Entry(const fs::path& path) {
    if (IsHidden(path)) return left_out_.Add("hidden");
    const std::string name = path.string(), kind = IrregularKind(name), ending = Ending(name);
    if (kind == "a folder") return Folder(path);
    if (!kind.empty()) return left_out_.Add(kind.substr(2));  // "named pipe"
    if (IsPictureEnding(ending) || (ending.empty() && HasPictureBytes(name)))
      files.push_back(name);
    else if (IsSequenceEnding(ending))
      sequences.push_back(name);
    else
      left_out_.Add(ending.empty() ? "without ending" : OneLine(ending));
  }

  LeftOut& left_out_;
  std::set<std::pair<dev_t, ino_t>> seen_;
};

std::string Lower(std::string text) {
  for (char& letter : text)
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  return text;
}

// Folders called train, val, test are parts of one data set, not classes.
void RefuseParts(const std::string& folder, const std::vector<fs::path>& folders) {
  const std::set<std::string> kTraining = {"train", "training"},
                              kOthers = {"val",  "valid", "validation", "dev",
                                         "eval", "test",  "testing"};
  std::string training, validation;
  for (const fs::path& path : folders) {
    const std::string name = Lower(path.filename().string());
    if (kTraining.contains(name))
      training = path.string();
    else if (!kOthers.contains(name))
      return;
    else if (validation.empty() || name.starts_with("val"))
      validation = path.string();
  }
  if (training.empty()) return;
  Fail("data '{}': its folders are parts of a data set rather than classes, expected --data {}{}",
       folder, training, validation.empty() ? "" : " --validation-data " + validation);
}

// What is no part of the data, by its endings.
void LeaveOut(const std::vector<std::string>& files, LeftOut& left_out) {
  for (const std::string& file : files) left_out.Add(Ending(file));
}

// Of files that hold observations themselves that of the training part, else the first; "": there
// are none.
std::string DataFileIn(const std::string& folder) {
  std::string found;
  bool trains = false;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::string path = entry.path().string();
    if ((Ending(path) != ".ts" && Ending(path) != ".npz") || !entry.is_regular_file()) continue;
    const bool one_trains = Lower(entry.path().filename().string()).find("train") != path.npos;
    if (found.empty() || (one_trains != trains ? one_trains : path < found))
      found = path, trains = one_trains;
  }
  return found;
}

[[noreturn]] void FailWithoutClasses(const std::string& folder, int64_t loose,
                                     const LeftOut& left_out) {
  const std::vector<std::string> pairs = IdxPrefixesIn(folder);
  if (!pairs.empty())
    Fail("data '{}': is a folder with IDX files, did you mean '{}'?", folder, pairs.front());
  if (const std::string file = DataFileIn(folder); !file.empty())
    Fail("data '{}': is a folder with data files, did you mean '{}'?", folder, file);
  Fail("data '{}': has no folders{}, expected one a class with its pictures ({}){}", folder,
       loose > 0 ? fmt::format(", but {} pictures whose class nothing tells", loose) : "",
       PictureKinds(), left_out.empty() ? "" : "; it has " + left_out.ToString());
}

void AddClass(const std::string& folder, const std::string& name,
              const std::vector<std::string>& files, const LeftOut& left_out, ClassFolders& found) {
  if (files.empty())
    Fail("data '{}': folder '{}' holds no {}{}, expected some of the class '{}'", folder, name,
         found.sequences ? "sequences (.csv, .npy)" : fmt::format("pictures ({})", PictureKinds()),
         left_out.empty() ? "" : ", but " + left_out.ToString(), name);
  found.left_out.Add(left_out);
  if (std::find(found.classes.begin(), found.classes.end(), name) != found.classes.end())
    Fail("data '{}': has two folders that read '{}', expected names that differ", folder, name);
  found.labels.resize(found.labels.size() + files.size(), std::ssize(found.classes));
  found.files.insert(found.files.end(), files.begin(), files.end());
  found.classes.push_back(name);
}

}  // namespace

std::vector<std::string> FindPictures(const std::string& folder, LeftOut& left_out) {
  Walk walk(left_out);
  walk.Folder(folder);
  LeaveOut(walk.sequences, left_out);
  return std::move(walk.files);
}

ClassFolders FindClasses(const std::string& folder) {
  ClassFolders found;
  std::vector<fs::path> folders;
  int64_t loose = 0;
  for (const fs::path& entry : Entries(folder)) {
    const std::string name = entry.string(), kind = IrregularKind(name), ending = Ending(name);
    if (IsHidden(entry))
      found.left_out.Add("hidden");
    else if (kind == "a folder")
      folders.push_back(entry);
    else if (!kind.empty())
      found.left_out.Add(kind.substr(2));
    else if (IsPictureEnding(ending))
      ++loose;
    else
      found.left_out.Add(ending.empty() ? "without ending" : OneLine(ending));
  }
  if (folders.empty()) FailWithoutClasses(folder, loose, found.left_out);
  RefuseParts(folder, folders);
  if (loose > 0) found.left_out.Add("in no folder of a class", loose);
  std::vector<Walk> walks;
  std::vector<LeftOut> left_out(folders.size());
  bool pictures = false, sequences = false;
  for (size_t i = 0; i < folders.size(); ++i) {
    walks.emplace_back(left_out[i]).Folder(folders[i]);
    pictures |= !walks[i].files.empty();
    sequences |= !walks[i].sequences.empty();
  }
  found.sequences = sequences && !pictures;
  for (size_t i = 0; i < folders.size(); ++i) {
    if (!found.sequences) LeaveOut(walks[i].sequences, left_out[i]);
    AddClass(folder, OneLine(folders[i].filename().string()),
             found.sequences ? walks[i].sequences : walks[i].files, left_out[i], found);
  }
  return found;
}

}  // namespace normkit
