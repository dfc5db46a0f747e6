#include "normkit/norm/normalization.h"

#include <algorithm>
#include <cmath>

#include "src/core/fail.h"
#include "src/core/log.h"
#include "src/norm/array_copies.h"
#include "src/norm/backend.h"
#include "src/norm/check.h"
#include "src/norm/choose.h"
#include "src/norm/padded.h"
#include "src/norm/parts.h"
#include "src/norm/ready_parameters.h"
#include "src/norm/slabs.h"
#include "src/norm/statistics.h"

namespace normkit {

class __attribute__((visibility("hidden"))) Normalization::Impl : public Problem {
 public:
  Impl(const NormSpec& s, const Layout& l, DType d, const NormOptions& o)
      : Problem(s, l, d, o),
        backend_(ChooseNormBackend(*this)),
        made_(backend_.make(*this)),
        parts_(*this, backend_, *made_),
        padded_(*this, backend_, parts_),
        copies_(ArrayCopies::Names(*this, *made_)),
        slabs_(*this, backend_, *made_, !copies_.empty()) {
    if (quantizes() && !strides[NormArray::kY].dense())  // that of slabs may be
      Fail("{}: y in 8 bits, expected it dense", Title());
    if (!LogsDetails()) return;
    for (const NormPass pass : {NormPass::kForward, NormPass::kInference, NormPass::kBackward})
      LogDetail(Describe(pass));
  }

  const NormImplementation& made() const { return *made_; }
  const Parts& parts() const { return parts_; }
  const Padded& padded() const { return padded_; }
  const Slabs& slabs() const { return slabs_; }
  // Whether arguments without lengths go to the back-end as they are: to make others of them is a
  // twentieth of a call of one short row.
  bool takes_as_given() const { return takes_as_given_; }
  // f(arguments) with dense copies of the arrays that the back-end does not take as they lie.
  template <class Args, class F>
  void WithArrays(const Args& args, const F& f, Half half = Half::kBoth) const {
    if (copies_.empty()) return f(args);
    ArrayCopies copies(*this, *made_);
    f(copies.In(args, half));
    copies.Finish();
  }
  // Throws Error where `part` is none.
  void CheckPart(const BatchPart& part, const char* call, size_t given, int64_t expected) const;

  std::string Describe(NormPass pass) const {
    return fmt::format(
        "{} {} {} {}: {}, plan {}, kernel {}{}{}{}", spec.name, Name(pass), Name(dtype),
        layout.ToString(), ToString(StatisticsOf(spec, layout)), plan.ToString(),
        made_->Describe(pass), options.tree && pass != NormPass::kInference ? ", by leaves" : "",
        copies_.empty() ? "" : ", copied for their strides: " + copies_, slabs_.ToString(pass));
  }

