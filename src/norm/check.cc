#include "src/norm/check.h"

#include <cmath>
#include <initializer_list>
#include <string_view>

#include "src/core/fail.h"
#include "src/norm/activation.h"

namespace normkit {
namespace {

struct Array {
  std::string_view name;
  const void* data;
  size_t bytes;                        // from the first element to behind the last
  const StridedArray* lies = nullptr;  // of the shape of x
  size_t element_bytes = 1;
};

// As parts of one packed array do, whose elements lie between those of the others.
bool Between(const Array& a, const Array& b) {
  if (!a.lies || !b.lies || (a.lies->dense() && b.lies->dense())) return false;
  const int64_t bytes = static_cast<const char*>(b.data) - static_cast<const char*>(a.data);
  const auto each = static_cast<int64_t>(a.element_bytes);
  return bytes % each == 0 && LieBetween(*a.lies, *b.lies, bytes / each);
}

bool Overlap(const Array& a, const Array& b) {
  const auto first = reinterpret_cast<uintptr_t>(a.data);
  const auto second = reinterpret_cast<uintptr_t>(b.data);
  return a.data && b.data && a.bytes > 0 && b.bytes > 0 && first < second + b.bytes &&
         second < first + a.bytes && !Between(a, b);
}

bool Same(const Array& a, const Array& b) {
  return a.data == b.data && (!a.lies || !b.lies || a.lies->axes == b.lies->axes);
}

// Makes arrays of one problem and compares them. Nothing is allocated: calls are many and small.
class Arrays {
 public:
  explicit Arrays(const Problem& problem)
      : problem_(problem),
        parameter_bytes_(static_cast<size_t>(problem.plan.num_param) *
                         SizeOf(problem.parameter_dtype())),
        statistic_bytes_(static_cast<size_t>(problem.plan.num_stat) * sizeof(double)) {}

  Array Data(NormArray array, const void* data) const {
    const StridedArray& lies = problem_.strides[array];
    const bool narrow = array == NormArray::kY && problem_.quantizes();
    const size_t bytes = narrow ? 1 : SizeOf(problem_.dtype);
    return {Name(array), data, static_cast<size_t>(lies.extent) * bytes, &lies, bytes};
  }
  Array Parameter(std::string_view name, const void* data) const {
    return {name, data, parameter_bytes_};
  }
  Array Statistic(std::string_view name, const void* data) const {
    return {name, data, statistic_bytes_};
  }

  // What is written may be the same array as what is read, element by element, but not lie across.
  void SameOrApart(const Array& written, std::initializer_list<Array> read) const {
    for (const Array& other : read)
      if (!Same(other, written) && Overlap(written, other))
        Fail("{}: {} and {} overlap, expected the same array or apart", problem_.Title(),
             other.name, written.name);
  }

  // What is written must not lie over what is read afterwards.
  void Apart(const Array& written, std::initializer_list<Array> others,
             std::string_view why) const {
    for (const Array& other : others)
      if (Overlap(written, other))
        Fail("{}: {} and {} overlap, expected arrays apart: {}", problem_.Title(), written.name,
             other.name, why);
  }

