// What the tests of this folder share.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "normkit/core/error.h"
#include "normkit/data/source.h"

// The statement throws normkit::Error with exactly this line.
#define EXPECT_ERROR(statement, line)               \
  try {                                             \
    (void)(statement);                              \
    ADD_FAILURE() << #statement " throws no Error"; \
  } catch (const ::normkit::Error& error) {         \
    EXPECT_EQ(std::string(error.what()), line);     \
  }

namespace normkit {

inline std::vector<float> ReadOne(const DataSource& source, int64_t index) {
  std::vector<float> x(static_cast<size_t>(source.layout().size()));
  source.Read(index, x);
  return x;
}

// A folder of the test's own, removed with it.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "normkit.XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace normkit
