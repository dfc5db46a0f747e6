// What tests of all modules share.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>

#include "normkit/core/error.h"

// The statement throws normkit::Error with exactly this line.
#define EXPECT_ERROR(statement, message)             \
  EXPECT_THAT([&] { static_cast<void>(statement); }, \
              ::testing::ThrowsMessage<::normkit::Error>(::testing::StrEq(message)))

// The statement throws normkit::Error whose line contains this.
#define EXPECT_ERROR_LIKE(statement, part)           \
  EXPECT_THAT([&] { static_cast<void>(statement); }, \
              ::testing::ThrowsMessage<::normkit::Error>(::testing::HasSubstr(part)))

// Skips the test, loudly, where the real data it wants is absent.
#define SKIP_WITHOUT(path)            \
  if (!std::filesystem::exists(path)) \
  GTEST_SKIP() << "no real data at " << (path) << " (set NORMKIT_TEST_DATA)"

namespace normkit {

// The line that a call throws as normkit::Error, for helpers that go through many; "no error".
inline std::string ErrorOf(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

// Where real data lies: in $NORMKIT_TEST_DATA, else beside the checkout.
inline std::string RealData(const std::string& name) {
  const char* folder = std::getenv("NORMKIT_TEST_DATA");
  return std::string(folder && *folder ? folder : "../shared/data") + "/" + name;
}

// A folder of this test's own, removed with its contents when the test ends.
class TestFolder {
 public:
  TestFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "normkit.XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~TestFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace normkit
