// A normalization of arrays as they lie. Arrays come as addresses, 0 where there is none.
#include <dlfcn.h>
#include <nanobind/nanobind.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <atomic>
#include <map>
#include <string>
#include <vector>

#include "normkit/norm/normalization.h"
#include "python/src/module.h"
#include "python/src/rank_exchange.h"
#include "src/core/fail.h"
#include "src/core/parallel.h"
#include "src/norm/names.h"

namespace normkit::python {

namespace nb = nanobind;

namespace {

using Address = uintptr_t;

std::atomic<RunTeam> torch_team{nullptr};

// What a call runs on: calls of normkit.torch say how many threads, and run on PyTorch's.
class CallThreads {
 public:
  explicit CallThreads(int threads)
      : threads_(threads), team_(threads > 0 ? torch_team.load() : nullptr) {}

 private:
  const nb::gil_scoped_release unlocked_;
  const WithThreads threads_;
  const WithTeam team_;
};

// The threads of an OpenMP library that is loaded already; false: it is not, or has none.
bool UseOpenMpOf(const std::string& path) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_NOLOAD);
  void* run = library ? dlsym(library, "GOMP_parallel") : nullptr;
  if (run) torch_team = reinterpret_cast<RunTeam>(run);
  return run != nullptr;
}

template <class T = void>
T* At(Address address) {
  return reinterpret_cast<T*>(address);
}

using StridesByName = std::map<std::string, std::vector<int64_t>>;

ArrayStrides ToStrides(StridesByName given) {
  const auto take = [&](const char* name) { return std::move(given[name]); };
  return {.x = take("x"),
          .y = take("y"),
          .residual = take("residual"),
          .sum = take("sum"),
          .addend = take("addend"),
          .gate = take("gate"),
          .dy = take("dy"),
          .dx = take("dx"),
          .daddend = take("daddend"),
          .dgate = take("dgate")};
}

// What a plan is made of beside the arrays.
struct PlanOptions {
  double epsilon = 1e-5;
  int64_t num_groups = 0;
  std::string operation_dimension = {};
  std::string parameter_axes = {};   // "": those of the spec
  std::string parameter_dtype = {};  // "": that of the dtype
  bool scale_plus_one = false;
  std::string activation = "none";
  double negative_slope = 0.01, activation_alpha = 1;
};

// Mean and rstd of a forward pass for its backward pass, and the variance where running statistics
// may want it: cheaper to make than an array.
class KeptStatistics {
 public:
  KeptStatistics(int64_t count, bool has_variance)
      : count_(static_cast<size_t>(count)), values_((has_variance ? 3 : 2) * count_) {}
  size_t count() const { return count_; }
  double* mean() { return values_.data(); }
  double* rstd() { return mean() + count_; }
  double* variance() { return values_.size() > 2 * count_ ? rstd() + count_ : nullptr; }

 private:
  size_t count_;
  std::vector<double> values_;
};

class NormPlan {
 public:
  NormPlan(const std::string& layer, const std::string& labels, const std::vector<int64_t>& shape,
           const std::string& dtype, StridesByName strides, const PlanOptions& options,
           PythonReducer* reducer)
      : op_(Make(layer, Layout::MakeView(labels, shape), ParseDType(dtype), std::move(strides),
                 options, reducer)) {}

  const Normalization& op() const { return op_; }

  void Forward(Address x, Address gamma, Address beta, Address y, Address mean, Address rstd,
               Address variance, int threads) const {
    ForwardFused(x, gamma, beta, y, mean, rstd, variance, 0, 0, 0, 0, 0, threads);
  }

  void ForwardFused(Address x, Address gamma, Address beta, Address y, Address mean, Address rstd,
                    Address variance, Address residual, Address sum, Address addend, Address gate,
                    Address lengths, int threads) const {
    const CallThreads on(threads);
    op_.ForwardTraining({.x = At(x),
                         .gamma = At(gamma),
                         .beta = At(beta),
                         .y = At(y),
                         .saved = {At<double>(mean), At<double>(rstd), At<double>(variance)},
                         .residual = At(residual),
                         .sum = At(sum),
                         .addend = At(addend),
                         .gate = At(gate),
                         .lengths = At<int64_t>(lengths)});
  }

