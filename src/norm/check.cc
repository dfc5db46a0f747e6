#include "src/norm/check.h"

#include <cmath>
#include <initializer_list>
#include <iterator>
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

using Others = std::initializer_list<const Array*>;

// Makes arrays of one problem and compares them. Nothing is allocated: calls are many and small.
class Arrays {
 public:
  Arrays(const Problem& problem, const ArraySizes& sizes)
      : problem_(problem),
        sizes_(sizes),
        parameter_bytes_(static_cast<size_t>(problem.plan.num_param) *
                         SizeOf(problem.parameter_dtype())),
        statistic_bytes_(static_cast<size_t>(sizes.statistics) * sizeof(double)) {}

  Array Data(NormArray array, const void* data) const {
    const StridedArray& lies = problem_.strides[array];
    const size_t bytes = problem_.ElementBytes(array);
    // Arrays that lie in strides have no parts but the whole.
    const int64_t extent = sizes_.elements < problem_.plan.size ? sizes_.elements : lies.extent;
    return {Name(array), data, static_cast<size_t>(extent) * bytes, &lies, bytes};
  }
  Array Parameter(std::string_view name, const void* data) const {
    return {name, data, parameter_bytes_};
  }
  Array Lengths(const int64_t* data) const {
    return {"lengths", data, static_cast<size_t>(problem_.layout.SizeOf(kB)) * sizeof(int64_t)};
  }
  // One for each position.
  Array Weights(const float* data) const {
    const int64_t positions = sizes_.elements / problem_.layout.channels();
    return {"weights", data, static_cast<size_t>(positions) * sizeof(float)};
  }
  Array Statistic(std::string_view name, const void* data) const {
    return {name, data, statistic_bytes_};
  }

  // What is written may be the same array as what is read, element by element, but not lie across.
  void SameOrApart(const Array& written, Others read) const {
    for (const Array* other : read)
      if (!Same(*other, written) && Overlap(written, *other))
        Fail("{}: {} and {} overlap, expected the same array or apart", problem_.Title(),
             other->name, written.name);
  }

  // What is written must not lie over what is read afterwards.
  void Apart(const Array& written, Others others, std::string_view why) const {
    for (const Array* other : others)
      if (Overlap(written, *other))
        Fail("{}: {} and {} overlap, expected arrays apart: {}", problem_.Title(), written.name,
             other->name, why);
  }

 private:
  const Problem& problem_;
  const ArraySizes sizes_;
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
  if (args.daddend || args.addend)
    Fail("{}: backward from y with {}, expected x: what was added cannot be told from y", title,
         args.daddend ? "daddend" : "addend");
  const char* of = problem.options.parameter_axes == 0 ? "in channel" : "at parameter";
  for (int64_t p = 0; args.gamma && p < problem.plan.num_param; ++p)
    if (ParameterAt(ParameterDType(problem.dtype), parameters.gamma(), p) == 0)
      Fail("{}: backward from y with {} {} {}, expected x: y does not depend on it", title,
           problem.options.scale_plus_one ? "1 + gamma = 0" : "gamma 0", of, p);
}

constexpr std::string_view kBothWritten = "both are written";
constexpr std::string_view kReadLater = "the second is read after the first is written";
constexpr std::string_view kBackwardReads = "the backward pass reads the first";

// The arrays of a forward pass.
struct ForwardArrays {
  ForwardArrays(const Arrays& arrays, const Normalization::ForwardArgs& args)
      : x(arrays.Data(NormArray::kX, args.x)),
        y(arrays.Data(NormArray::kY, args.y)),
        residual(arrays.Data(NormArray::kResidual, args.residual)),
        sum(arrays.Data(NormArray::kSum, args.residual ? args.sum : nullptr)),
        addend(arrays.Data(NormArray::kAddend, args.addend)),
        gate(arrays.Data(NormArray::kGate, args.gate)),
        gamma(arrays.Parameter("gamma", args.gamma)),
        beta(arrays.Parameter("beta", args.beta)),
        mean(arrays.Statistic("saved mean", args.saved.mean)),
        rstd(arrays.Statistic("saved rstd", args.saved.rstd)),
        variance(arrays.Statistic("saved variance", args.saved.variance)),
        lengths(arrays.Lengths(args.lengths)) {}

