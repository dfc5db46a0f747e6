// The operation: forward (training, inference), backward, running statistics.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "normkit/core/batch_part.h"
#include "normkit/core/dtype.h"
#include "normkit/core/error.h"
#include "normkit/core/export.h"
#include "normkit/core/layout.h"
#include "normkit/core/reducer.h"
#include "normkit/core/tensor.h"
#include "normkit/norm/spec.h"

namespace normkit {

// What is applied to z = gamma * xhat + beta (+ addend) in the same pass over memory, forward and
// backward. NaN stays NaN, infinities give the limits (docs/numerics.md).
enum class Activation {
  kNone,
  kRelu,       // max(z, 0)
  kLeakyRelu,  // z, below 0 negative_slope * z
  kGelu,       // z * Phi(z), exact, by erf (Hendrycks & Gimpel 2016)
  kGeluTanh,   // z * (1 + tanh(sqrt(2 / pi) (z + 0.044715 z^3))) / 2
  kSilu,       // z * sigmoid(z), also called swish
  kSigmoid,    // 1 / (1 + e^-z)
  kHardSwish,  // z * min(max(z + 3, 0), 6) / 6 (Howard et al. 2019)
  kElu,        // z, below 0 activation_alpha * (e^z - 1) (Clevert et al. 2015)
  kSoftplus,   // log(1 + e^z)
};

// What y is written as, in the pass over memory that computes it; to the bit what quantizing y in
// its dtype gives. Divisions are of the arithmetic's type, halves go to even numbers.
enum class OutputType {
  kSame,              // the dtype
  kInt8,              // round(y / output_scale) + output_zero_point within -128 and 127 (ONNX
                      // QuantizeLinear); the zero point where y is NaN
  kUint8,             // the same within 0 and 255
  kInt8PerStatistic,  // round(y / scale), scale = max |y| / 127 over the elements of each
                      // statistic: of layer and RMS normalization one a row (a token). 1 where they
                      // are all 0
  kFloat8E4M3,        // y / output_scale in 4 bits of exponent and 3 of the fraction, without
                      // infinities: within -448 and 448; NaN stays NaN
};

// How far neighbours along each axis of an array lie apart, in elements, outermost axis first: as
// many as the layout has axes, where channels that are split into groups may count as one. Empty:
// dense. 0 or more; 0 repeats an array that is only read. Elements of one that is written lie
// apart.
struct ArrayStrides {
  std::vector<int64_t> x = {}, y = {}, residual = {}, sum = {}, addend = {}, gate = {};
  std::vector<int64_t> dy = {}, dx = {}, daddend = {}, dgate = {};
};

struct NormOptions {
  // Added to the variance; a normal number above 0 of the arithmetic's type: 2^-126 or more, of f64
  // 2^-1022.
  double epsilon = 1e-5;
  // Group normalization, which needs it: 1 or more, kAllChannels or kChannelWise. 0 where the
  // layout has its channels split already (Layout::SplitChannels, blocked channels), and for all
  // others.
  int64_t num_groups = 0;
  // The axes that gamma and beta have, by label; 0: those of the spec, which are the channels.
  // kC | kS gives each element of an observation its own (PyTorch's LayerNorm over [C,H,W]),
  // kB | kC each channel of each observation (adaptive layer normalization, FiLM, conditional and
  // adaptive instance normalization), kB | kT | kC each row of a sequence.
  Dims parameter_axes = 0;
  // gamma, beta, dgamma and dbeta are of this type: any floating-point one. None:
  // ParameterDType(dtype). Converted for each call, so the bits are those of converted arrays.
  std::optional<DType> parameter_dtype = {};
  bool scale_plus_one = false;  // 1 + gamma stands for gamma, which is then 0 where it is null
  Activation activation = Activation::kNone;
  double negative_slope = 0.01;  // of kLeakyRelu below 0; at least 0
  double activation_alpha = 1;   // of kElu; finite
  // For forward passes alone, without a tree. y is dense and lies apart from what is read, and a
  // residual wants a sum.
  OutputType output = OutputType::kSame;
  double output_scale = 1;        // above 0 and finite
  int32_t output_zero_point = 0;  // a number of the output type
  Reducer* reducer = nullptr;     // statistics over all its ranks as well; not owned
  // All that is added up over the outermost axis (observations, or rows of one picture) is added up
  // by the tree of BatchPart over it, so that parts of an array give the bits of the whole: Gather.
  // The axis has to be one without parameters.
  bool tree = false;
  // With a tree: its leaves may have any number of rows each (BatchPart::begins). Their bits follow
  // from how many they have.
  bool uneven = false;
  // Parts of larger arrays as they lie: slices of packed queries, keys and values, every second
  // row, pictures cut out of others, transposed views. The bits are those of dense arrays. Runs of
  // elements that are reduced or kept together are used where they are; where strides break them
  // (Describe says "x copied"), through copies in the cache, slab by slab, or as long as the call.
  // Backward takes x, which is the sum after a residual, as `x` says. Not with a tree.
  ArrayStrides strides = {};
  std::string name = {};  // in messages, "batch normalization 'bn1'"; empty: spec and layout
};

// What a Normalization does with an array: forward with its own statistics, with given ones
// (inference), backward.
enum class NormPass { kForward, kInference, kBackward };
NORMKIT_API std::string_view Name(NormPass pass);  // "forward", "inference", "backward"

// Saved statistics of a training forward, each an array of num_statistics() doubles, in the order
// of the kept axes of x. f64 for every dtype of x: `x - mean` has to stay right where the mean is a
// million standard deviations.
struct SavedStatistics {
  double* mean;                // zeros where the spec does not center
  double* rstd;                // 1 / sqrt(variance + epsilon); 1 of NormDivisor::kNone
  double* variance = nullptr;  // optional; divides by the count. For rms: the mean square, and
                               // where the divisor is the norm, the sum of squares.
};

// A plan for one spec, layout and dtype, made once and used any number of times, from any thread.
//   mean = E_R[x], variance = E_R[(x - mean)^2], xhat = (x - mean) * rstd, y = gamma * xhat + beta
// with R the reduced axes (Ioffe & Szegedy 2015; Ba, Kiros & Hinton 2016; Ulyanov et al. 2016; Wu &
// He 2018; Zhang & Sennrich 2019 for rms, where mean = 0), and the sum for E_R in the variance
// where the divisor is the norm. Arithmetic and error bounds: docs/numerics.md.
//
// Arrays: x, y, dx, dy are dense or as NormOptions::strides says, of the dtype, in the order of the
// layout. gamma, beta, dgamma and
// dbeta are of parameter_dtype(), in the order of spec().affine axes, given and running statistics
// of ParameterDType(dtype). gamma and beta may be null: 1 and 0. y may be x,
// residual, and addend or gate where there is a sum or no residual; sum may be x or residual, and y
// in inference; dx may be x, dy, y or addend, daddend may be dy, y or addend;
// written arrays lie apart from all others else, in halves too. None throws but for null or such
// arrays, none allocates after the first of its kind on a thread, but for copies of strided arrays
// of more than 32 MiB and small ones of calls with lengths.
class NORMKIT_API Normalization {
 public:
  // Throws Error where epsilon is out of its range, or the layout has no channel axis; for group
  // normalization where nothing says what the groups are, or they do not divide the channels.
  // Layouts that repeat labels, as blocked ones do, in more than 16 runs of axes that are reduced
  // alike are computed by the reference, slowly, and a line on stderr says so.
  Normalization(const NormSpec& spec, const Layout& layout, DType dtype = DType::kF32,
                const NormOptions& options = {});
  ~Normalization();
  Normalization(Normalization&&) noexcept;
  Normalization& operator=(Normalization&&) noexcept;

