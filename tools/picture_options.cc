#include "tools/picture_options.h"

#include "src/core/fail.h"
#include "src/core/files.h"
#include "src/core/log.h"
#include "src/core/text.h"
#include "src/data/image_codec.h"
#include "src/data/scan.h"

namespace normkit::tools {

std::vector<std::string> PictureFiles(const std::vector<std::string>& paths, size_t& failed) {
  std::vector<std::string> files;
  for (const std::string& path : paths) {
    if (IrregularKind(path) != "a folder") {
      files.push_back(path);
      continue;
    }
    LeftOut left_out;
    const std::vector<std::string> pictures = FindPictures(path, left_out);
    const std::string others = left_out.empty() ? "" : "; left out: " + left_out.ToString();
    if (pictures.empty()) {
      Warn("{}: holds no pictures ({}){}", path, PictureKinds(), others);
      ++failed;
    } else {
      Warn("{}: {} pictures{}", path, pictures.size(), others);
    }
    files.insert(files.end(), pictures.begin(), pictures.end());
  }
  return files;
}

void AddRangeOption(const Command& command, double& largest, bool may_be_auto,
                    const std::string& description) {
  const std::string expected = may_be_auto ? "255, 1 or auto" : "255 or 1";
  AddValue(command, "--range", may_be_auto ? "255|1|auto" : "255|1", expected, description,
           [&largest, may_be_auto, expected](const std::string& text) {
             if (text == "255" || text == "1")
               largest = text == "1" ? 1 : 255;
             else if (may_be_auto && text == "auto")
               largest = 0;
             else
               Fail("{} given, expected {}", Quoted(text), expected);
           })
      .Default(largest > 0 ? fmt::format("{}", largest) : "auto");
}

}  // namespace normkit::tools