  Array x, y, residual, sum, addend, gate, gamma, beta, mean, rstd, variance, lengths;
};

// Whether it is plain that no two arrays of a forward pass overlap, but y or the sum with x or the
// residual as the same array. Of most calls it is, and what CheckForward asks for else takes a
// fifth of the time of a row of 64.
bool ArePlainlyApart(const Problem& problem, const Normalization::ForwardArgs& args) {
  if (problem.strides.any() || problem.quantizes() || args.lengths) return false;
  struct Range {
    uintptr_t begin, end;
  };
  Range ranges[11];
  size_t n = 0;
  const auto add = [&](const void* data, size_t bytes) {
    const auto begin = reinterpret_cast<uintptr_t>(data);
    if (data) ranges[n++] = {begin, begin + bytes};
  };
  const size_t bytes = static_cast<size_t>(problem.plan.size) * SizeOf(problem.dtype);
  const size_t parameters =
      static_cast<size_t>(problem.plan.num_param) * SizeOf(problem.parameter_dtype());
  const size_t statistics = static_cast<size_t>(problem.plan.num_stat) * sizeof(double);
  add(args.y, bytes);
  if (args.residual) add(args.sum, bytes);
  const size_t elements = n;  // those may be what is read next
  add(args.saved.mean, statistics), add(args.saved.rstd, statistics);
  add(args.saved.variance, statistics);
  const size_t written = n;
  add(args.x, bytes), add(args.residual, bytes);
  const size_t shared = n;
  add(args.gamma, parameters), add(args.beta, parameters);
  add(args.addend, bytes), add(args.gate, bytes);
  for (size_t i = 0; i < written; ++i) {
    for (size_t k = i + 1; k < n; ++k) {
      const bool may_be_same = i < elements && k >= written && k < shared;
      if (may_be_same && ranges[i].begin == ranges[k].begin) continue;
      if (ranges[i].begin < ranges[k].end && ranges[k].begin < ranges[i].end) return false;
    }
  }
  return true;
}

// The scales of a call that finds them.
void CheckScales(const Problem& problem, const Arrays& arrays, const ForwardArrays& a,
                 float* given) {
  if (problem.options.output != OutputType::kInt8PerStatistic) return;
  CheckNotNull(problem, "scales", given, problem.plan.num_stat, DType::kF32);
  const Array scales{"scales", given, static_cast<size_t>(problem.plan.num_stat) * sizeof(float)};
  arrays.Apart(scales, {&a.y, &a.sum}, kBothWritten);
  arrays.Apart(
      scales,
      {&a.x, &a.gamma, &a.beta, &a.addend, &a.gate, &a.residual, &a.mean, &a.rstd, &a.variance},
      kReadLater);
}

// What Gather and whole passes ask of the sum, which is written before the rest is read.
void CheckSum(const Arrays& arrays, const ForwardArrays& a, const Array& sum) {
  arrays.SameOrApart(sum, {&a.x, &a.residual});
  arrays.Apart(sum, {&a.gamma, &a.beta, &a.addend, &a.gate}, kReadLater);
  arrays.Apart(sum, {&a.mean, &a.rstd, &a.variance}, kBothWritten);
}

void CheckBackwardGiven(const Problem& problem, const Normalization::BackwardArgs& args,
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
  // What was added is not in x: only y tells where the ReLU was 0.
  const bool added = args.daddend || args.addend;
  const bool reads_y = problem.options.activation == Activation::kLeakyRelu ||
                       (problem.options.activation != Activation::kNone && added);
  if (reads_y) CheckNotNull(problem, "y", args.y);
}