  const NormSpec& spec() const;  // `affine` as the options say
  const Layout& layout() const;  // of group normalization: with the channels split
  DType dtype() const;
  DType parameter_dtype() const;   // of gamma, beta and their gradients
  int64_t num_statistics() const;  // elements of saved mean and rstd
  int64_t num_parameters() const;  // elements of gamma and beta
  int64_t num_running() const;     // elements of running statistics; 0 where there are none
  int64_t reduced_count() const;   // elements of x that share one statistic (on this rank)
  // What the statistics are taken over: "layer normalization of f32 BTC [4,3,512]: 4 statistics
  // over T,C of 1536 values each".
  std::string DescribeStatistics() const;
  // The same and what runs with the current number of threads: "batch forward f32 BCSS
  // [8,64,28,28]: 64 statistics over B,S of 6272 values each, plan RKR, kernel AVX3 fused rows,
  // groups of 4 units, streaming stores, 2 threads", and where the fastest path is not open,
  // "; not fused: " and why.
  std::string Describe(NormPass pass = NormPass::kForward) const;

  // y from the statistics of x itself, which `saved` receives (members may be null: not wanted).
  // Where each is of one value, y is beta (rms: gamma with the sign of x), and the first such call
  // says so on stderr.
  void ForwardTraining(const void* x, const void* gamma, const void* beta, void* y,
                       const SavedStatistics& saved) const;

