// The page on http://127.0.0.1:PORT that shows a training while it runs, with a button that stops
// it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "src/live/training_log.h"

namespace normkit {

// A curve over the samples of the log: one column of them, or three (lowest, mean, highest) that
// are drawn as a band. Those of one plot stand in one picture.
struct LiveCurve {
  std::string plot = {}, layer = {};
  bool band = false, log = false;
};

// What does not change while a training runs. All text is UTF-8.
struct LiveFacts {
  std::string title = {};
  std::string measure = "accuracy";  // or "RMSE"
  int64_t iterations = 0, per_epoch = 0;
  std::vector<std::pair<std::string, std::string>> settings = {};
  std::vector<LiveCurve> curves = {};
  std::string left_out = {};  // which curves there would be beside these; empty: none
};
// Of a row of kSamples.
size_t SampleWidth(const LiveFacts& facts);

// Serves from threads of its own that give way to all others (nice), so that those who look cost
// the training nothing: requests are answered from the log and the connection is closed, who does
// not read for two seconds is dropped, and while 64 wait others are not let in. Answers only those
// who call it 127.0.0.1 or localhost, whatever name a site gives this machine.
class LivePage {
 public:
  // Throws Error where no port is to be had. `stop` is called, by another thread, for POST /stop
  // with the page's token from the page itself.
  LivePage(LiveFacts facts, std::function<void()> stop);
  ~LivePage();  // waits a second where somebody looks, so that the last state is seen
  LivePage(const LivePage&) = delete;
  LivePage& operator=(const LivePage&) = delete;

  const std::string& url() const;  // "http://127.0.0.1:40123"
  TrainingLog& log();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

// Shows it in a browser where there is a desktop (DISPLAY or WAYLAND_DISPLAY) and xdg-open; does
// nothing else.
void OpenOnDesktop(const std::string& url);

}  // namespace normkit