// `reads_sums`: as what the first half wrote.
void CheckBackwardApart(const Problem& problem, const Normalization::BackwardArgs& args,
                        const ArraySizes& sizes, const Array& sums, bool reads_sums) {
  const Arrays arrays(problem, sizes);
  const Array x = arrays.Data(NormArray::kX, args.x), y = arrays.Data(NormArray::kY, args.y);
  const Array dy = arrays.Data(NormArray::kDy, args.dy), dx = arrays.Data(NormArray::kDx, args.dx);
  const Array gamma = arrays.Parameter("gamma", args.gamma);
  const Array beta = arrays.Parameter("beta", args.beta);
  const Array mean = arrays.Statistic("saved mean", FromY(problem, args) ? nullptr : args.mean);
  const Array rstd = arrays.Statistic("saved rstd", args.rstd);
  const Array addend = arrays.Data(NormArray::kAddend, args.addend);
  const Array daddend = arrays.Data(NormArray::kDaddend, args.daddend);
  const Array gate = arrays.Data(NormArray::kGate, args.gate);
  const Array dgate = arrays.Data(NormArray::kDgate, args.dgate);
  const Array dgamma = arrays.Parameter("dgamma", args.dgamma);
  const Array dbeta = arrays.Parameter("dbeta", args.dbeta);
  arrays.SameOrApart(dx, {&x, &y, &dy, &addend});
  arrays.SameOrApart(daddend, {&dy, &y, &addend});
  arrays.Apart(daddend, {&x, &gamma, &beta, &mean, &rstd, &gate}, kReadLater);
  arrays.Apart(dx, {&gamma, &beta, &mean, &rstd, &gate}, kReadLater);
  // Some channels' are written before others are read.
  for (const Array* written : {&dgate, &dgamma, &dbeta, &sums})
    arrays.Apart(*written, {&x, &dy, &y, &gamma, &beta, &mean, &rstd, &addend, &gate}, kReadLater);
  arrays.Apart(dx, {&daddend, &dgamma, &dbeta, &dgate}, kBothWritten);
  arrays.Apart(daddend, {&dgamma, &dbeta, &dgate}, kBothWritten);
  arrays.Apart(dgate, {&dgamma, &dbeta}, kBothWritten);
  arrays.Apart(dgamma, {&dbeta}, kBothWritten);
  const Array lengths = arrays.Lengths(args.lengths);
  for (const Array* written : {&dx, &daddend, &dgate, &dgamma, &dbeta}) {
    arrays.Apart(*written, {&sums}, reads_sums ? kReadLater : kBothWritten);
    arrays.Apart(*written, {&lengths}, kReadLater);
  }
}

ArraySizes Whole(const Problem& problem) { return {problem.plan.size, problem.plan.num_stat}; }

}  // namespace

void CheckNotNull(const Problem& problem, std::string_view name, const void* array, int64_t size,
                  DType dtype) {
  if (!array && problem.layout.size() > 0)
    Fail("{}: {} is null, expected an array of {} {} elements", problem.Title(), name, size,
         Name(dtype));
}

void CheckNotNull(const Problem& problem, std::string_view name, const void* array) {
  if (!array) CheckNotNull(problem, name, array, problem.layout.size(), problem.dtype);
}

void CheckForward(const Problem& problem, const Normalization::ForwardArgs& args, bool trains) {
  if (args.weights)
    Fail("{}: weights in a whole pass, expected them in Gather alone", problem.Title());
  CheckNotNull(problem, "x", args.x);
  CheckNotNull(problem, "y", args.y);
  const bool lacks_sum = trains && args.residual && !args.sum;
  if (!lacks_sum && ArePlainlyApart(problem, args)) return;
  const Arrays arrays(problem, Whole(problem));
  const ForwardArrays a(arrays, args);
  arrays.SameOrApart(a.y, {&a.x, &a.addend, &a.gate, &a.residual});
  arrays.Apart(a.y, {&a.gamma, &a.beta}, kReadLater);
  arrays.Apart(a.mean, {&a.rstd, &a.variance, &a.y}, kBothWritten);
  arrays.Apart(a.rstd, {&a.variance, &a.y}, kBothWritten);
  arrays.Apart(a.variance, {&a.y}, kBothWritten);
  for (const Array* written : {&a.y, &a.sum, &a.mean, &a.rstd, &a.variance})
    arrays.Apart(*written, {&a.lengths}, kReadLater);
  for (const Array* saved : {&a.mean, &a.rstd, &a.variance})
    arrays.Apart(*saved, {&a.x, &a.gamma, &a.beta, &a.addend, &a.gate, &a.residual}, kReadLater);
  if (problem.quantizes()) {
    arrays.Apart(a.y, {&a.x, &a.addend, &a.gate, &a.residual}, kReadLater);
    CheckScales(problem, arrays, a, args.scales);
  }
  if (!args.residual) return;
  if (trains || problem.quantizes()) CheckNotNull(problem, "sum", args.sum);
  CheckSum(arrays, a, args.sum ? a.sum : a.y);  // which holds it meanwhile
  if (trains || problem.quantizes())
    arrays.Apart(a.sum, {&a.y}, trains ? kBackwardReads : kBothWritten);
  else
    arrays.SameOrApart(a.y, {&a.sum});
}