 private:
  const Problem& problem_;
  size_t parameter_bytes_, statistic_bytes_;
};

double ParameterAt(DType dtype, const void* values, int64_t i) {
  return dtype == DType::kF64 ? static_cast<const double*>(values)[i]
                              : static_cast<double>(static_cast<const float*>(values)[i]);
}

// Where x cannot be told from y.
void CheckFromY(const Problem& problem, const Normalization::BackwardArgs& args,
                const ReadyParameters& parameters) {
  const std::string title = problem.Title();
  const NormOptions& options = problem.options;
  if (options.activation == Activation::kRelu)
    Fail("{}: backward from y with ReLU fused, expected x: y is 0 for many x", title);
  if (!ToldFromY(options.activation))
    Fail("{}: backward from y with {} fused, expected x: it cannot be told from y", title,
         Name(options.activation));
  if (options.activation == Activation::kLeakyRelu && options.negative_slope == 0)
    Fail("{}: backward from y with a leaky ReLU of slope 0, expected x: y is 0 for many x", title);
  if (args.daddend)
    Fail("{}: backward from y with daddend, expected x: what was added cannot be told from y",
         title);
  const char* of = problem.options.parameter_axes == 0 ? "in channel" : "at parameter";
  for (int64_t p = 0; args.gamma && p < problem.plan.num_param; ++p)
    if (ParameterAt(ParameterDType(problem.dtype), parameters.gamma(), p) == 0)
      Fail("{}: backward from y with {} {} {}, expected x: y does not depend on it", title,
           problem.options.scale_plus_one ? "1 + gamma = 0" : "gamma 0", of, p);
}

constexpr std::string_view kBothWritten = "both are written";
constexpr std::string_view kReadLater = "the second is read after the first is written";
constexpr std::string_view kBackwardReads = "the backward pass reads the first";

// The scales of a call that finds them.
void CheckScales(const Problem& problem, const Arrays& arrays,
                 const Normalization::ForwardArgs& args) {
  if (problem.options.output != OutputType::kInt8PerStatistic) return;
  CheckNotNull(problem, "scales", args.scales, problem.plan.num_stat, DType::kF32);
  const Array scales{"scales", args.scales,
                     static_cast<size_t>(problem.plan.num_stat) * sizeof(float)};
  const auto data = [&](NormArray array, const void* of) { return arrays.Data(array, of); };
  arrays.Apart(scales, {data(NormArray::kY, args.y), data(NormArray::kSum, args.sum)},
               kBothWritten);
  arrays.Apart(scales,
               {data(NormArray::kX, args.x), arrays.Parameter("gamma", args.gamma),
                arrays.Parameter("beta", args.beta), data(NormArray::kAddend, args.addend),
                data(NormArray::kGate, args.gate), data(NormArray::kResidual, args.residual),
                arrays.Statistic("saved mean", args.saved.mean),
                arrays.Statistic("saved rstd", args.saved.rstd),
                arrays.Statistic("saved variance", args.saved.variance)},
               kReadLater);
}

}  // namespace

void CheckNotNull(const Problem& problem, std::string_view name, const void* array, int64_t size,
                  DType dtype) {
  if (!array && problem.layout.size() > 0)
    Fail("{}: {} is null, expected an array of {} {} elements", problem.Title(), name, size,
         Name(dtype));
}

void CheckNotNull(const Problem& problem, std::string_view name, const void* array) {
  CheckNotNull(problem, name, array, problem.layout.size(), problem.dtype);
}

void CheckForward(const Problem& problem, const Normalization::ForwardArgs& args, bool trains) {
  if (args.weights)
    Fail("{}: weights in a whole pass, expected them in Gather alone", problem.Title());
  CheckNotNull(problem, "x", args.x);
  CheckNotNull(problem, "y", args.y);
  const Arrays arrays(problem);
  const Array x = arrays.Data(NormArray::kX, args.x), y = arrays.Data(NormArray::kY, args.y);
  const Array gamma = arrays.Parameter("gamma", args.gamma);
  const Array beta = arrays.Parameter("beta", args.beta);
  const Array addend = arrays.Data(NormArray::kAddend, args.addend);
  const Array gate = arrays.Data(NormArray::kGate, args.gate);
  const Array residual = arrays.Data(NormArray::kResidual, args.residual);
  arrays.SameOrApart(y, {x, addend, gate, residual});
  arrays.Apart(y, {gamma, beta}, kReadLater);
  const Array mean = arrays.Statistic("saved mean", args.saved.mean);
  const Array rstd = arrays.Statistic("saved rstd", args.saved.rstd);
  const Array variance = arrays.Statistic("saved variance", args.saved.variance);
  arrays.Apart(mean, {rstd, variance, y}, kBothWritten);
  arrays.Apart(rstd, {variance, y}, kBothWritten);
  arrays.Apart(variance, {y}, kBothWritten);
  for (const Array& saved : {mean, rstd, variance})
    arrays.Apart(saved, {x, gamma, beta, addend, gate, residual}, kReadLater);
  if (problem.quantizes()) {
    arrays.Apart(y, {x, addend, gate, residual}, kReadLater);
    CheckScales(problem, arrays, args);
  }
  if (!args.residual) return;
  if (trains || problem.quantizes()) CheckNotNull(problem, "sum", args.sum);
  const Array sum =
      args.sum ? arrays.Data(NormArray::kSum, args.sum) : y;  // which holds it meanwhile
  arrays.SameOrApart(sum, {x, residual});
  arrays.Apart(sum, {gamma, beta, addend, gate}, kReadLater);
  arrays.Apart(sum, {mean, rstd, variance}, kBothWritten);
  if (trains || problem.quantizes())
    arrays.Apart(sum, {y}, trains ? kBackwardReads : kBothWritten);
  else
    arrays.SameOrApart(y, {sum});
}

void CheckGiven(const Problem& problem, const void* mean, const void* variance) {
  const DType dtype = ParameterDType(problem.dtype);
  const int64_t n = problem.plan.num_stat;
  const bool divides = problem.spec.divisor != NormDivisor::kNone;
  if (divides) CheckNotNull(problem, "variance", variance, n, dtype);
  if (problem.spec.center) CheckNotNull(problem, "mean", mean, n, dtype);
  if (!divides || problem.layout.size() == 0) return;
  for (int64_t s = 0; s < n; ++s) {
    const double value = ParameterAt(dtype, variance, s);
    if (!(value >= 0) || !std::isfinite(value))
      Fail("{}: variance {} of {} is {}, expected finite and >= 0", problem.Title(), s, n, value);
  }
}

bool FromY(const Problem& problem, const Normalization::BackwardArgs& args) {
  return !args.x && args.y && problem.plan.size > 0;
}

void CheckBackwardOfPart(const Problem& problem, const Normalization::BackwardArgs& args,
                         const ReadyParameters& parameters, int64_t statistics) {
  if (problem.quantizes())
    Fail("{}: backward of y in 8 bits, expected a normalization without output type",
         problem.Title());
  const bool from_y = FromY(problem, args);
  if (from_y && args.gate)
    Fail("{}: backward from y with a gate, expected x: what was multiplied cannot be told from y",
         problem.Title());
  if (args.dgate) CheckNotNull(problem, "gate", args.gate);
  if (!from_y) {
    CheckNotNull(problem, "x", args.x);
    CheckNotNull(problem, "saved mean", args.mean, statistics, DType::kF64);
  }
  CheckNotNull(problem, "dy", args.dy);
  CheckNotNull(problem, "saved rstd", args.rstd, statistics, DType::kF64);
  if (from_y) CheckFromY(problem, args, parameters);
  if (!ToldFromY(problem.options.activation) || args.gate) {
    if (args.daddend) CheckNotNull(problem, "addend", args.addend);
    return;
  }
  const bool reads_y = problem.options.activation == Activation::kLeakyRelu ||
                       (problem.options.activation != Activation::kNone && args.daddend);
  if (reads_y) CheckNotNull(problem, "y", args.y);
}

void CheckBackward(const Problem& problem, const Normalization::BackwardArgs& args,
                   const ReadyParameters& parameters) {
  CheckBackwardOfPart(problem, args, parameters, problem.plan.num_stat);
  const bool from_y = FromY(problem, args);
  const Arrays arrays(problem);
  const Array x = arrays.Data(NormArray::kX, args.x), y = arrays.Data(NormArray::kY, args.y);
  const Array dy = arrays.Data(NormArray::kDy, args.dy), dx = arrays.Data(NormArray::kDx, args.dx);
  const Array gamma = arrays.Parameter("gamma", args.gamma);
  const Array beta = arrays.Parameter("beta", args.beta);
  const Array mean = arrays.Statistic("saved mean", from_y ? nullptr : args.mean);
  const Array rstd = arrays.Statistic("saved rstd", args.rstd);
  const Array addend = arrays.Data(NormArray::kAddend, args.addend);
  const Array daddend = arrays.Data(NormArray::kDaddend, args.daddend);
  const Array gate = arrays.Data(NormArray::kGate, args.gate);
  const Array dgate = arrays.Data(NormArray::kDgate, args.dgate);
  const Array dgamma = arrays.Parameter("dgamma", args.dgamma);
  const Array dbeta = arrays.Parameter("dbeta", args.dbeta);
  arrays.SameOrApart(dx, {x, y, dy, addend});
  arrays.SameOrApart(daddend, {dy, y, addend});
  arrays.Apart(daddend, {x, gamma, beta, mean, rstd, gate}, kReadLater);
  arrays.Apart(dx, {gamma, beta, mean, rstd, gate}, kReadLater);
  arrays.Apart(dgate, {x, dy, y, gamma, beta, mean, rstd, addend, gate}, kReadLater);
  arrays.Apart(dx, {daddend, dgamma, dbeta, dgate}, kBothWritten);
  arrays.Apart(daddend, {dgamma, dbeta, dgate}, kBothWritten);
  arrays.Apart(dgate, {dgamma, dbeta}, kBothWritten);
  arrays.Apart(dgamma, {dbeta}, kBothWritten);
}

}  // namespace normkit