  // The same with what stands beside it in networks, in one pass over memory:
  //   sum = x + residual; y = activation(gamma * xhat(sum) + beta + addend) * gate.
  // Each of residual, addend and gate may be null; they have the layout and dtype of x. Training
  // needs sum with a residual, for Backward reads it as x, and apart from y; inference does
  // without. The bits are those of the separate operations (bf16 and f16: of the same without the
  // rounding before `addend` and `gate`).
  struct ForwardArgs {
    const void* x = nullptr;
    const void* gamma = nullptr;
    const void* beta = nullptr;
    void* y = nullptr;
    SavedStatistics saved = {};
    const void* residual = nullptr;
    void* sum = nullptr;
    const void* addend = nullptr;
    const void* gate = nullptr;
    float* scales = nullptr;  // OutputType::kInt8PerStatistic: num_statistics() of them
    // Of each observation, [B] (one without a B axis): how many of the steps along T there are, 1
    // or more; null: all. The others are padding, which is not read: it enters no statistic, and
    // whatever stands in it, y (and sum) is 0 there. An observation has the bits it has alone but
    // where statistics join observations. Statistics of padded steps, where each has its own, are
    // 0. Not with a tree, a reducer, y in 8 bits, or parameters with the axes B or T.
    const int64_t* lengths = nullptr;
    // Of Gather alone, which then takes no residual: a weight (or mask) for each position of x, all
    // its axes but the channels, in their order; 0 or more. The moments are weighted,
    //   n = sum(weight), mean = sum(weight x) / n, m2 = sum(weight (x - mean)^2),
    // and what has a weight of 0 is not read. Statistics without any weight stay as they are.
    const float* weights = nullptr;
  };
  void ForwardTraining(const ForwardArgs& args) const;
  void ForwardInference(const ForwardArgs& args, const void* mean, const void* variance) const;

  // y from given statistics (batch: the running axes; others: the kept axes). Where the spec has no
  // running statistics and mean and variance are null: from the statistics of x itself.
  // Throws Error on a negative or non-finite variance.
  void ForwardInference(const void* x, const void* gamma, const void* beta, const void* mean,
                        const void* variance, void* y) const;

  struct BackwardArgs {
    const void* x = nullptr;
    const void* dy = nullptr;
    const void* gamma = nullptr;
    const void* beta = nullptr;    // read only where the options fuse an activation, or x is null
    const double* mean = nullptr;  // as saved by ForwardTraining
    const double* rstd = nullptr;
    void* dx = nullptr;      // null: not wanted
    void* dgamma = nullptr;  // null: not wanted
    void* dbeta = nullptr;
    // What the forward pass wrote. Needed for kLeakyRelu, and for kRelu where it added something
    // before; else the activation is computed again from x. Activations behind kLeakyRelu cannot be
    // told from y, which is not read for them: they need x, beta and `addend`.
    //
    // With x null it stands for x as well, which then need not be kept: xhat = (z - beta) / gamma
    // with z what was activated. That costs digits, the more the larger |beta / gamma| is
    // (docs/numerics.md). `mean` is not read; beta is. Throws Error where z cannot be told from y
    // (all activations but kLeakyRelu, a slope or a gamma of 0, something added) and for layouts
    // whose neighbours differ in gamma (layer and RMS normalization with the channels innermost).
    const void* y = nullptr;
    // What the forward pass added, which is read only where the activation cannot be told from y.
    const void* addend = nullptr;
    void* daddend = nullptr;  // gradient of `addend`, overwritten; null: not wanted
    // What the forward pass multiplied by, and its gradient dy * activation(..), overwritten (null:
    // not wanted). The activation is then computed again from x, beta and `addend`.
    const void* gate = nullptr;
    void* dgate = nullptr;
    bool accumulate = false;  // add to dx, dgamma and dbeta instead of overwriting them
    // mean and rstd are constants (trained statistics): dx = gamma * dy * rstd.
    bool fixed_statistics = false;
    // As the forward pass had them: dy of padding is not read, and dx, daddend and dgate are 0
    // there (with `accumulate`, dx stays as it is).
    const int64_t* lengths = nullptr;
  };
  // dx = rstd * (w - center * E_R[w] - xhat * E_R[w * xhat]) with w = gamma * dy,
  // dgamma = sum(dy * xhat), dbeta = sum(dy) over all but the affine axes.
  // In f32, bf16 and f16 dx loses digits where gamma * rstd^2 is no normal number of f32 (below
  // 1.2e-38): for gamma 1, where the standard deviation is above 9e18.
  void Backward(const BackwardArgs& args) const;

