// One normalization on arrays of your own: forward, backward, and batch statistics kept for later.

#include <normkit/normkit.h>

#include <cstdio>
#include <vector>

int main() {
  // 8 images of 3 channels, 32 x 32: [B,C,S,S]. Any memory that lies densely will do.
  const int64_t shape[] = {8, 3, 32, 32};
  const normkit::Layout layout = normkit::Layout::Make("BCSS", shape);
  const size_t size = static_cast<size_t>(layout.size());
  std::vector<float> x(size), y(size), dy(size, 1.0f), dx(size);
  normkit::Random random(1);
  for (float& value : x) value = static_cast<float>(1e4 + random.Normal());

  // The plan is made once. What is reduced is a row of a table: kBatchNorm, kLayerNorm, ...
  const normkit::Normalization norm(normkit::kBatchNorm, layout, normkit::DType::kF32);
  const size_t channels = static_cast<size_t>(norm.num_parameters());
  std::vector<float> gamma(channels, 1.0f), beta(channels, 0.0f), dgamma(channels), dbeta(channels);
  std::vector<double> mean(channels), rstd(channels), variance(channels);
  norm.ForwardTraining(x.data(), gamma.data(), beta.data(), y.data(),
                       {mean.data(), rstd.data(), variance.data()});
  norm.Backward({.x = x.data(),
                 .dy = dy.data(),
                 .gamma = gamma.data(),
                 .mean = mean.data(),
                 .rstd = rstd.data(),
                 .dx = dx.data(),
                 .dgamma = dgamma.data(),
                 .dbeta = dbeta.data()});

  // What prediction will normalize with: a running estimate in which the new value weighs 0.1.
  std::vector<float> running_mean(channels, 0.0f), running_variance(channels, 1.0f);
  normkit::UpdateRunning<float>(mean, variance, norm.reduced_count(), 0.1, 0.1,
                                normkit::RunningDivisor::kCount, running_mean, running_variance);
  norm.ForwardInference(x.data(), gamma.data(), beta.data(), running_mean.data(),
                        running_variance.data(), y.data());
  std::printf("%s\nmean %.4f, variance %.4f, sum of dbeta %.0f\n", norm.Describe().c_str(), mean[0],
              variance[0], dbeta[0] + dbeta[1] + dbeta[2]);
}
