#include <cmath>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <new>
#include <optional>
#include <string>

#include "normkit/c.h"
#include "normkit/core/threads.h"
#include "normkit/norm/normalization.h"
#include "normkit/version.h"
#include "src/c/call.h"
#include "src/core/fail.h"
#include "src/core/scratch.h"
#include "src/core/thread_local.h"
#include "src/norm/choose.h"
#include "src/simd/bandwidth.h"

namespace normkit::c {
namespace {

NORMKIT_THREAD_LOCAL const char* last_error = "";
struct ErrorTag;

}  // namespace

normkit_status Failed(normkit_status status, const char* text) {
  constexpr size_t kMost = 1024;
  try {
    char* kept = Scratch<ErrorTag, char>(kMost);
    std::snprintf(kept, kMost, "%s", text);
    last_error = kept;
  } catch (const std::bad_alloc&) {
    last_error =
        status == NORMKIT_OUT_OF_MEMORY ? "out of memory" : "no memory for the error's text";
  }
  return status;
}

void CheckNotNull(const char* function, const char* argument, const void* value) {
  if (!value) Fail("{}: {} is NULL", function, argument);
}

const Normalization& Op(const char* function, const normkit_plan* plan) {
  CheckNotNull(function, "plan", plan);
  return plan->op;
}

Normalization::ForwardArgs ToForwardArgs(const char* function, const normkit_forward_args* given) {
  const normkit_forward_args defaults = NORMKIT_FORWARD_ARGS_DEFAULT;
  const auto args =
      Complete(function, "args", given, "NORMKIT_FORWARD_ARGS_DEFAULT", defaults,
               {offsetof(normkit_forward_args, gate), offsetof(normkit_forward_args, lengths),
                offsetof(normkit_forward_args, weights)});
  return {.x = args.x,
          .gamma = args.gamma,
          .beta = args.beta,
          .y = args.y,
          .saved = {.mean = args.mean, .rstd = args.rstd, .variance = args.variance},
          .residual = args.residual,
          .sum = args.sum,
          .addend = args.addend,
          .gate = args.gate,
          .scales = args.scales,
          .lengths = args.lengths,
          .weights = args.weights};
}

Normalization::BackwardArgs ToBackwardArgs(const char* function,
                                           const normkit_backward_args* given) {
  const normkit_backward_args defaults = NORMKIT_BACKWARD_ARGS_DEFAULT;
  const auto args =
      Complete(function, "args", given, "NORMKIT_BACKWARD_ARGS_DEFAULT", defaults,
               {offsetof(normkit_backward_args, addend), offsetof(normkit_backward_args, gate),
                offsetof(normkit_backward_args, lengths)});
  if (args.flags & ~(NORMKIT_ACCUMULATE | NORMKIT_FIXED_STATISTICS))
    Fail(
        "{}: flags {} given, expected NORMKIT_ACCUMULATE (1) and NORMKIT_FIXED_STATISTICS (2) only",
        function, args.flags);
  return {.x = args.x,
          .dy = args.dy,
          .gamma = args.gamma,
          .beta = args.beta,
          .mean = args.mean,
          .rstd = args.rstd,
          .dx = args.dx,
          .dgamma = args.dgamma,
          .dbeta = args.dbeta,
          .y = args.y,
          .addend = args.addend,
          .daddend = args.daddend,
          .gate = args.gate,
          .dgate = args.dgate,
          .accumulate = (args.flags & NORMKIT_ACCUMULATE) != 0,
          .fixed_statistics = (args.flags & NORMKIT_FIXED_STATISTICS) != 0,
          .lengths = args.lengths};
}

namespace {

DType ToDType(normkit_dtype dtype, const char* name) {
  switch (dtype) {
    case NORMKIT_F32:
      return DType::kF32;
    case NORMKIT_F64:
      return DType::kF64;
    case NORMKIT_BF16:
      return DType::kBF16;
    case NORMKIT_F16:
      return DType::kF16;
    default:
      Fail(
          "normkit_plan_create: {} {} given, expected NORMKIT_F32 (0), NORMKIT_F64 (1), "
          "NORMKIT_BF16 (2) or NORMKIT_F16 (3)",
          name, dtype);
  }
}

Activation ToActivation(normkit_activation activation) {
  switch (activation) {
    case NORMKIT_NO_ACTIVATION:
      return Activation::kNone;
    case NORMKIT_RELU:
      return Activation::kRelu;
    case NORMKIT_LEAKY_RELU:
      return Activation::kLeakyRelu;
    case NORMKIT_GELU:
      return Activation::kGelu;
    case NORMKIT_GELU_TANH:
      return Activation::kGeluTanh;
    case NORMKIT_SILU:
      return Activation::kSilu;
    case NORMKIT_SIGMOID:
      return Activation::kSigmoid;
    case NORMKIT_HARD_SWISH:
      return Activation::kHardSwish;
    case NORMKIT_ELU:
      return Activation::kElu;
    case NORMKIT_SOFTPLUS:
      return Activation::kSoftplus;
    default:
      Fail(
          "normkit_plan_create: activation {} given, expected NORMKIT_NO_ACTIVATION (0), "
          "NORMKIT_RELU (1), ... or NORMKIT_SOFTPLUS (9)",
          activation);
  }
}

OutputType ToOutputType(normkit_output output) {
  if (output < NORMKIT_SAME_TYPE || output > NORMKIT_FLOAT8_E4M3)
    Fail(
        "normkit_plan_create: output {} given, expected NORMKIT_SAME_TYPE (0), NORMKIT_INT8 (1), "
        "... "
        "or NORMKIT_FLOAT8_E4M3 (4)",
        output);
  return static_cast<OutputType>(output);
}

normkit_options CompleteOptions(const normkit_options* options) {
  const normkit_options defaults = NORMKIT_OPTIONS_DEFAULT;
  if (!options) return defaults;
  return Complete(
      "normkit_plan_create", "options", options, "NORMKIT_OPTIONS_DEFAULT", defaults,
      {offsetof(normkit_options, negative_slope), offsetof(normkit_options, tree),
       offsetof(normkit_options, activation_alpha), offsetof(normkit_options, parameter_axes),
       offsetof(normkit_options, strides), offsetof(normkit_options, output)});
}

ArrayStrides ToStrides(const normkit_strides* given, size_t rank) {
  if (!given) return {};
  const normkit_strides defaults = NORMKIT_STRIDES_DEFAULT;
  const auto strides = Complete("normkit_plan_create", "options.strides", given,
                                "NORMKIT_STRIDES_DEFAULT", defaults);
  const auto of = [rank](const int64_t* array) {
    return array ? std::vector<int64_t>(array, array + rank) : std::vector<int64_t>();
  };
  return {.x = of(strides.x),
          .y = of(strides.y),
          .residual = of(strides.residual),
          .sum = of(strides.sum),
          .addend = of(strides.addend),
          .gate = of(strides.gate),
          .dy = of(strides.dy),
          .dx = of(strides.dx),
          .daddend = of(strides.daddend),
          .dgate = of(strides.dgate)};
}

normkit_plan* CreatePlan(const char* layer, const char* format, const int64_t* shape, size_t rank,
                         normkit_dtype dtype, const normkit_options& options) {
  CheckNotNull("normkit_plan_create", "layer", layer);
  CheckNotNull("normkit_plan_create", "format", format);
  if (rank > 0) CheckNotNull("normkit_plan_create", "shape", shape);
  // The format bounds how much of `shape` is believed to be there.
  if (std::strlen(format) != rank)
    Fail("normkit_plan_create: format '{}' has {} letters, rank is {}", format, std::strlen(format),
         rank);
  const Layout layout = Layout::Make(format, {shape, rank});
  std::optional<int64_t> num_groups;
  if (options.num_groups != NORMKIT_NO_GROUPS) num_groups = options.num_groups;
  std::optional<OperationDimension> operation_dimension;
  if (options.operation_dimension)
    operation_dimension = ParseOperationDimension(options.operation_dimension);
  const ChosenNorm chosen = ChooseNorm(layer, layout, num_groups, operation_dimension);
  std::optional<DType> parameter_dtype;
  if (options.parameter_dtype != NORMKIT_DEFAULT_DTYPE)
    parameter_dtype = ToDType(options.parameter_dtype, "options.parameter_dtype");
  Normalization op(
      chosen.spec, chosen.layout, ToDType(dtype, "dtype"),
      {.epsilon = options.epsilon,
       .parameter_axes = options.parameter_axes ? ParseAxes(options.parameter_axes) : Dims{0},
       .parameter_dtype = parameter_dtype,
       .scale_plus_one = options.scale_plus_one != 0,
       .activation = ToActivation(options.activation),
       .negative_slope = options.negative_slope,
       .activation_alpha = options.activation_alpha,
       .output = ToOutputType(options.output),
       .output_scale = options.output_scale,
       .output_zero_point = options.output_zero_point,
       .tree = options.tree != 0,
       .strides = ToStrides(options.strides, rank)});
  std::string description = op.Describe();
  return new normkit_plan{std::move(op), std::move(description)};
}

// The update for running statistics of type T.
template <class T>
void UpdateRunning(const Normalization& op, const double* mean, const double* variance,
                   double mean_decay, double variance_decay, RunningDivisor divisor,
                   void* running_mean, void* running_variance) {
  const size_t n = static_cast<size_t>(op.num_running());
  UpdateRunning<T>({mean, n}, {variance, n}, op.reduced_count(), mean_decay, variance_decay,
                   divisor, {static_cast<T*>(running_mean), n},
                   {static_cast<T*>(running_variance), n});
}

void UpdateRunningOf(const Normalization& op, const double* mean, const double* variance,
                     double mean_decay, double variance_decay, normkit_divisor divisor,
                     void* running_mean, void* running_variance) {
  const char* function = "normkit_update_running";
  if (!op.spec().running)
    Fail("{}: {} normalization has no running statistics", function, op.spec().name);
  if (op.num_running() == 0) return;  // of no channels
  CheckNotNull(function, "mean", mean);
  CheckNotNull(function, "variance", variance);
  CheckNotNull(function, "running_mean", running_mean);
  CheckNotNull(function, "running_variance", running_variance);
  if (divisor != NORMKIT_COUNT && divisor != NORMKIT_COUNT_MINUS_ONE)
    Fail("{}: divisor {} given, expected NORMKIT_COUNT (0) or NORMKIT_COUNT_MINUS_ONE (1)",
         function, divisor);
  const auto chosen =
      divisor == NORMKIT_COUNT ? RunningDivisor::kCount : RunningDivisor::kCountMinusOne;
  const auto update =
      ParameterDType(op.dtype()) == DType::kF64 ? UpdateRunning<double> : UpdateRunning<float>;
  update(op, mean, variance, mean_decay, variance_decay, chosen, running_mean, running_variance);
}

}  // namespace
}  // namespace normkit::c

