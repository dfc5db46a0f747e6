#include "src/live/training_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <nlohmann/json.hpp>
#include <thread>

#include "src/core/count_allocations.h"

namespace normkit {
namespace {

using nlohmann::json;
using testing::ElementsAre;

json Read(const TrainingLog& log, const TrainingLog::Position& position = {}) {
  return json::parse(log.Json(position));
}

TEST(ThinnedRows, NeighboursBecomeTheirMean) {
  ThinnedRows rows(2, 4);
  for (int i = 1; i < 4; ++i) EXPECT_FALSE(rows.Append(std::vector<double>{1. * i, 10. * i}));
  EXPECT_EQ(rows.size(), 3u);
  EXPECT_TRUE(rows.Append(std::vector<double>{4, 40}));
  EXPECT_THAT(rows.Rows(0, 9), ElementsAre(1.5, 15, 3.5, 35));
  EXPECT_FALSE(rows.Append(std::vector<double>{5, 50}));
  EXPECT_EQ(rows.size(), 2u);  // half of a row
  EXPECT_FALSE(rows.Append(std::vector<double>{6, 60}));
  EXPECT_THAT(rows.Rows(2, 1), ElementsAre(5.5, 55));
}

TEST(ThinnedRows, StayWithinTheirCapacity) {
  ThinnedRows rows(1, 8);
  double sum = 0;
  for (int i = 0; i < 1000; ++i) rows.Append(std::vector<double>{1. * i});
  EXPECT_LT(rows.size(), 8u);
  for (const double value : rows.Rows(0, 8)) sum += value;
  // 1000 rows are 7 of 128 and a rest that is not shown yet.
  EXPECT_EQ(rows.size(), 7u);
  EXPECT_EQ(sum / 7, (7 * 128 - 1) / 2.0);
}

TEST(TrainingLog, GivesWhatCameSince) {
  TrainingLog log(2);
  log.Append(TrainingLog::kIterations, std::vector<double>{1, .5, 2.25, 50, .01});
  log.Append(TrainingLog::kSamples, std::vector<double>{1, NAN});
  json all = Read(log);
  EXPECT_EQ(all["begins"], true);
  EXPECT_EQ(all["state"], "training");
  EXPECT_EQ(all["iterations"].dump(), "[[1,0.5,2.25,50,0.01]]");
  EXPECT_EQ(all["samples"].dump(), "[[1,null]]");
  log.Append(TrainingLog::kValidations, std::vector<double>{1, .75, 60});
  log.SetState("stopped", "\"how\" \xff");
  json more = Read(log, {.version = all["version"], .rows = {1, 0, 1}});
  EXPECT_EQ(more["begins"], false);
  EXPECT_EQ(more["iterations"].size(), 0u);
  EXPECT_EQ(more["validations"].dump(), "[[1,0.75,60]]");
  EXPECT_EQ(more["state"], "stopped");
  EXPECT_EQ(more["note"], "\"how\" \xef\xbf\xbd");
}

// A reader that falls behind catches up, a part at a time, and begins anew where rows were thinned.
TEST(TrainingLog, ReadersCatchUp) {
  TrainingLog log(1);
  for (size_t i = 1; i <= TrainingLog::kCapacity + 100; ++i)
    log.Append(TrainingLog::kIterations, std::vector<double>{static_cast<double>(i), 0, 0, 0, 0});
  TrainingLog::Position position{.version = 0, .rows = {100, 0, 0}};  // of before
  size_t rows = 0;
  for (bool more = true; more;) {
    const json answer = Read(log, position);
    more = answer["more"];
    rows = (answer["begins"] ? 0 : rows) + answer["iterations"].size();
    EXPECT_LE(answer["iterations"].size(), TrainingLog::kRowsOnce);
    position = {.version = answer["version"], .rows = {rows, 0, 0}};
  }
  EXPECT_EQ(rows, TrainingLog::kCapacity / 2 + 50);
}

TEST(TrainingLog, AppendingAllocatesNothing) {
  TrainingLog log(300);
  const std::vector<double> iteration(TrainingLog::kIterationWidth), sample(300);
  const int64_t before = allocated_bytes;
  for (size_t i = 0; i < 3 * TrainingLog::kCapacity; ++i) {
    log.Append(TrainingLog::kIterations, iteration);
    if (i % 10 == 0) log.Append(TrainingLog::kSamples, sample);
  }
  EXPECT_EQ(allocated_bytes, before);
}

TEST(TrainingLog, ReadersAndTheTrainingDoNotDisturbEachOther) {
  TrainingLog log(1);
  std::atomic<bool> ends{false};
  std::vector<std::thread> readers;
  for (int r = 0; r < 3; ++r)
    readers.emplace_back([&] {
      while (!ends) {
        double last = 0;
        for (const json& row : Read(log)["iterations"]) {
          EXPECT_GT(row[0], last);  // whole rows, in their order
          EXPECT_EQ(row[0], row[1]);
          last = row[0];
        }
      }
    });
  for (size_t i = 1; i <= 4 * TrainingLog::kCapacity; ++i) {
    const auto x = static_cast<double>(i);
    log.Append(TrainingLog::kIterations, std::vector<double>{x, x, 0, 0, 0});
  }
  ends = true;
  for (std::thread& reader : readers) reader.join();
  log.SetState("done", "");
  EXPECT_EQ(Read(log)["state"], "done");
}

}  // namespace
}  // namespace normkit
