// In which order sequences of different lengths are computed: step by step, those that still have
// rows side by side.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

namespace normkit::recurrent {

// The rows of one observation, in the order in which one direction reads them.
struct Course {
  int64_t observation, first, step, length;
  int64_t Row(int64_t t) const { return first + t * step; }
};

// Those of a mini-batch in groups, of which each is computed by one thread. Which are together
// changes no bit: rows of products are by themselves (src/products/row_product.h).
class CourseGroups {
 public:
  // course(i) of `count` observations; allocates nothing where there were as many before.
  template <class MakeCourse>
  void Set(int64_t count, int64_t groups, const MakeCourse& course) {
    sorted_.clear();
    for (int64_t i = 0; i < count; ++i) sorted_.push_back(course(i));
    std::ranges::sort(sorted_, [](const Course& a, const Course& b) {
      return a.length != b.length ? a.length > b.length : a.observation < b.observation;
    });
    dealt_.clear();
    begins_.assign(1, 0);
    for (int64_t group = 0; group < groups; ++group) {
      for (int64_t i = group; i < count; i += groups) dealt_.push_back(sorted_[Index(i)]);
      begins_.push_back(std::ssize(dealt_));
    }
  }

  int64_t count() const { return std::ssize(begins_) - 1; }
  // The longest first.
  std::span<const Course> group(int64_t i) const {
    return std::span(dealt_).subspan(Index(begins_[Index(i)]),
                                     Index(begins_[Index(i + 1)] - begins_[Index(i)]));
  }

 private:
  static size_t Index(int64_t i) { return static_cast<size_t>(i); }

  std::vector<Course> sorted_, dealt_;
  std::vector<int64_t> begins_;
};

// How many of a group have a row at step t.
inline int64_t CountAlive(std::span<const Course> group, int64_t t) {
  const auto end =
      std::ranges::partition_point(group, [t](const Course& c) { return c.length > t; });
  return end - group.begin();
}

}  // namespace normkit::recurrent