using namespace normkit::c;

extern "C" {

const char* normkit_last_error(void) { return last_error; }

const char* normkit_version(void) { return NORMKIT_VERSION; }

normkit_status normkit_set_num_threads(int32_t threads) {
  return Guard([&] { normkit::SetNumThreads(threads); });
}

int32_t normkit_num_threads(void) { return normkit::NumThreads(); }

normkit_status normkit_plan_create(const char* layer, const char* format, const int64_t* shape,
                                   size_t rank, normkit_dtype dtype, const normkit_options* options,
                                   normkit_plan** plan) {
  return Guard([&] {
    CheckNotNull("normkit_plan_create", "plan", plan);
    *plan = nullptr;
    *plan = CreatePlan(layer, format, shape, rank, dtype, CompleteOptions(options));
  });
}

void normkit_plan_destroy(normkit_plan* plan) { delete plan; }

int64_t normkit_plan_num_statistics(const normkit_plan* plan) {
  return plan ? plan->op.num_statistics() : -1;
}

int64_t normkit_plan_num_parameters(const normkit_plan* plan) {
  return plan ? plan->op.num_parameters() : -1;
}

int64_t normkit_plan_num_running(const normkit_plan* plan) {
  return plan ? plan->op.num_running() : -1;
}

int64_t normkit_plan_reduced_count(const normkit_plan* plan) {
  return plan ? plan->op.reduced_count() : -1;
}

const char* normkit_plan_describe(const normkit_plan* plan) {
  return plan ? plan->description.c_str() : "";
}

normkit_status normkit_forward_training(const normkit_plan* plan, const void* x, const void* gamma,
                                        const void* beta, void* y, double* mean, double* rstd,
                                        double* variance) {
  return Guard([&] {
    Op("normkit_forward_training", plan)
        .ForwardTraining(x, gamma, beta, y, {.mean = mean, .rstd = rstd, .variance = variance});
  });
}

normkit_status normkit_forward_inference(const normkit_plan* plan, const void* x, const void* gamma,
                                         const void* beta, const void* mean, const void* variance,
                                         void* y) {
  return Guard([&] {
    Op("normkit_forward_inference", plan).ForwardInference(x, gamma, beta, mean, variance, y);
  });
}

normkit_status normkit_forward_training_fused(const normkit_plan* plan,
                                              const normkit_forward_args* args) {
  return Guard([&] {
    const char* function = "normkit_forward_training_fused";
    Op(function, plan).ForwardTraining(ToForwardArgs(function, args));
  });
}

normkit_status normkit_forward_inference_fused(const normkit_plan* plan,
                                               const normkit_forward_args* args, const void* mean,
                                               const void* variance) {
  return Guard([&] {
    const char* function = "normkit_forward_inference_fused";
    Op(function, plan).ForwardInference(ToForwardArgs(function, args), mean, variance);
  });
}

normkit_status normkit_backward(const normkit_plan* plan, const void* x, const void* dy,
                                const void* gamma, const void* beta, const double* mean,
                                const double* rstd, void* dx, void* dgamma, void* dbeta,
                                int32_t flags) {
  return Guard([&] {
    normkit_backward_args args = NORMKIT_BACKWARD_ARGS_DEFAULT;
    args.x = x, args.dy = dy, args.gamma = gamma, args.beta = beta;
    args.mean = mean, args.rstd = rstd;
    args.dx = dx, args.dgamma = dgamma, args.dbeta = dbeta;
    args.flags = flags;
    const char* function = "normkit_backward";
    Op(function, plan).Backward(ToBackwardArgs(function, &args));
  });
}

normkit_status normkit_backward_fused(const normkit_plan* plan, const normkit_backward_args* args) {
  return Guard([&] {
    const char* function = "normkit_backward_fused";
    Op(function, plan).Backward(ToBackwardArgs(function, args));
  });
}

normkit_status normkit_update_running(const normkit_plan* plan, const double* mean,
                                      const double* variance, double mean_decay,
                                      double variance_decay, normkit_divisor divisor,
                                      void* running_mean, void* running_variance) {
  return Guard([&] {
    UpdateRunningOf(Op("normkit_update_running", plan), mean, variance, mean_decay, variance_decay,
                    divisor, running_mean, running_variance);
  });
}

double normkit_streaming_bandwidth(int32_t threads) {
  double bandwidth = 0;
  const normkit_status status = Guard([&] {
    if (threads < 1 || threads > 1024)
      normkit::Fail("normkit_streaming_bandwidth: {} threads given, expected 1 to 1024", threads);
    bandwidth = normkit::simd::StreamingBandwidth(threads);
  });
  return status == NORMKIT_OK ? bandwidth : 0;
}

}  // extern "C"
