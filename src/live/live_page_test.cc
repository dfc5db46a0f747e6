#include "src/live/live_page.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <httplib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <nlohmann/json.hpp>
#include <regex>
#include <thread>

namespace normkit {
namespace {

using nlohmann::json;

LiveFacts SomeFacts() {
  return {.title = "a < b",
          .iterations = 100,
          .per_epoch = 10,
          .settings = {{"data", "</script>"}},
          .curves = {{.plot = "Scale", .layer = "norm1", .band = true}}};
}

class LivePageTest : public testing::Test {
 protected:
  httplib::Result Stop(const httplib::Headers& headers, const std::string& body) {
    return client_.Post("/stop", headers, body, "application/x-www-form-urlencoded");
  }
  std::string Token() {
    std::smatch found;
    const std::string page = client_.Get("/")->body;
    EXPECT_TRUE(std::regex_search(page, found, std::regex("name=\"token\" value=\"(\\w{32})\"")));
    return found[1];
  }

  std::atomic<int> stops_{0};
  LivePage page_{SomeFacts(), [this] { ++stops_; }};
  httplib::Client client_{page_.url()};
};

TEST_F(LivePageTest, ServesItsFiles) {
  const httplib::Result page = client_.Get("/");
  ASSERT_TRUE(page);
  EXPECT_EQ(page->status, 200);
  EXPECT_NE(page->body.find("<h1>a &lt; b</h1>"), std::string::npos);
  EXPECT_EQ(page->body.find("{{"), std::string::npos);
  EXPECT_NE(page->get_header_value("Content-Security-Policy").find("frame-ancestors 'none'"),
            std::string::npos);
  EXPECT_EQ(client_.Get("/page.js")->status, 200);
  EXPECT_EQ(client_.Get("/page.css")->status, 200);
  EXPECT_EQ(client_.Get("/nothing")->status, 404);
  const json about = json::parse(client_.Get("/about")->body);
  EXPECT_EQ(about["settings"][0][1], "</script>");
  EXPECT_EQ(about["curves"][0]["layer"], "norm1");
}

TEST_F(LivePageTest, ServesTheLog) {
  page_.log().Append(TrainingLog::kSamples, std::vector<double>{1, 2, 3, 4});
  json data = json::parse(client_.Get("/data")->body);
  EXPECT_EQ(data["samples"].dump(), "[[1,2,3,4]]");
  data = json::parse(client_.Get("/data?version=0&iterations=0&validations=0&samples=1")->body);
  EXPECT_EQ(data["samples"].size(), 0u);
  for (const char* odd : {"-1", "9223372036854775807", "99999999999999999999", "x", ""})
    EXPECT_EQ(client_.Get((std::string("/data?version=0&samples=") + odd).c_str())->status, 200);
}

TEST_F(LivePageTest, OnlyThePageItselfStops) {
  const std::string token = Token(), body = "token=" + token;
  EXPECT_EQ(Stop({}, "")->status, 403);
  EXPECT_EQ(Stop({}, "token=" + std::string(32, '0'))->status, 403);
  EXPECT_EQ(Stop({}, body + "0")->status, 403);
  EXPECT_EQ(Stop({{"Origin", "http://evil.example"}}, body)->status, 403);
  EXPECT_EQ(Stop({{"Origin", "null"}}, body)->status, 403);
  EXPECT_EQ(Stop({{"Origin", "http://127.0.0.1:1"}}, body)->status, 403);
  EXPECT_EQ(client_.Get(("/stop?" + body).c_str())->status, 404);
  EXPECT_EQ(stops_, 0);
  EXPECT_EQ(Stop({{"Origin", page_.url()}}, body)->status, 200);
  EXPECT_EQ(stops_, 1);
}

// A site whose name leads here reads nothing: its pages call this machine by that name.
TEST_F(LivePageTest, IsCalledByItsNameAlone) {
  const int port = std::stoi(page_.url().substr(page_.url().rfind(':') + 1));
  for (const auto& [host, status] :
       std::vector<std::pair<std::string, int>>{{"evil.example", 403},
                                                {"127.0.0.1.evil.example:80", 403},
                                                {"", 403},
                                                {"localhost:8000", 200},
                                                {"localhost", 200},
                                                {"127.0.0.1", 200}}) {
    httplib::Client client("127.0.0.1", port);
    EXPECT_EQ(client.Get("/data", httplib::Headers{{"Host", host}})->status, status) << host;
  }
}

// Connections that say nothing, or do not read what they asked for, are dropped in their time.
TEST_F(LivePageTest, SilentOnesDoNotShutOthersOut) {
  sockaddr_in address{.sin_family = AF_INET};
  address.sin_port =
      htons(static_cast<uint16_t>(std::stoi(page_.url().substr(page_.url().rfind(':') + 1))));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  for (size_t i = 0; i < TrainingLog::kCapacity / 2; ++i)
    page_.log().Append(TrainingLog::kIterations,
                       std::vector<double>(TrainingLog::kIterationWidth, 1.0 / 3));
  std::vector<int> sockets;
  for (int i = 0; i < 20; ++i) {
    sockets.push_back(socket(AF_INET, SOCK_STREAM, 0));
    ASSERT_EQ(connect(sockets.back(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    const std::string ask = "GET /data HTTP/1.1\r\nHost: localhost\r\n\r\n";
    const size_t said = i % 2 ? ask.size() : 0;
    ASSERT_EQ(write(sockets.back(), ask.data(), said), static_cast<ssize_t>(said));
  }
  client_.set_read_timeout(60);
  const httplib::Result page = client_.Get("/");
  ASSERT_TRUE(page);
  EXPECT_EQ(page->status, 200);
  for (const int fd : sockets) close(fd);
}

TEST(LivePage, EachHasItsPortAndToken) {
  LivePage one(SomeFacts(), [] {}), other(SomeFacts(), [] {});
  EXPECT_NE(one.url(), other.url());
}

}  // namespace
}  // namespace normkit
