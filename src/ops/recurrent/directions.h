// What operations over sequences in one direction or both share.
#pragma once

#include <vector>

#include "normkit/core/threads.h"
#include "src/core/parallel.h"
#include "src/ops/recurrent/recurrent.h"
#include "src/recurrent/courses.h"

namespace normkit::ops {

// The sequences of a run, in each direction.
class DirectionCourses {
 public:
  DirectionCourses(const RecurrentSettings& settings, int64_t rows, const PackedTime* time)
      : settings_(settings), rows_(rows), time_(time) {}

  // For what is packed now.
  void Read() {
    constexpr int64_t kFewest =
        8;  // of a group: fewer rows than a tile of products waste registers
    const int64_t count = observations();
    const int64_t threads = NumThreads(),
                  most = std::max<int64_t>(1, threads / settings_.directions()),
                  groups = std::clamp<int64_t>(count / kFewest, 1, most);
    for (int64_t d = 0; d < settings_.directions(); ++d)
      courses_[Index(d)].Set(count, groups, [&](int64_t i) { return Make(i, reversed(d)); });
  }

  int64_t observations() const {
    return time_ ? std::max<int64_t>(0, std::ssize(time_->offsets) - 1) : rows_;
  }
  // A rank without observations has a row that counts for nothing.
  bool idle() const { return time_ && time_->offsets.empty(); }
  bool reversed(int64_t direction) const {
    return settings_.direction == Direction::kReverse || direction == 1;
  }
  int64_t Begin(int64_t observation) const {
    return time_ ? time_->offsets[Index(observation)] : observation;
  }

  // f(direction, group) of all, on threads.
  template <class F>
  void ForGroups(bool worth_threads, const F& f) const {
    const int64_t each = courses_[0].count();
    ParallelFor(settings_.directions() * each, worth_threads, [&](int64_t task) {
      f(task / each, courses_[Index(task / each)].group(task % each));
    });
  }
  // f(course) for each observation.
  template <class F>
  void ForCourses(int64_t direction, bool worth_threads, const F& f) const {
    const recurrent::CourseGroups& groups = courses_[Index(direction)];
    ParallelFor(groups.count(), worth_threads, [&](int64_t g) {
      for (const recurrent::Course& course : groups.group(g)) f(course);
    });
  }

 private:
  static size_t Index(int64_t i) { return static_cast<size_t>(i); }
  recurrent::Course Make(int64_t i, bool reversed) const {
    const int64_t begin = Begin(i), length = Begin(i + 1) - begin;
    return {i, reversed ? begin + length - 1 : begin, reversed ? -1 : 1, length};
  }

  const RecurrentSettings settings_;
  const int64_t rows_;
  const PackedTime* time_;
  recurrent::CourseGroups courses_[2];
};

}  // namespace normkit::ops
