// The two halves of each pass.
#include <cstddef>
#include <span>

#include "normkit/c.h"
#include "normkit/core/moments.h"
#include "src/c/call.h"

namespace normkit::c {
namespace {

static_assert(NORMKIT_LEAVES == BatchPart::kLeaves);
static_assert(sizeof(normkit_moments) == sizeof(Moments));
static_assert(offsetof(normkit_moments, m2) == offsetof(Moments, m2));

bool HasTree(const Normalization& op) { return op.num_leaves(op.whole()) > 1; }

bool IsPart(const Normalization& op, const BatchPart& part) {
  const bool ordered = 0 <= part.first_leaf && part.first_leaf <= part.last_leaf &&
                       part.last_leaf <= BatchPart::kLeaves;
  return ordered && (part.is_whole() || HasTree(op));
}

BatchPart PartOf(const char* function, const Normalization& op, int32_t first_leaf,
                 int32_t last_leaf) {
  const BatchPart part{op.whole().whole, first_leaf, last_leaf};
  if (!IsPart(op, part))
    Fail("{}: leaves [{},{}) given, expected {}[0,{}){}", function, first_leaf, last_leaf,
         HasTree(op) ? "a run of " : "", BatchPart::kLeaves,
         HasTree(op) ? "" : ", for the plan has no tree");
  return part;
}

size_t MomentsOf(const Normalization& op, const BatchPart& part) {
  return static_cast<size_t>(op.part_statistics(part) * (op.joins() ? op.num_leaves(part) : 1));
}
size_t SumsOf(const Normalization& op, const BatchPart& part) {
  return static_cast<size_t>(op.num_leaves(part) * op.num_sums());
}

// size(op, part), -1 where it is none.
template <class Size>
int64_t SizeOfPart(const normkit_plan* plan, int32_t first_leaf, int32_t last_leaf,
                   const Size& size) {
  if (!plan) return -1;
  const BatchPart part{plan->op.whole().whole, first_leaf, last_leaf};
  return IsPart(plan->op, part) ? static_cast<int64_t>(size(plan->op, part)) : -1;
}

template <class T>
std::span<T> Array(const char* function, const char* name, T* values, size_t count) {
  if (count > 0) CheckNotNull(function, name, values);
  return {values, count};
}
std::span<Moments> MomentsAt(const char* function, normkit_moments* moments, size_t count) {
  return Array(function, "moments", reinterpret_cast<Moments*>(moments), count);
}

}  // namespace
}  // namespace normkit::c

using namespace normkit::c;

extern "C" {

int32_t normkit_plan_joins(const normkit_plan* plan) { return plan ? plan->op.joins() : -1; }

int64_t normkit_plan_leaf_begin(const normkit_plan* plan, int32_t leaf) {
  const bool known = plan && 0 <= leaf && leaf <= NORMKIT_LEAVES;
  return known ? plan->op.whole().leaf_begin(leaf) : -1;
}

int64_t normkit_plan_num_moments(const normkit_plan* plan, int32_t first_leaf, int32_t last_leaf) {
  return SizeOfPart(plan, first_leaf, last_leaf, MomentsOf);
}

int64_t normkit_plan_num_sums(const normkit_plan* plan, int32_t first_leaf, int32_t last_leaf) {
  return SizeOfPart(plan, first_leaf, last_leaf, SumsOf);
}

normkit_status normkit_gather(const normkit_plan* plan, int32_t first_leaf, int32_t last_leaf,
                              const normkit_forward_args* args, normkit_moments* moments) {
  return Guard([&] {
    const char* function = "normkit_gather";
    const auto& op = Op(function, plan);
    const auto part = PartOf(function, op, first_leaf, last_leaf);
    op.Gather(part, ToForwardArgs(function, args),
              MomentsAt(function, moments, MomentsOf(op, part)));
  });
}

normkit_status normkit_join_moments(const normkit_plan* plan, normkit_moments* moments) {
  return Guard([&] {
    const char* function = "normkit_join_moments";
    const auto& op = Op(function, plan);
    op.Join(MomentsAt(function, moments, MomentsOf(op, op.whole())));
  });
}

normkit_status normkit_finish(const normkit_plan* plan, int32_t first_leaf, int32_t last_leaf,
                              const normkit_moments* moments, double* mean, double* rstd,
                              double* variance) {
  return Guard([&] {
    const char* function = "normkit_finish";
    const auto& op = Op(function, plan);
    const auto part = PartOf(function, op, first_leaf, last_leaf);
    const size_t count =
        op.joins() ? static_cast<size_t>(op.num_statistics()) : MomentsOf(op, part);
    op.Finish(Array(function, "moments", reinterpret_cast<const normkit::Moments*>(moments), count),
              {.mean = mean, .rstd = rstd, .variance = variance});
  });
}

normkit_status normkit_apply(const normkit_plan* plan, int32_t first_leaf, int32_t last_leaf,
                             const normkit_forward_args* args) {
  return Guard([&] {
    const char* function = "normkit_apply";
    const auto& op = Op(function, plan);
    op.Apply(PartOf(function, op, first_leaf, last_leaf), ToForwardArgs(function, args));
  });
}

normkit_status normkit_gather_gradient(const normkit_plan* plan, int32_t first_leaf,
                                       int32_t last_leaf, const normkit_backward_args* args,
                                       double* sums) {
  return Guard([&] {
    const char* function = "normkit_gather_gradient";
    const auto& op = Op(function, plan);
    const auto part = PartOf(function, op, first_leaf, last_leaf);
    op.GatherGradient(part, ToBackwardArgs(function, args),
                      Array(function, "sums", sums, SumsOf(op, part)));
  });
}

normkit_status normkit_join_sums(const normkit_plan* plan, double* sums) {
  return Guard([&] {
    const char* function = "normkit_join_sums";
    const auto& op = Op(function, plan);
    op.Join(Array(function, "sums", sums, SumsOf(op, op.whole())));
  });
}

normkit_status normkit_apply_gradient(const normkit_plan* plan, int32_t first_leaf,
                                      int32_t last_leaf, const normkit_backward_args* args,
                                      const double* sums) {
  return Guard([&] {
    const char* function = "normkit_apply_gradient";
    const auto& op = Op(function, plan);
    op.ApplyGradient(PartOf(function, op, first_leaf, last_leaf), ToBackwardArgs(function, args),
                     Array(function, "sums", sums, static_cast<size_t>(op.num_sums())));
  });
}

}  // extern "C"
