#include "src/live/live_page.h"

#include <fmt/format.h>
#include <httplib.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>

#include "src/core/fail.h"
#include "src/core/numbers.h"
#include "src/live/page_files.h"
#include "src/report/report.h"

namespace normkit {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kThreads = 16;  // one each is what a silent connection takes, for two seconds
constexpr size_t kMostWaiting = 64;
constexpr int kSeconds = 2;  // for a request to come, for an answer to be taken
constexpr int kNicer = 10;
constexpr auto kLooking = std::chrono::seconds(3);  // since the last question: somebody looks
constexpr auto kLastLook = std::chrono::milliseconds(1300);  // pages ask every second

// Nothing from elsewhere, in no frame of another page: nobody is made to press Stop.
constexpr const char* kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

// Connections that wait for a thread; where they are many, accepting others waits as well, so that
// the files of the training are never short of descriptors.
class PatientQueue : public httplib::TaskQueue {
 public:
  PatientQueue() {
    for (size_t i = 0; i < kThreads; ++i) threads_.emplace_back([this] { Work(); });
  }
  void enqueue(std::function<void()> work) override {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return work_.size() < kMostWaiting || ends_; });
    work_.push_back(std::move(work));
    changed_.notify_all();
  }
  void shutdown() override {
    {
      const std::lock_guard lock(mutex_);
      ends_ = true;
      changed_.notify_all();
    }
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  void Work() {
    for (;;) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return !work_.empty() || ends_; });
      if (work_.empty()) return;
      const std::function<void()> work = std::move(work_.front());
      work_.pop_front();
      changed_.notify_all();
      lock.unlock();
      work();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> work_;
  std::vector<std::thread> threads_;
  bool ends_ = false;
};

std::string MakeToken() {
  std::random_device random;  // of the system
  std::string token;
  for (int i = 0; i < 4; ++i) token += fmt::format("{:08x}", random());
  return token;
}

std::string FactsJson(const LiveFacts& facts) {
  nlohmann::json json{{"title", facts.title},
                      {"measure", facts.measure},
                      {"iterations", facts.iterations},
                      {"per_epoch", facts.per_epoch},
                      {"settings", facts.settings},
                      {"left_out", facts.left_out},
                      {"curves", nlohmann::json::array()}};
  for (const LiveCurve& curve : facts.curves)
    json["curves"].push_back(
        {{"plot", curve.plot}, {"layer", curve.layer}, {"band", curve.band}, {"log", curve.log}});
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// Whether a client calls this machine by a name that no site can give it.
bool IsLocal(const httplib::Request& request) {
  const std::string host = request.get_header_value("Host");
  const std::string name = host.substr(0, host.find(':'));
  return request.get_header_value_count("Host") == 1 &&
         (name == "127.0.0.1" || name == "localhost");
}

bool FromElsewhere(const httplib::Request& request) {
  const size_t origins = request.get_header_value_count("Origin");
  return origins > 1 || (origins == 1 && request.get_header_value("Origin") !=
                                             "http://" + request.get_header_value("Host"));
}

constexpr const char* kOnlyThePage = "Only the page itself stops the training.\n";

// Before what a request brings along is read: why it is not answered, "" where it is.
std::string Refusal(const httplib::Request& request) {
  if (!IsLocal(request)) return "This machine is called 127.0.0.1 or localhost here.\n";
  if (request.method != "POST") return "";
  return FromElsewhere(request) || !request.has_header("Content-Length") ? kOnlyThePage : "";
}

// Takes as long for a wrong token, wherever it is wrong.
bool SameToken(const std::string& given, const std::string& token) {
  size_t different = given.size() ^ token.size();
  for (size_t i = 0; i < token.size(); ++i)
    different |= static_cast<size_t>((i < given.size() ? given[i] : 0) ^ token[i]);
  return different == 0;
}

std::string Replaced(std::string text, const std::string& what, const std::string& by) {
  for (size_t at = text.find(what); at != text.npos; at = text.find(what, at + by.size()))
    text.replace(at, what.size(), by);
  return text;
}

}  // namespace

size_t SampleWidth(const LiveFacts& facts) {
  size_t width = 1;
  for (const LiveCurve& curve : facts.curves) width += curve.band ? 3 : 1;
  return width;
}

struct LivePage::Parts {
  Parts(LiveFacts of, std::function<void()> stops)
      : facts(std::move(of)), stop(std::move(stops)), log(SampleWidth(facts)) {}

