#include "normkit/data/input_form.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "src/core/fail.h"
#include "src/core/numbers.h"
#include "src/data/identity.h"

namespace normkit {
namespace {

constexpr double kWhite = 255;

// y[c] = slope[c] x[from[c]] + shift[c].
struct ChannelMaps {
  std::vector<double> slope, shift;
  std::vector<size_t> from;
};

double NumberOf(const std::vector<double>& numbers, size_t channel, double otherwise) {
  if (numbers.empty()) return otherwise;
  return numbers[numbers.size() == 1 ? 0 : channel];
}

void CheckNumbers(const std::vector<double>& numbers, const char* what, size_t channels,
                  const std::string& of) {
  if (!numbers.empty() && numbers.size() != 1 && numbers.size() != channels)
    Fail("{}: {} has {} numbers, expected 1 or {} (channels)", of, what, numbers.size(), channels);
  for (const double x : numbers)
    if (!std::isfinite(x)) Fail("{}: {} is {}, expected finite numbers", of, what, x);
}

ChannelMaps MapsOf(const InputForm& form, size_t channels, const std::string& of) {
  CheckNumbers(form.mean, "mean", channels, of);
  CheckNumbers(form.std, "std", channels, of);
  if (!std::isfinite(form.white)) Fail("{}: range is {}, expected a number", of, form.white);
  if (form.bgr && channels != 3)
    Fail("{}: channel order bgr asked for, expected 3 channels, not {}", of, channels);
  ChannelMaps maps;
  for (size_t c = 0; c < channels; ++c) {
    const double std = NumberOf(form.std, c, 1);
    if (!(std > 0)) Fail("{}: std is {}, expected more than 0", of, std);
    maps.slope.push_back(form.white / kWhite / std);
    maps.shift.push_back(-NumberOf(form.mean, c, 0) / std);
    maps.from.push_back(form.bgr ? channels - 1 - c : c);
  }
  return maps;
}

class FormedSource : public DataSource {
 public:
  FormedSource(DataPtr source, const InputForm& form)
      : source_(std::move(source)),
        maps_(MapsOf(form, static_cast<size_t>(source_->layout().channels()),
                     fmt::format("data '{}'", source_->Description()))) {}

  int64_t size() const override { return source_->size(); }
  const Layout& layout() const override { return source_->layout(); }
  int64_t length(int64_t index) const override { return source_->length(index); }
  const std::vector<std::string>& classes() const override { return source_->classes(); }
  int64_t label(int64_t index) const override { return source_->label(index); }
  int64_t target_size() const override { return source_->target_size(); }
  const std::vector<std::string>& position_classes() const override {
    return source_->position_classes();
  }
  void ReadTarget(int64_t index, std::span<float> out) const override {
    source_->ReadTarget(index, out);
  }
  bool answers_each_row() const override { return source_->answers_each_row(); }
  void ReadLabels(int64_t index, std::span<int64_t> labels) const override {
    source_->ReadLabels(index, labels);
  }
  std::string Description() const override { return source_->Description(); }
  std::string Summary() const override { return source_->Summary(); }
  std::string ObservationName(int64_t index) const override {
    return source_->ObservationName(index);
  }
  int64_t MemoryBytes() const override { return source_->MemoryBytes(); }
  void Load() const override { source_->Load(); }

  void Read(int64_t index, std::span<float> out) const override {
    source_->Read(index, out);
    const size_t channels = maps_.slope.size();
    std::vector<float> pixel(channels);
    for (size_t at = 0; at + channels <= out.size(); at += channels) {
      std::copy_n(out.begin() + static_cast<std::ptrdiff_t>(at), channels, pixel.begin());
      for (size_t c = 0; c < channels; ++c)
        out[at + c] = static_cast<float>(maps_.slope[c] * pixel[maps_.from[c]] + maps_.shift[c]);
    }
  }
  // The observations are the same; the form is told beside them.
  uint64_t Fingerprint() const override { return source_->Fingerprint(); }
  ValueRange Range() const override {
    const ValueRange given = source_->Range();
    std::vector<float> ends;
    for (size_t c = 0; c < maps_.slope.size(); ++c)
      for (const float x : {given.low, given.high})
        ends.push_back(static_cast<float>(maps_.slope[c] * x + maps_.shift[c]));
    return RangeOf(ends);
  }

 private:
  DataPtr source_;
  ChannelMaps maps_;
};

std::vector<double> ParseNumbers(std::string_view text, std::string_view whole) {
  std::vector<double> numbers;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    const std::optional<double> number = ParseNumber<double>(std::string(text.substr(0, comma)));
    if (!number) Fail("input form {}: has no numbers where expected", Quoted(whole));
    numbers.push_back(*number);
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return numbers;
}

}  // namespace

std::string Name(const InputForm& form) {
  std::vector<std::string> parts;
  if (form.white != kWhite) parts.push_back(fmt::format("range {}", form.white));
  if (form.bgr) parts.emplace_back("bgr");
  if (!form.mean.empty()) parts.push_back(fmt::format("mean {}", fmt::join(form.mean, ",")));
  if (!form.std.empty()) parts.push_back(fmt::format("std {}", fmt::join(form.std, ",")));
  return fmt::format("{}", fmt::join(parts, ", "));
}

InputForm ParseInputForm(std::string_view text) {
  InputForm form;
  const std::string_view whole = text;
  while (!text.empty()) {
    const size_t end = std::min(text.find(", "), text.size());
    const std::string_view part = text.substr(0, end);
    text.remove_prefix(std::min(end + 2, text.size()));
    const size_t blank = std::min(part.find(' '), part.size());
    const std::string_view word = part.substr(0, blank);
    const std::vector<double> numbers =
        ParseNumbers(part.substr(std::min(blank + 1, part.size())), whole);
    if (word == "range" && numbers.size() == 1)
      form.white = numbers[0];
    else if (word == "bgr" && numbers.empty())
      form.bgr = true;
    else if (word == "mean" && !numbers.empty())
      form.mean = numbers;
    else if (word == "std" && !numbers.empty())
      form.std = numbers;
    else
      Fail("input form {}: {} is unknown, expected range N, bgr, mean N,N,N or std N,N,N",
           Quoted(whole), Quoted(part));
  }
  return form;
}

DataPtr WithInputForm(DataPtr source, const InputForm& form) {
  if (form == InputForm()) return source;
  return std::make_shared<FormedSource>(std::move(source), form);
}

}  // namespace normkit