void CheckGather(const Problem& problem, const Normalization::ForwardArgs& args,
                 const ArraySizes& sizes, std::span<const Moments> gathered) {
  if (sizes.elements == 0) return;
  CheckNotNull(problem, "x", args.x);
  if (args.residual) CheckNotNull(problem, "sum", args.sum);
  const Arrays arrays(problem, sizes);
  const ForwardArrays a(arrays, args);
  const Array moments{"moments", gathered.data(), gathered.size_bytes()};
  const Array weights = arrays.Weights(args.weights);
  arrays.Apart(moments, {&a.x, &a.residual, &weights}, kReadLater);
  if (args.residual) CheckSum(arrays, a, a.sum);
  arrays.Apart(a.sum, {&moments}, kBothWritten);
}

void CheckFinish(const Problem& problem, std::span<const Moments> given,
                 const SavedStatistics& saved) {
  const Arrays arrays(problem, {0, static_cast<int64_t>(given.size())});
  const Array moments{"moments", given.data(), given.size_bytes()};
  const Array mean = arrays.Statistic("saved mean", saved.mean);
  const Array rstd = arrays.Statistic("saved rstd", saved.rstd);
  const Array variance = arrays.Statistic("saved variance", saved.variance);
  for (const Array* written : {&mean, &rstd, &variance})
    arrays.Apart(*written, {&moments}, kReadLater);
  arrays.Apart(mean, {&rstd, &variance}, kBothWritten);
  arrays.Apart(rstd, {&variance}, kBothWritten);
}

void CheckApply(const Problem& problem, const Normalization::ForwardArgs& args,
                const ArraySizes& sizes) {
  if (sizes.elements == 0) return;
  CheckNotNull(problem, args.residual ? "sum" : "x", args.residual ? args.sum : args.x);
  CheckNotNull(problem, "y", args.y);
  CheckNotNull(problem, "saved mean", args.saved.mean, sizes.statistics, DType::kF64);
  CheckNotNull(problem, "saved rstd", args.saved.rstd, sizes.statistics, DType::kF64);
  const Arrays arrays(problem, sizes);
  const ForwardArrays a(arrays, args);
  const Array& read = args.residual ? a.sum : a.x;  // the residual was added before
  arrays.SameOrApart(a.y, {&read, &a.addend, &a.gate});
  arrays.Apart(a.y, {&a.gamma, &a.beta, &a.mean, &a.rstd}, kReadLater);
  if (!problem.quantizes()) return;
  arrays.Apart(a.y, {&read, &a.addend, &a.gate}, kReadLater);
  CheckScales(problem, arrays, a, args.scales);
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

void CheckBackward(const Problem& problem, const Normalization::BackwardArgs& args,
                   const ReadyParameters& parameters) {
  CheckBackwardGiven(problem, args, parameters, problem.plan.num_stat);
  CheckBackwardApart(problem, args, Whole(problem), {"sums", nullptr, 0}, false);
}

void CheckBackwardOfPart(const Problem& problem, const Normalization::BackwardArgs& args,
                         const ReadyParameters& parameters, const ArraySizes& sizes,
                         std::span<const double> sums, bool reads_sums) {
  if (sizes.elements > 0) CheckBackwardGiven(problem, args, parameters, sizes.statistics);
  CheckBackwardApart(problem, args, sizes, {"sums", sums.data(), sums.size_bytes()}, reads_sums);
}

}  // namespace normkit