  KeptStatistics ForwardKept(Address x, Address gamma, Address beta, Address y, int threads) const {
    KeptStatistics kept(op_.num_statistics(), op_.num_running() > 0);
    const CallThreads on(threads);
    op_.ForwardTraining(At(x), At(gamma), At(beta), At(y),
                        {kept.mean(), kept.rstd(), kept.variance()});
    return kept;
  }

  void BackwardKept(KeptStatistics& kept, Address x, Address dy, Address gamma, Address beta,
                    Address dx, Address dgamma, Address dbeta, Address y, int threads) const {
    const CallThreads on(threads);
    op_.Backward({.x = At(x),
                  .dy = At(dy),
                  .gamma = At(gamma),
                  .beta = At(beta),
                  .mean = kept.mean(),
                  .rstd = kept.rstd(),
                  .dx = At(dx),
                  .dgamma = At(dgamma),
                  .dbeta = At(dbeta),
                  .y = At(y)});
  }

  void Inference(Address x, Address gamma, Address beta, Address y, Address mean, Address variance,
                 Address residual, Address sum, Address addend, Address gate, Address lengths,
                 int threads) const {
    const CallThreads on(threads);
    op_.ForwardInference({.x = At(x),
                          .gamma = At(gamma),
                          .beta = At(beta),
                          .y = At(y),
                          .residual = At(residual),
                          .sum = At(sum),
                          .addend = At(addend),
                          .gate = At(gate),
                          .lengths = At<int64_t>(lengths)},
                         At(mean), At(variance));
  }

  void Backward(Address x, Address dy, Address gamma, Address beta, Address mean, Address rstd,
                Address dx, Address dgamma, Address dbeta, Address y, Address addend,
                Address daddend, Address gate, Address dgate, Address lengths,
                bool fixed_statistics, int threads) const {
    const CallThreads on(threads);
    op_.Backward({.x = At(x),
                  .dy = At(dy),
                  .gamma = At(gamma),
                  .beta = At(beta),
                  .mean = At<double>(mean),
                  .rstd = At<double>(rstd),
                  .dx = At(dx),
                  .dgamma = At(dgamma),
                  .dbeta = At(dbeta),
                  .y = At(y),
                  .addend = At(addend),
                  .daddend = At(daddend),
                  .gate = At(gate),
                  .dgate = At(dgate),
                  .fixed_statistics = fixed_statistics,
                  .lengths = At<int64_t>(lengths)});
  }

  // (axis, size) of what statistics are kept for, in their order. Groups are those of the axis of
  // the channels.
  nb::list Kept() const {
    nb::list kept;
    int axis = -1;
    bool split = false;
    for (const Axis& of : op_.layout().axes()) {
      if (!split) ++axis;
      split = of.label == kG;
      if (!(op_.spec().reduce & of.label)) kept.append(nb::make_tuple(axis, of.size));
    }
    return kept;
  }

  std::string Describe(const std::string& pass) const {
    for (const NormPass known : {NormPass::kForward, NormPass::kInference, NormPass::kBackward})
      if (Name(known) == pass) return op_.Describe(known);
    Fail("describe: pass '{}' is unknown, expected forward, inference or backward", pass);
  }

 private:
  static Normalization Make(const std::string& layer, const Layout& layout, DType dtype,
                            StridesByName strides, const PlanOptions& given, Reducer* reducer) {
    NormOptions options{.epsilon = given.epsilon,
                        .num_groups = given.num_groups,
                        .scale_plus_one = given.scale_plus_one,
                        .activation = ParseNamed<Activation>(given.activation),
                        .negative_slope = given.negative_slope,
                        .activation_alpha = given.activation_alpha,
                        .reducer = reducer,
                        .strides = ToStrides(std::move(strides))};
    if (!given.parameter_axes.empty()) options.parameter_axes = ParseAxes(given.parameter_axes);
    if (!given.parameter_dtype.empty()) options.parameter_dtype = ParseDType(given.parameter_dtype);
    const NormSpec& spec =
        layer == "layer" && !given.operation_dimension.empty()
            ? LayerNormSpec(ParseOperationDimension(given.operation_dimension), layout)
            : FindNormSpec(layer);
    return Normalization(spec, layout, dtype, options);
  }

