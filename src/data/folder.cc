#include "src/data/folder.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <mutex>
#include <set>
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

// Names with numbers by those numbers: slice_2 before slice_10.
bool IsBefore(std::string_view a, std::string_view b) {
  const auto digits = [](std::string_view text) {
    return std::min(text.find_first_not_of("0123456789"), text.size());
  };
  while (!a.empty() && !b.empty()) {
    const size_t of_a = digits(a), of_b = digits(b);
    if (of_a > 0 && of_b > 0) {
      const auto number = [](std::string_view text, size_t size) {
        const size_t zeros = std::min(text.find_first_not_of('0'), size);
        return text.substr(zeros, size - zeros);
      };
      const std::string_view first = number(a, of_a), second = number(b, of_b);
      if (first.size() != second.size()) return first.size() < second.size();
      if (first != second) return first < second;
      a.remove_prefix(of_a), b.remove_prefix(of_b);
    } else {
      if (a[0] != b[0]) return static_cast<unsigned char>(a[0]) < static_cast<unsigned char>(b[0]);
      a.remove_prefix(1), b.remove_prefix(1);
    }
  }
  return a.size() < b.size();
}

// Folders with pictures in them, none of which lies in another.
void CheckVolumes(const std::string& path, const std::vector<std::string>& files) {
  namespace fs = std::filesystem;
  std::set<fs::path> volumes;
  for (const std::string& file : files) {
    const fs::path folder = fs::path(file).parent_path();
    if (!volumes.insert(folder).second) continue;
    if (std::error_code error; fs::equivalent(folder.parent_path(), path, error))
      Fail("data '{}': '{}' lies in the folder of a class, expected a folder a volume in it", path,
           file);
  }
  for (const fs::path& volume : volumes)
    for (fs::path above = volume.parent_path(); above.has_relative_path();
         above = above.parent_path())
      if (volumes.contains(above))
        Fail("data '{}': volume '{}' lies in volume '{}', expected slices alone in it", path,
             volume.string(), above.string());
}

// The slices of each volume, a folder below that of its class, in the order of their numbers; gives
// how many each has.
int64_t OrderSlices(const std::string& path, ClassFolders& found) {
  namespace fs = std::filesystem;
  CheckVolumes(path, found.files);
  const auto volume = [](const std::string& file) { return fs::path(file).parent_path(); };
  std::vector<int64_t> labels;
  int64_t depth = 0;
  fs::path first;
  for (auto begin = found.files.begin(); begin != found.files.end();) {
    const fs::path folder = volume(*begin);
    const auto end = std::find_if(begin, found.files.end(),
                                  [&](const std::string& file) { return volume(file) != folder; });
    std::sort(begin, end, [](const std::string& a, const std::string& b) {
      return IsBefore(a, b) || (!IsBefore(b, a) && a < b);
    });
    if (depth == 0) depth = end - begin, first = folder;
    if (end - begin != depth)
      Fail("data '{}': volume '{}' has {} slice{}, expected {}, as '{}'", path, folder.string(),
           end - begin, end - begin == 1 ? "" : "s", depth, first.string());
    labels.push_back(found.labels[static_cast<size_t>(begin - found.files.begin())]);
    begin = end;
  }
  found.labels = std::move(labels);
  return depth;
}

// Pictures of all sizes as one layout, or stacks of them. Up to `max_kept_bytes` they are decoded
// once and kept; more are decoded whenever they are read.
class FolderSource : public DataSource {
 public:
  // depth: slices of a volume; 0: observations are pictures.
  FolderSource(const std::string& path, ClassFolders found, int64_t depth,
               const OpenOptions& options, int64_t max_kept_bytes)
      : path_(path), found_(std::move(found)), depth_(depth) {
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
    const std::vector<int64_t> shape = layout_.shape();
    slice_ = layout_.size();
    if (depth > 0)
      layout_ = Layout::Make("BSSSC", std::vector<int64_t>{1, depth, shape[1], shape[2], shape[3]});
    keeps_ = slice_ <= max_kept_bytes / std::ssize(found_.files);
  }

  int64_t size() const override { return std::ssize(found_.labels); }
  const Layout& layout() const override { return layout_; }
  const std::vector<std::string>& classes() const override { return found_.classes; }
  int64_t label(int64_t index) const override { return found_.labels[static_cast<size_t>(index)]; }
  std::string Description() const override {
    return fmt::format("{} ({} {} in {} folder{})", path_, size(),
                       depth_ == 0 ? "pictures" : "volumes", classes().size(),
                       classes().size() == 1 ? "" : "s");
  }
  std::string ObservationName(int64_t index) const override {
    if (depth_ == 0) return found_.files[static_cast<size_t>(index)];
    const std::string& slice = found_.files[static_cast<size_t>(index * depth_)];
    return std::filesystem::path(slice).parent_path().string();
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
      ForEachOrThrow(std::ssize(found_.files), true, [&](int64_t i) {
        const Image image = ReadResized(i);
        std::copy(image.pixels.begin(), image.pixels.end(), kept_.begin() + i * slice_);
      });
    });
  }
  void Read(int64_t index, std::span<float> out) const override {
    if (keeps_) {
      Load();
      std::copy_n(kept_.begin() + index * layout_.size(), layout_.size(), out.begin());
    } else {
      const int64_t slices = std::max<int64_t>(depth_, 1);
      for (int64_t i = 0; i < slices; ++i) {
        const Image image = ReadResized(index * slices + i);
        std::copy(image.pixels.begin(), image.pixels.end(), out.begin() + i * slice_);
      }
    }
  }

 private:
  Image ReadResized(int64_t file) const {
    const auto shape = layout_.shape();
    const size_t height = shape.size() - 3;
    const Image image =
        ReadImage(found_.files[static_cast<size_t>(file)], static_cast<int>(shape.back()));
    return Resize(image, shape[height], shape[height + 1]);
  }

  std::string path_;
  ClassFolders found_;
  int64_t depth_, slice_ = 0;  // values of a picture
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
  const bool stacks = options.format == "BSSS" || options.format == "BSSSC";
  if (!stacks) RefuseFormat(options, path);
  const int64_t depth = stacks ? OrderSlices(path, found) : 0;
  return std::make_shared<FolderSource>(path, std::move(found), depth, options, max_kept_bytes);
}

}  // namespace normkit