 private:
  const NormBackend& backend_;
  std::unique_ptr<NormImplementation> made_;
  const Parts parts_;
  const Padded padded_;
  const std::string copies_;  // the names of arrays
  const Slabs slabs_;
  const bool takes_as_given_ = !options.tree && copies_.empty() && !slabs_.any() &&
                               !options.scale_plus_one &&
                               parameter_dtype() == ParameterDType(dtype);
};

constexpr size_t kBegins = BatchPart::kLeaves + 1;

void Normalization::Impl::CheckPart(const BatchPart& part, const char* call, size_t given,
                                    int64_t expected) const {
  const bool fits = part.whole == parts_.whole().whole && part.first_leaf >= 0 &&
                    part.first_leaf <= part.last_leaf && part.last_leaf <= BatchPart::kLeaves;
  if (!fits || !(options.tree || part.is_whole()))
    Fail("{}: {}: leaves [{},{}) of {} given, expected {}[0,{}){} of {}", Title(), call,
         part.first_leaf, part.last_leaf, part.whole, options.tree ? "a run of " : "",
         BatchPart::kLeaves, options.tree ? "" : ", for there is no tree,", parts_.whole().whole);
  if (part.begins && !(options.uneven && std::is_sorted(part.begins, part.begins + kBegins) &&
                       part.begins[0] == 0 && part.begins[kBegins - 1] == part.whole))
    Fail("{}: {}: leaves that begin at {} given, expected {}", Title(), call,
         fmt::join(std::span(part.begins, kBegins), ","),
         options.uneven ? fmt::format("{} numbers from 0 up to {}", kBegins, part.whole)
                        : "leaves alike, for `uneven` is not set");
  if (given != static_cast<size_t>(expected))
    Fail("{}: {}: room for {} results, expected {}", Title(), call, given, expected);
}

std::string_view Name(NormPass pass) {
  constexpr std::string_view kNames[] = {"forward", "inference", "backward"};
  return kNames[static_cast<size_t>(pass)];
}

Normalization::Normalization(const NormSpec& spec, const Layout& layout, DType dtype,
                             const NormOptions& options)
    : impl_(std::make_unique<Impl>(spec, WithGroups(spec, layout, options.num_groups), dtype,
                                   options)) {}
Normalization::~Normalization() = default;
Normalization::Normalization(Normalization&&) noexcept = default;
Normalization& Normalization::operator=(Normalization&&) noexcept = default;

const NormSpec& Normalization::spec() const { return impl_->spec; }
const Layout& Normalization::layout() const { return impl_->layout; }
DType Normalization::dtype() const { return impl_->dtype; }
DType Normalization::parameter_dtype() const { return impl_->parameter_dtype(); }
int64_t Normalization::num_statistics() const { return impl_->plan.num_stat; }
int64_t Normalization::num_parameters() const { return impl_->plan.num_param; }
int64_t Normalization::num_running() const {
  return impl_->spec.running ? impl_->layout.SizeOf(impl_->spec.running) : 0;
}
int64_t Normalization::reduced_count() const { return impl_->plan.num_reduced; }
std::string Normalization::Describe(NormPass pass) const { return impl_->Describe(pass); }
std::string Normalization::DescribeStatistics() const {
  return fmt::format("{} normalization of {} {}: {}", impl_->spec.name, Name(impl_->dtype),
                     impl_->layout.ToString(), ToString(StatisticsOf(impl_->spec, impl_->layout)));
}

void Normalization::ForwardTraining(const void* x, const void* gamma, const void* beta, void* y,
                                    const SavedStatistics& saved) const {
  ForwardTraining({.x = x, .gamma = gamma, .beta = beta, .y = y, .saved = saved});
}

void Normalization::ForwardTraining(const ForwardArgs& args) const {
  CheckForward(*impl_, args, /*trains=*/true);
  if (impl_->takes_as_given() && !args.lengths) return impl_->made().Forward(args);
  const ReadyParameters parameters(*impl_, args.gamma, args.beta);
  if (args.lengths) return impl_->padded().Forward(parameters.In(args));
  if (impl_->options.tree) return impl_->parts().Forward(parameters.In(args));
  if (impl_->slabs().Take(NormPass::kForward, args))
    return impl_->slabs().Forward(parameters.In(args));
  impl_->WithArrays(parameters.In(args),
                    [&](const ForwardArgs& ready) { impl_->made().Forward(ready); });
}

void Normalization::ForwardInference(const void* x, const void* gamma, const void* beta,
                                     const void* mean, const void* variance, void* y) const {
  ForwardInference({.x = x, .gamma = gamma, .beta = beta, .y = y}, mean, variance);
}

void Normalization::ForwardInference(const ForwardArgs& args, const void* mean,
                                     const void* variance) const {
  CheckForward(*impl_, args, /*trains=*/false);
  const ReadyParameters parameters(*impl_, args.gamma, args.beta);
  const bool own = !mean && !variance && num_running() == 0;
  if (!own) CheckGiven(*impl_, mean, variance);
  if (!own && impl_->layout.size() == 0) return;
  if (args.lengths)
    return own ? impl_->padded().Forward(parameters.In(args))
               : impl_->padded().Inference(parameters.In(args), {mean, variance});
  const NormPass pass = own ? NormPass::kForward : NormPass::kInference;
  if (impl_->slabs().Take(pass, args))
    return own ? impl_->slabs().Forward(parameters.In(args))
               : impl_->slabs().Inference(parameters.In(args), {mean, variance});
  impl_->WithArrays(parameters.In(args), [&](const ForwardArgs& ready) {
    own ? impl_->made().Forward(ready) : impl_->made().Inference(ready, {mean, variance});
  });
}

void Normalization::Backward(const BackwardArgs& args) const {
  const ReadyParameters parameters(*impl_, args.gamma, args.beta);
  CheckBackward(*impl_, args, parameters);
  if (args.lengths) return impl_->padded().Backward(parameters.In(args));
  if (impl_->options.tree) return impl_->parts().Backward(parameters.In(args));
  if (impl_->slabs().Take(NormPass::kBackward, args))
    return impl_->slabs().Backward(parameters.In(args));
  impl_->WithArrays(parameters.In(args),
                    [&](const BackwardArgs& ready) { impl_->made().Backward(ready); });
}

BatchPart Normalization::whole() const { return impl_->parts().whole(); }
int64_t Normalization::num_leaves(const BatchPart& part) const {
  return impl_->parts().num_leaves(part);
}
bool Normalization::joins() const { return impl_->parts().joins(); }
int64_t Normalization::part_statistics(const BatchPart& part) const {
  return impl_->parts().statistics(part);
}
int64_t Normalization::num_sums() const { return impl_->parts().num_sums(); }

namespace {
template <class Impl>
void ExpectNoLengths(const Impl& impl, const char* call, const int64_t* lengths) {
  if (lengths)
    Fail("{}: {}: lengths of a part, expected none (weights of 0 in Gather leave padding out)",
         impl.Title(), call);
}
}  // namespace

void Normalization::Gather(const BatchPart& part, const ForwardArgs& args,
                           std::span<Moments> moments) const {
  const int64_t rows = joins() ? num_leaves(part) : 1;
  impl_->CheckPart(part, "Gather", moments.size(), rows * part_statistics(part));
  ExpectNoLengths(*impl_, "Gather", args.lengths);
  CheckGather(*impl_, args, impl_->parts().Sizes(part), moments);
  if (args.weights) {
    if (args.residual)
      Fail("{}: Gather: weights with a residual, expected their sum as x", impl_->Title());
    return impl_->parts().GatherWeighted(part, args, moments.data());
  }
  impl_->WithArrays(
      args, [&](const ForwardArgs& ready) { impl_->parts().Gather(part, ready, moments.data()); },
      Half::kFirst);
}

void Normalization::Join(std::span<Moments> moments) const {
  const int64_t rows = joins() ? num_leaves(whole()) : 1;
  impl_->CheckPart(whole(), "Join", moments.size(), rows * num_statistics());
  impl_->parts().Join(moments.data());
}

void Normalization::Finish(std::span<const Moments> moments, const SavedStatistics& saved) const {
  const auto all = static_cast<size_t>(num_statistics());
  if (joins() ? moments.size() != all : moments.size() > all)
    Fail("{}: Finish: {} moments given, expected {}{}", impl_->Title(), moments.size(),
         joins() ? "" : "at most ", all);
  CheckFinish(*impl_, moments, saved);
  impl_->parts().Finish(moments, saved);
}

void Normalization::Apply(const BatchPart& part, const ForwardArgs& args) const {
  impl_->CheckPart(part, "Apply", 0, 0);
  ExpectNoLengths(*impl_, "Apply", args.lengths);
  CheckApply(*impl_, args, impl_->parts().Sizes(part));
  const ReadyParameters parameters(*impl_, args.gamma, args.beta);
  impl_->WithArrays(
      parameters.In(args), [&](const ForwardArgs& ready) { impl_->parts().Apply(part, ready); },
      Half::kSecond);
}

void Normalization::GatherGradient(const BatchPart& part, const BackwardArgs& args,
                                   std::span<double> sums) const {
  impl_->CheckPart(part, "GatherGradient", sums.size(), num_leaves(part) * num_sums());
  ExpectNoLengths(*impl_, "GatherGradient", args.lengths);
  const ReadyParameters parameters(*impl_, args.gamma, args.beta);
  CheckBackwardOfPart(*impl_, args, parameters, impl_->parts().Sizes(part), sums,
                      /*reads_sums=*/false);
  impl_->WithArrays(
      parameters.In(args),
      [&](const BackwardArgs& ready) { impl_->parts().GatherGradient(part, ready, sums.data()); },
      joins() ? Half::kFirst : Half::kBoth);
}

void Normalization::Join(std::span<double> sums) const {
  impl_->CheckPart(whole(), "Join", sums.size(), num_leaves(whole()) * num_sums());
  impl_->parts().Join(sums.data());
}

void Normalization::ApplyGradient(const BatchPart& part, const BackwardArgs& args,
                                  std::span<const double> sums) const {
  impl_->CheckPart(part, "ApplyGradient", sums.size(), num_sums());
  const ReadyParameters parameters(*impl_, args.gamma, args.beta);
  CheckBackwardOfPart(*impl_, args, parameters, impl_->parts().Sizes(part), sums,
                      /*reads_sums=*/true);
  impl_->WithArrays(
      parameters.In(args),
      [&](const BackwardArgs& ready) { impl_->parts().ApplyGradient(part, ready, sums.data()); },
      Half::kSecond);
}

}  // namespace normkit