  void Configure();
  void Route();
  void AnswerData(const httplib::Request& request, httplib::Response& response);
  void AnswerStop(const httplib::Request& request, httplib::Response& response);
  void Start();

  LiveFacts facts;
  std::function<void()> stop;
  TrainingLog log;
  std::string url, token = MakeToken();
  std::atomic<Clock::rep> asked{0};  // the last time somebody did
  httplib::Server server;
  std::thread listening;
};

void LivePage::Parts::Configure() {
  server.new_task_queue = [] { return new PatientQueue; };
  server.set_keep_alive_max_count(1);
  server.set_keep_alive_timeout(kSeconds);
  server.set_read_timeout(kSeconds);
  server.set_write_timeout(kSeconds);
  server.set_payload_max_length(1 << 12);
  server.set_default_headers({{"Cache-Control", "no-store"},
                              {"Content-Security-Policy", kPolicy},
                              {"X-Content-Type-Options", "nosniff"},
                              {"X-Frame-Options", "DENY"},
                              {"Cross-Origin-Resource-Policy", "same-origin"},
                              {"Referrer-Policy", "same-origin"}});
  server.set_pre_routing_handler(
      [this](const httplib::Request& request, httplib::Response& response) {
        asked = Clock::now().time_since_epoch().count();
        const std::string why = Refusal(request);
        if (why.empty()) return httplib::Server::HandlerResponse::Unhandled;
        response.status = 403;
        response.set_content(why, "text/plain");
        return httplib::Server::HandlerResponse::Handled;
      });
}

void LivePage::Parts::Route() {
  const auto text = [this](const char* path, std::string body, const char* type) {
    server.Get(
        path, [body = std::move(body), type](const httplib::Request&, httplib::Response& response) {
          response.set_content(body, type);
        });
  };
  const std::string page = Replaced(std::string(kLivePageHtml), "{{token}}", token);
  text("/", Replaced(page, "{{title}}", EscapeHtml(facts.title)), "text/html; charset=utf-8");
  text("/page.js", std::string(kLivePageScript), "text/javascript; charset=utf-8");
  text("/page.css", PageStyle() + PlotStyle() + std::string(kLivePageStyle),
       "text/css; charset=utf-8");
  text("/about", FactsJson(facts), "application/json");
  server.Get("/data", [this](const httplib::Request& request, httplib::Response& response) {
    AnswerData(request, response);
  });
  server.Post("/stop", [this](const httplib::Request& request, httplib::Response& response) {
    AnswerStop(request, response);
  });
}

void LivePage::Parts::AnswerData(const httplib::Request& request, httplib::Response& response) {
  const auto number = [&](const char* name) {
    return ParseNumber<int64_t>(request.get_param_value(name)).value_or(-1);
  };
  TrainingLog::Position position{.version = number("version")};
  size_t kind = 0;
  for (const char* name : {"iterations", "validations", "samples"})
    position.rows[kind++] = static_cast<size_t>(std::max<int64_t>(number(name), 0));
  response.set_content(log.Json(position), "application/json");
}

void LivePage::Parts::AnswerStop(const httplib::Request& request, httplib::Response& response) {
  if (!SameToken(request.get_param_value("token"), token)) {
    response.status = 403;
    response.set_content(kOnlyThePage, "text/plain");
    return;
  }
  stop();
  response.set_content("The training stops after this iteration.\n", "text/plain");
}

// Its threads take after this one: they give way, and signals go to others.
void LivePage::Parts::Start() {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  listening = std::thread([this] {
    (void)!nice(kNicer);  // of this thread, on Linux
    server.listen_after_bind();
  });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  while (!server.is_running()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

LivePage::LivePage(LiveFacts facts, std::function<void()> stop)
    : parts_(std::make_unique<Parts>(std::move(facts), std::move(stop))) {
  parts_->Configure();
  parts_->Route();
  const int port = parts_->server.bind_to_any_port("127.0.0.1");
  if (port <= 0) Fail("the page of the training: no port of 127.0.0.1 can be listened at");
  parts_->url = fmt::format("http://127.0.0.1:{}", port);
  parts_->Start();
}

LivePage::~LivePage() {
  const Clock::duration since =
      Clock::now().time_since_epoch() - Clock::duration(parts_->asked.load());
  if (parts_->asked != 0 && since < kLooking) std::this_thread::sleep_for(kLastLook);
  parts_->server.stop();
  parts_->listening.join();
}

const std::string& LivePage::url() const { return parts_->url; }
TrainingLog& LivePage::log() { return parts_->log; }

}  // namespace normkit