  Normalization op_;
};

template <class T>
void Update(int64_t channels, Address mean, Address variance, int64_t count, double mean_decay,
            double variance_decay, RunningDivisor divisor, Address running_mean,
            Address running_variance) {
  const auto n = static_cast<size_t>(channels);
  UpdateRunning<T>({At<double>(mean), n}, {At<double>(variance), n}, count, mean_decay,
                   variance_decay, divisor, {At<T>(running_mean), n}, {At<T>(running_variance), n});
}

void UpdateByDType(const std::string& dtype, int64_t channels, Address mean, Address variance,
                   int64_t count, double mean_decay, double variance_decay, bool minus_one,
                   Address running_mean, Address running_variance) {
  const auto divisor = minus_one ? RunningDivisor::kCountMinusOne : RunningDivisor::kCount;
  const auto update = dtype == "f64" ? Update<double> : Update<float>;
  if (dtype != "f64" && dtype != "f32")
    Fail("running statistics are {}, expected f32 or f64", dtype);
  update(channels, mean, variance, count, mean_decay, variance_decay, divisor, running_mean,
         running_variance);
}

void UpdateFromKept(KeptStatistics& kept, const std::string& dtype, int64_t count, double decay,
                    Address running_mean, Address running_variance) {
  if (!kept.variance())
    Fail("statistics were kept without variances, expected batch normalization");
  UpdateByDType(dtype, static_cast<int64_t>(kept.count()), reinterpret_cast<Address>(kept.mean()),
                reinterpret_cast<Address>(kept.variance()), count, decay, decay, true, running_mean,
                running_variance);
}

void AddOptions(nb::module_& m) {
  nb::class_<PlanOptions>(m, "PlanOptions")
      .def(nb::init<>())
      .def_rw("epsilon", &PlanOptions::epsilon)
      .def_rw("num_groups", &PlanOptions::num_groups)
      .def_rw("operation_dimension", &PlanOptions::operation_dimension)
      .def_rw("parameter_axes", &PlanOptions::parameter_axes)
      .def_rw("parameter_dtype", &PlanOptions::parameter_dtype)
      .def_rw("scale_plus_one", &PlanOptions::scale_plus_one)
      .def_rw("activation", &PlanOptions::activation)
      .def_rw("negative_slope", &PlanOptions::negative_slope)
      .def_rw("activation_alpha", &PlanOptions::activation_alpha);
}

}  // namespace

void AddPlans(nb::module_& m) {
  AddOptions(m);
  nb::class_<PythonReducer>(m, "Reducer")
      .def(nb::init<nb::callable, int, int>())
      .def_prop_ro("count", &PythonReducer::count);
  nb::class_<KeptStatistics>(m, "KeptStatistics");
  nb::class_<NormPlan>(m, "Plan")
      .def(nb::init<const std::string&, const std::string&, const std::vector<int64_t>&,
                    const std::string&, StridesByName, const PlanOptions&, PythonReducer*>(),
           nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(),
           nb::arg("reducer").none() = nb::none(), nb::keep_alive<1, 8>())
      .def("forward", &NormPlan::Forward)
      .def("forward_fused", &NormPlan::ForwardFused)
      .def("forward_kept", &NormPlan::ForwardKept)
      .def("backward_kept", &NormPlan::BackwardKept)
      .def("inference", &NormPlan::Inference)
      .def("backward", &NormPlan::Backward)
      .def("describe", &NormPlan::Describe)
      .def_prop_ro("kept", &NormPlan::Kept)
      .def_prop_ro("num_statistics", [](const NormPlan& p) { return p.op().num_statistics(); })
      .def_prop_ro("num_parameters", [](const NormPlan& p) { return p.op().num_parameters(); })
      .def_prop_ro("num_running", [](const NormPlan& p) { return p.op().num_running(); })
      .def_prop_ro("reduced_count", [](const NormPlan& p) { return p.op().reduced_count(); });
  m.def("update_running", &UpdateByDType);
  m.def("update_from_kept", &UpdateFromKept);
  m.def("use_openmp_of", &UseOpenMpOf);
}

}  // namespace normkit::python