  // The two halves of each pass, with a join between them: ranks, tiles of a picture, micro-batches
  // and populations are ways to have parts. A part is a run of leaves of the outermost axis
  // (NormOptions::tree; without, the only one is the whole, of one leaf), and the arrays of a call
  // hold that part alone, from its first element on. To the bit,
  //   Gather of all parts, Join, Finish, Apply of all parts           is ForwardTraining;
  //   GatherGradient of all parts, Join, ApplyGradient of all parts   is Backward
  // (in element form and without a tree, Backward may round elsewhere).
  // They throw Error where `part` is no part of the array, for null arrays, and for sizes of
  // moments or sums that do not fit.
  BatchPart whole() const;
  int64_t num_leaves(const BatchPart& part) const;
  // Whether statistics are over the outermost axis. Where they are not, each part has its own:
  // Gather and Finish are nothing to join, saved arrays hold those of the part,
  // part_statistics(part) of them, and GatherGradient writes dx as well.
  bool joins() const;
  int64_t part_statistics(const BatchPart& part) const;
  int64_t num_sums() const;  // numbers that GatherGradient gives for each leaf

  // Moments of x (or of x + residual, which `sum` receives): [num_leaves(part)][num_statistics()];
  // where !joins(), [part_statistics(part)].
  void Gather(const BatchPart& part, const ForwardArgs& args, std::span<Moments> moments) const;
  // Merges those of all leaves, [num_leaves(whole())][num_statistics()]; the result are the first
  // num_statistics().
  void Join(std::span<Moments> moments) const;
  // From joined moments (where !joins(), those of a part).
  void Finish(std::span<const Moments> moments, const SavedStatistics& saved) const;
  // y from args.saved.mean and rstd. Reads `sum`, not x, where there is a residual.
  void Apply(const BatchPart& part, const ForwardArgs& args) const;

  // Sums of w and w * xhat of each statistic (where joins()), of dy * xhat and dy of each
  // parameter: [num_leaves(part)][num_sums()]. Writes daddend; with args.y, x may not be null.
  void GatherGradient(const BatchPart& part, const BackwardArgs& args,
                      std::span<double> sums) const;
  void Join(std::span<double> sums) const;
  // From joined sums: dx (where joins()), and the gradients of the parameters, which are those of
  // all parts. args as for GatherGradient; with daddend, its result is read.
  void ApplyGradient(const BatchPart& part, const BackwardArgs& args,
                     std::span<const double> sums) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// What the running variance divides the sum of squared deviations by: the count (toolbox, ONNX) or
// the count less one (PyTorch).
enum class RunningDivisor { kCount, kCountMinusOne };

// running = (1 - decay) * running + decay * new, element-wise in f64. The decay weighs the NEW
// value, as in the toolbox; `count` is the number of elements behind each new value. count 0 leaves
// both alone; count 1 leaves the running variance alone.
template <class T>
void UpdateRunning(std::span<const double> mean, std::span<const double> variance, int64_t count,
                   double mean_decay, double variance_decay, RunningDivisor divisor,
                   std::span<T> running_mean, std::span<T> running_variance);
extern template NORMKIT_API void UpdateRunning<float>(std::span<const double>,
                                                      std::span<const double>, int64_t, double,
                                                      double, RunningDivisor, std::span<float>,
                                                      std::span<float>);
extern template NORMKIT_API void UpdateRunning<double>(std::span<const double>,
                                                       std::span<const double>, int64_t, double,
                                                       double, RunningDivisor, std::span<double>,
                                                       std::span<double>);

// Momentum of other frameworks, as the decay used here.
inline double DecayFromOnnxMomentum(double momentum) {
  return 1 - momentum;
}  // weighs the old value
inline double DecayFromPyTorchMomentum(double momentum) {
  return momentum;
}  // weighs the new value
inline double DecayFromKerasMomentum(double momentum) {
  return 1 - momentum;
}  // weighs the old value

// The same on tensors, for one call: shapes and dtypes are checked, outputs are made.
struct NormResult {
  Tensor y;
  std::vector<double> mean, rstd, variance;
};
NORMKIT_API NormResult ForwardTraining(const NormSpec& spec, const Tensor& x, const Tensor* gamma,
                                       const Tensor* beta, const NormOptions& options = {});
NORMKIT_API Tensor ForwardInference(const NormSpec& spec, const Tensor& x, const Tensor* gamma,
                                    const Tensor* beta, const Tensor* mean, const Tensor* variance,
                                    const NormOptions& options = {});
struct NormGradients {
  Tensor dx, dgamma, dbeta;
};
NORMKIT_API NormGradients Backward(const NormSpec& spec, const Tensor& x, const Tensor* gamma,
                                   const Tensor* beta, const Tensor& dy, const NormResult& forward,
                                   const NormOptions& options = {});

}  // namespace normkit
