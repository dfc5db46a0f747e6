// Pictures and volumes with a class for each position.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "normkit/data/npy.h"
#include "normkit/data/source.h"
#include "src/core/testing.h"
#include "src/data/testing.h"

namespace normkit {
namespace {

TEST(Blobs, ObservationsFollowFromSeedAndPlace) {
  for (const std::string& name : BlobNames()) {
    const DataPtr few = GenerateBlobs(name, 3, 7), more = GenerateBlobs(name, 8, 7);
    const auto size = static_cast<size_t>(few->layout().size());
    EXPECT_EQ(few->target_size(), few->layout().size());
    EXPECT_EQ(few->position_classes(), (std::vector<std::string>{"background", "ball", "box"}));
    std::vector<float> a(size), b(size);
    for (int64_t i = 0; i < few->size(); ++i) {
      few->Read(i, a), more->Read(i, b);
      EXPECT_EQ(a, b);
      few->ReadTarget(i, a), more->ReadTarget(i, b);
      EXPECT_EQ(a, b);
      for (const float label : a) EXPECT_TRUE(label == 0 || label == 1 || label == 2);
      EXPECT_GT(std::ranges::count(a, 0.f), 0);
      EXPECT_LT(std::ranges::count(a, 0.f), static_cast<int64_t>(size));
    }
    EXPECT_EQ(Subset(few, {1})->position_classes(), few->position_classes());
  }
  EXPECT_EQ(GenerateBlobs("blobs3d", 1, 1)->layout().format(), "BSSSC");
  EXPECT_ERROR(GenerateBlobs("blob", 1, 1), "task 'blob' is unknown, expected blobs or blobs3d");
  EXPECT_ERROR(GenerateBlobs("blobs", 0, 1), "blobs: 0 are asked for, expected 1 to 100000");
}

}  // namespace
}  // namespace normkit
