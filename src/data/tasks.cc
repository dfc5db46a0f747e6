// Sequences that a seed makes: tasks to learn that need no files.
#include "src/data/tasks.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "normkit/core/random.h"
#include "normkit/data/source.h"
#include "src/core/fail.h"
#include "src/core/memory_needs.h"
#include "src/core/suggest.h"

namespace normkit {
namespace {

constexpr int64_t kMaxCount = 1'000'000;
constexpr double kPi = 3.14159265358979324;

// Adds one sequence and what is to be told of it.
using AddSequence = void (*)(Random& random, Sequences& s);

void AddParity(Random& random, Sequences& s) {
  s.lengths.push_back(5 + random.Below(16));
  for (int64_t step = 0, odd = 0; step < s.lengths.back(); ++step) {
    const int64_t bit = random.Below(2);
    odd ^= bit;
    s.x.push_back(static_cast<float>(bit));
    s.labels.push_back(odd);
  }
}

void AddAdding(Random& random, Sequences& s) {
  const int64_t length = 10 + random.Below(21);
  const int64_t first = random.Below(length), other = random.Below(length - 1);
  const int64_t second = other + (other >= first ? 1 : 0);
  double sum = 0;
  for (int64_t step = 0; step < length; ++step) {
    const double number = random.Uniform();
    const bool marked = step == first || step == second;
    sum += marked ? number : 0;
    s.x.push_back(static_cast<float>(number));
    s.x.push_back(marked ? 1.f : 0.f);
  }
  s.lengths.push_back(length);
  s.targets.push_back(static_cast<float>(sum));
}

// In -1..1, of a phase in 0..1.
double Wave(int64_t form, double phase) {
  switch (form) {
    case 0:
      return std::sin(2 * kPi * phase);
    case 1:
      return phase < 0.5 ? 1 : -1;
    case 2:
      return 2 * phase - 1;
    default:
      return 4 * std::abs(phase - 0.5) - 1;
  }
}

void AddWave(Random& random, Sequences& s) {
  const int64_t form = random.Below(4), length = 20 + random.Below(41);
  const double step = 1 / random.Uniform(8, 16), height = random.Uniform(0.7, 1.3);
  double phase = random.Uniform();
  for (int64_t i = 0; i < length; ++i, phase += step)
    s.x.push_back(static_cast<float>(height * Wave(form, phase - std::floor(phase)) +
                                     0.25 * random.Normal()));
  s.lengths.push_back(length);
  s.labels.push_back(form);
}

constexpr int64_t kSide = 12;  // of pictures over time

// From b to a on a circle of kSide.
double Around(double a, double b) {
  const double distance = std::abs(a - b);
  return std::min(distance, static_cast<double>(kSide) - distance);
}

// A blob that goes one way and comes in again on the other side, so that a single picture tells
// nothing.
void AddMoving(Random& random, Sequences& s) {
  const int64_t way = random.Below(4), length = 6 + random.Below(7);
  const double step = random.Uniform(0.7, 1.3) * (way % 2 == 0 ? -1 : 1);
  double place[2] = {kSide * random.Uniform(), kSide * random.Uniform()};  // down, across
  for (int64_t i = 0; i < length; ++i) {
    for (int64_t row = 0; row < kSide; ++row)
      for (int64_t column = 0; column < kSide; ++column) {
        const double down = Around(static_cast<double>(row), place[0]),
                     across = Around(static_cast<double>(column), place[1]);
        const double light = 40 + 180 * std::exp(-(down * down + across * across) / 4.5);
        s.x.push_back(
            static_cast<float>(std::clamp(std::round(light + 12 * random.Normal()), 0.0, 255.0)));
      }
    double& moved = place[way < 2 ? 1 : 0];
    moved += step;
    moved -= kSide * std::floor(moved / kSide);
  }
  s.lengths.push_back(length);
  s.labels.push_back(way);
}

struct Task {
  const char* name;
  AddSequence add;
  Layout layout;                     // of a row
  std::vector<std::string> classes;  // none: one target
  bool each_row;
  int64_t longest;  // steps that a sequence has at most
};

const std::vector<Task>& Tasks() {
  static const std::vector<Task> tasks{
      {"parity", AddParity, RowLayout(1), {"even", "odd"}, true, 20},
      {"adding", AddAdding, RowLayout(2), {}, false, 30},
      {"waves", AddWave, RowLayout(1), {"sine", "square", "saw", "triangle"}, false, 60},
      {"moving",
       AddMoving,
       Layout({{kT, 1}, {kS, kSide}, {kS, kSide}, {kC, 1}}),
       {"left", "right", "up", "down"},
       false,
       12},
  };
  return tasks;
}

}  // namespace

const std::vector<std::string>& TaskNames() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const Task& task : Tasks()) all.emplace_back(task.name);
    return all;
  }();
  return names;
}

SequenceData MakeTask(std::string_view name, int64_t count, uint64_t seed) {
  const auto task = std::ranges::find(Tasks(), name, &Task::name);
  if (task == Tasks().end())
    Fail("task '{}' is unknown, expected {}{}", name, fmt::join(TaskNames(), ", "),
         DidYouMean(name, TaskNames()));
  if (count < 1 || count > kMaxCount)
    Fail("{}: {} sequences are asked for, expected 1 to {}", name, count, kMaxCount);
  const int64_t values = count * task->longest * task->layout.size();
  MemoryNeeds needs;
  needs.Add("steps", sizeof(float) * static_cast<double>(values));
  needs.Check(fmt::format("making '{}:{}'", name, count), "fewer sequences take less");
  SequenceData s;
  s.x.reserve(static_cast<size_t>(values));  // and no second copy while it grows
  s.layout = task->layout;
  s.answers_each_row = task->each_row;
  s.classes = task->classes;
  s.target_size = task->classes.empty() ? 1 : 0;
  s.description = fmt::format("{} ({} generated, seed {})", name, count, seed);
  for (int64_t i = 0; i < count; ++i) {
    Random random(seed, static_cast<uint64_t>(i));
    task->add(random, s);
  }
  return s;
}

DataPtr GenerateTask(std::string_view name, int64_t count, uint64_t seed) {
  return MakeSequences(MakeTask(name, count, seed), {});
}

}  // namespace normkit
