#include "normkit/norm/normalization.h"

#include <cmath>

#include "src/core/fail.h"
#include "src/core/log.h"
#include "src/norm/backend.h"
#include "src/norm/check.h"
#include "src/norm/choose.h"
#include "src/norm/statistics.h"

namespace normkit {

class Normalization::Impl : public Problem {
 public:
  Impl(const NormSpec& s, const Layout& l, DType d, const NormOptions& o)
      : Problem(s, l, d, o), made_(ChooseNormBackend(*this).make(*this)) {
    if (!LogsDetails()) return;
    for (const NormPass pass : {NormPass::kForward, NormPass::kInference, NormPass::kBackward})
      LogDetail(Describe(pass));
  }

  const NormImplementation& made() const { return *made_; }

  std::string Describe(NormPass pass) const {
    return fmt::format("{} {} {} {}: {}, plan {}, kernel {}", spec.name, Name(pass), Name(dtype),
                       layout.ToString(), ToString(StatisticsOf(spec, layout)), plan.ToString(),
                       made_->Describe(pass));
  }

 private:
  std::unique_ptr<NormImplementation> made_;
};

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
  impl_->made().Forward(args);
}

void Normalization::ForwardInference(const void* x, const void* gamma, const void* beta,
                                     const void* mean, const void* variance, void* y) const {
  ForwardInference({.x = x, .gamma = gamma, .beta = beta, .y = y}, mean, variance);
}

void Normalization::ForwardInference(const ForwardArgs& args, const void* mean,
                                     const void* variance) const {
  CheckForward(*impl_, args, /*trains=*/false);
  if (!mean && !variance && num_running() == 0) return impl_->made().Forward(args);
  CheckGiven(*impl_, mean, variance);
  if (impl_->layout.size() > 0) impl_->made().Inference(args, {mean, variance});
}

void Normalization::Backward(const BackwardArgs& args) const {
  CheckBackward(*impl_, args);
  impl_->made().Backward(args);
}

}  // namespace normkit
