#include "src/data/folder.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <mutex>
#include <utility>

#include "normkit/data/image.h"
#include "src/core/fail.h"
#include "src/core/hash.h"
#include "src/data/for_each.h"
#include "src/data/open_options.h"
#include "src/data/scan.h"
#include "src/data/sequence_folder.h"

namespace normkit {
namespace {

// The middle one; of two the smaller.
int64_t Median(std::vector<int64_t> values) {
  const auto middle = values.begin() + (std::ssize(values) - 1) / 2;
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

std::vector<ImageInfo> ReadInfos(const std::vector<std::string>& files) {
  std::vector<ImageInfo> infos(files.size());
  ForEachOrThrow(std::ssize(files), true, [&](int64_t i) {
    const auto k = static_cast<size_t>(i);
    infos[k] = ReadImageInfo(files[k]);
  });
  return infos;
}

// What is not asked for is the usual size, and colour where any picture has it.
Layout ChooseLayout(const std::vector<ImageInfo>& infos, const OpenOptions& options) {
  std::vector<int64_t> heights, widths;
  int64_t channels = 1;
  for (const ImageInfo& info : infos) {
    heights.push_back(info.height);
    widths.push_back(info.width);
    channels = std::max(channels, info.channels);
  }
  return Layout::Make("BSSC",
                      std::vector<int64_t>{1, options.height > 0 ? options.height : Median(heights),
                                           options.width > 0 ? options.width : Median(widths),
                                           options.channels > 0 ? options.channels : channels});
}

// What is done to the pictures so that they have one layout.
std::vector<std::string> ChangeNotes(const std::vector<ImageInfo>& infos, const Layout& layout) {
  const std::vector<int64_t> shape = layout.shape();
  int64_t resized = 0, converted = 0;
  auto least = infos.front(), most = least;
  for (const ImageInfo& info : infos) {
    resized += info.height != shape[1] || info.width != shape[2];
    converted += info.channels != shape[3];
    least = {std::min(least.height, info.height), std::min(least.width, info.width), 0};
    most = {std::max(most.height, info.height), std::max(most.width, info.width), 0};
  }
  std::vector<std::string> notes;
  if (resized > 0)
    notes.push_back(fmt::format("{} resized (they have {} x {} to {} x {})", resized, least.height,
                                least.width, most.height, most.width));
  if (converted > 0)
    notes.push_back(
        fmt::format("{} {}", converted, shape[3] == 3 ? "grey made colour" : "colour made grey"));
  return notes;
}

// Pictures of all sizes as one layout. Up to `max_kept_bytes` they are decoded once and kept; more
// are decoded whenever they are read.
class FolderSource : public DataSource {
 public:
  FolderSource(const std::string& path, ClassFolders found, const OpenOptions& options,
               int64_t max_kept_bytes)
      : path_(path), found_(std::move(found)) {
    if (options.height < 0 || options.width < 0 ||
        (options.channels != 0 && options.channels != 1 && options.channels != 3))
      Fail(
          "data '{}': size {} x {} x {} is asked for, expected height and width >= 0, channels 0, "
          "1 or 3",
          path, options.height, options.width, options.channels);
    const std::vector<ImageInfo> infos = ReadInfos(found_.files);
    layout_ = ChooseLayout(infos, options);
    notes_ = ChangeNotes(infos, layout_);
    if (!found_.left_out.empty()) notes_.push_back("left out: " + found_.left_out.ToString());
    keeps_ = layout_.size() <= max_kept_bytes / size();
  }

  int64_t size() const override { return std::ssize(found_.files); }
  const Layout& layout() const override { return layout_; }
  const std::vector<std::string>& classes() const override { return found_.classes; }
  int64_t label(int64_t index) const override { return found_.labels[static_cast<size_t>(index)]; }
  std::string Description() const override {
    return fmt::format("{} ({} pictures in {} folder{})", path_, size(), classes().size(),
                       classes().size() == 1 ? "" : "s");
  }
  std::string ObservationName(int64_t index) const override {
    return found_.files[static_cast<size_t>(index)];
  }
  // Names below the folder and sizes: no picture is read.
  uint64_t Fingerprint() const override {
    Hash hash;
    for (const std::string& file : found_.files) {
      const std::string_view below = std::string_view(file).substr(path_.size());
      hash.Add(below.substr(std::min(below.size(), below.find_first_not_of('/'))));
      std::error_code error;
      hash.Add(uint64_t{std::filesystem::file_size(file, error)});
    }
    return hash.value();
  }
  ValueRange Range() const override { return {0, 255}; }
  std::string Summary() const override { return Summarize(*this, notes_); }
  int64_t MemoryBytes() const override { return keeps_ ? layout_.size() * size() : 0; }

  void Load() const override {
    if (!keeps_) return;
    std::call_once(loaded_, [&] {
      kept_.resize(static_cast<size_t>(MemoryBytes()));
      ForEachOrThrow(size(), true, [&](int64_t i) {
        const Image image = ReadResized(i);
        std::copy(image.pixels.begin(), image.pixels.end(), kept_.begin() + i * layout_.size());
      });
    });
  }
  void Read(int64_t index, std::span<float> out) const override {
    if (keeps_) {
      Load();
      std::copy_n(kept_.begin() + index * layout_.size(), layout_.size(), out.begin());
    } else {
      const Image image = ReadResized(index);
      std::copy(image.pixels.begin(), image.pixels.end(), out.begin());
    }
  }

 private:
  Image ReadResized(int64_t index) const {
    const auto shape = layout_.shape();
    const Image image =
        ReadImage(found_.files[static_cast<size_t>(index)], static_cast<int>(shape[3]));
    return Resize(image, shape[1], shape[2]);
  }

  std::string path_;
  ClassFolders found_;
  Layout layout_;
  std::vector<std::string> notes_;
  bool keeps_ = false;
  mutable std::once_flag loaded_;
  mutable std::vector<uint8_t> kept_;
};

}  // namespace

DataPtr OpenFolder(const std::string& path, const OpenOptions& options, int64_t max_kept_bytes) {
  ClassFolders found = FindClasses(path);
  if (found.sequences) return OpenSequenceFolder(path, found, options);
  RefuseFormat(options, path);
  return std::make_shared<FolderSource>(path, std::move(found), options, max_kept_bytes);
}

}  // namespace normkit
