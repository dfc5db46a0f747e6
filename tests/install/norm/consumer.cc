// The operation alone, normkit::norm: prints what it computes, on which of the processor's targets,
// and what it says of wrong calls. normkit::normkit has to print the same.

#include <normkit/norm/normalization.h>

#include <cstdio>
#include <cstring>
#include <vector>

namespace {

// Of the bits of all values.
unsigned Digest(const std::vector<float>& values) {
  unsigned digest = 2166136261u;
  for (const float value : values) {
    unsigned bits = 0;
    std::memcpy(&bits, &value, sizeof(bits));
    digest = (digest ^ bits) * 16777619u;
  }
  return digest;
}

void Print(const normkit::NormSpec& spec) {
  const std::vector<int64_t> shape{4, 6, 33, 35};
  const normkit::Layout layout = normkit::Layout::Make("BCSS", shape);
  normkit::NormOptions options;
  if (spec.name == normkit::kGroupNorm.name || spec.name == normkit::kGroupRmsNorm.name)
    options.num_groups = 3;
  const normkit::Normalization norm(spec, layout, normkit::DType::kF32, options);
  std::vector<float> x(static_cast<size_t>(layout.size())), y(x.size()), dx(x.size());
  for (size_t i = 0; i < x.size(); ++i)
    x[i] = 1e3f + static_cast<float>((i * 2654435761u) % 1000) / 500;
  std::vector<double> mean(static_cast<size_t>(norm.num_statistics())), rstd(mean.size());
  norm.ForwardTraining(x.data(), nullptr, nullptr, y.data(),
                       {.mean = mean.data(), .rstd = rstd.data(), .variance = nullptr});
  normkit::Normalization::BackwardArgs args;
  args.x = x.data();
  args.dy = y.data();
  args.mean = mean.data();
  args.rstd = rstd.data();
  args.dx = dx.data();
  norm.Backward(args);
  std::printf("%s: y %08x, dx %08x, %s\n", std::string(spec.name).c_str(), Digest(y), Digest(dx),
              norm.Describe(normkit::NormPass::kForward).c_str());
}

}  // namespace

int main() {
  for (const normkit::NormSpec& spec : normkit::NormSpecs()) Print(spec);
  try {
    normkit::FindNormSpec("bacth");
  } catch (const normkit::Error& error) {
    std::printf("%s\n", error.what());
    return 0;
  }
  return 1;
}
