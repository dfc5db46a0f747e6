#include "src/data/folder.h"

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "normkit/data/image.h"
#include "src/core/fail.h"
#include "src/core/hash.h"
#include "src/data/array_source.h"
#include "src/data/for_each.h"
#include "src/data/idx.h"

namespace normkit {
namespace {

namespace fs = std::filesystem;

bool IsPicture(const fs::path& path) {
  std::string ending = path.extension().string();
  for (char& letter : ending)
    letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  return ending == ".jpg" || ending == ".jpeg" || ending == ".png";
}

// The names in a folder, hidden ones left out, sorted by their bytes.
std::vector<fs::path> Entries(const fs::path& folder) {
  std::vector<fs::path> entries;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
    if (!at->path().filename().string().starts_with(".")) entries.push_back(at->path());
  if (error) Fail("{}: the folder cannot be read: {}", folder.string(), error.message());
  std::sort(entries.begin(), entries.end());
  return entries;
}

class FolderSource : public DataSource {
 public:
  FolderSource(const std::string& path, const OpenOptions& options) : path_(path) {
    for (const fs::path& folder : Entries(path)) {
      std::error_code error;
      if (!fs::is_directory(folder, error)) continue;
      const size_t before = files_.size();
      for (const fs::path& file : Entries(folder))
        if (IsPicture(file)) files_.push_back(file.string());
      if (files_.size() == before)
        Fail(
            "data '{}': folder '{}' holds no pictures (.jpg, .jpeg, .png), expected some of the "
            "class '{}'",
            path, folder.filename().string(), folder.filename().string());
      labels_.resize(files_.size(), static_cast<int64_t>(classes_.size()));
      classes_.push_back(folder.filename().string());
    }
    if (files_.empty()) FailWithoutClasses();
    SetLayout(options);
  }

  int64_t size() const override { return static_cast<int64_t>(files_.size()); }
  const Layout& layout() const override { return layout_; }
  const std::vector<std::string>& classes() const override { return classes_; }
  int64_t label(int64_t index) const override { return labels_[static_cast<size_t>(index)]; }
  const std::vector<int64_t>& labels() const { return labels_; }

  Image ReadResized(int64_t index) const {
    const auto shape = layout_.shape();
    const Image image = ReadImage(files_[static_cast<size_t>(index)], static_cast<int>(shape[3]));
    return Resize(image, shape[1], shape[2]);
  }
  void Read(int64_t index, std::span<float> out) const override {
    const Image image = ReadResized(index);
    std::copy(image.pixels.begin(), image.pixels.end(), out.begin());
  }
  std::string Description() const override {
    return fmt::format("{} ({} pictures in {} folders)", path_, files_.size(), classes_.size());
  }
  std::string ObservationName(int64_t index) const override {
    return files_[static_cast<size_t>(index)];
  }
  // Names below the folder and sizes: no picture is read.
  uint64_t Fingerprint() const override {
    Hash hash;
    for (const std::string& file : files_) {
      const std::string_view below = std::string_view(file).substr(path_.size());
      hash.Add(below.substr(std::min(below.size(), below.find_first_not_of('/'))));
      std::error_code error;
      hash.Add(uint64_t{fs::file_size(file, error)});
    }
    return hash.value();
  }
  ValueRange Range() const override { return {0, 255}; }

 private:
  [[noreturn]] void FailWithoutClasses() const {
    const std::vector<std::string> pairs = IdxPrefixesIn(path_);
    if (!pairs.empty())
      Fail("data '{}': is a folder with IDX files, did you mean '{}'?", path_, pairs.front());
    Fail("data '{}': has no folders, expected one a class with its pictures (.jpg, .jpeg, .png)",
         path_);
  }

  void SetLayout(const OpenOptions& options) {
    int64_t height = options.height, width = options.width, channels = options.channels;
    if (height < 0 || width < 0 || (channels != 0 && channels != 1 && channels != 3))
      Fail(
          "data '{}': size {} x {} x {} is asked for, expected height and width >= 0, channels 0, "
          "1 or 3",
          path_, height, width, channels);
    if (height == 0 || width == 0 || channels == 0) {
      const Image first = ReadImage(files_.front());
      if (height == 0) height = first.height;
      if (width == 0) width = first.width;
      if (channels == 0) channels = first.channels;
    }
    layout_ = Layout::Make("BSSC", std::vector<int64_t>{1, height, width, channels});
  }

  std::string path_;
  std::vector<std::string> files_, classes_;
  std::vector<int64_t> labels_;
  Layout layout_;
};

// All pictures in memory.
DataPtr Keep(const FolderSource& folder) {
  const auto each = static_cast<size_t>(folder.layout().size());
  Arrays<uint8_t> arrays;
  arrays.layout = folder.layout();
  arrays.x.resize(each * static_cast<size_t>(folder.size()));
  arrays.labels = folder.labels();
  arrays.classes = folder.classes();
  arrays.description = folder.Description();
  arrays.fingerprint = folder.Fingerprint();
  ForEachOrThrow(folder.size(), true, [&](int64_t i) {
    const Image image = folder.ReadResized(i);
    std::copy(image.pixels.begin(), image.pixels.end(),
              arrays.x.begin() + i * static_cast<int64_t>(each));
  });
  return std::make_shared<ArraySource<uint8_t>>(std::move(arrays));
}

}  // namespace

DataPtr OpenFolder(const std::string& path, const OpenOptions& options, int64_t max_kept_bytes) {
  auto folder = std::make_shared<FolderSource>(path, options);
  if (folder->layout().size() > max_kept_bytes / folder->size()) return folder;
  return Keep(*folder);
}

}  // namespace normkit
