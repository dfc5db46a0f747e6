/* normkit/c.h is C: compiled as C99, pedantic, linked with the shared library alone. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "normkit/c.h"

static int failures = 0;

static void Expect(int condition, const char* what) {
  if (condition) return;
  ++failures;
  fprintf(stderr, "failed: %s (last error: '%s')\n", what, normkit_last_error());
}

/* Whether the last call failed as an invalid argument with exactly this text. */
static void ExpectError(normkit_status status, const char* text) {
  Expect(status == NORMKIT_INVALID_ARGUMENT, "the call is refused");
  Expect(strcmp(normkit_last_error(), text) == 0, text);
}

static void TestBatchNormalization(void) {
  /* Two observations of three channels: each channel is {0, 2} about its own offset. */
  const int64_t shape[] = {2, 3};
  const float x[] = {0, 10, -1, 2, 12, 1};
  const float gamma[] = {1, 2, 3}, beta[] = {0, 0, 1};
  const float dy[] = {1, 1, 1, 0, 0, 0};
  float y[6], dx[6], dgamma[3], dbeta[3], running_mean[3] = {0}, running_variance[3] = {1, 1, 1};
  double mean[3], rstd[3], variance[3];
  normkit_plan* plan = NULL;
  int i;

  Expect(normkit_plan_create("batch", "BC", shape, 2, NORMKIT_F32, NULL, &plan) == NORMKIT_OK,
         "create");
  Expect(normkit_plan_num_statistics(plan) == 3, "three statistics");
  Expect(normkit_plan_num_parameters(plan) == 3, "three parameters");
  Expect(normkit_plan_num_running(plan) == 3, "three running statistics");
  Expect(normkit_plan_reduced_count(plan) == 2, "two elements each");
  Expect(strncmp(normkit_plan_describe(plan), "batch", 5) == 0, "description");

  Expect(normkit_forward_training(plan, x, gamma, beta, y, mean, rstd, variance) == NORMKIT_OK,
         "forward");
  for (i = 0; i < 6; ++i) {
    const float expected = gamma[i % 3] * (i < 3 ? -1.0f : 1.0f) / sqrtf(1 + 1e-5f) + beta[i % 3];
    Expect(fabsf(y[i] - expected) < 1e-5f, "y");
  }
  for (i = 0; i < 3; ++i) {
    Expect(mean[i] == (x[i] + x[i + 3]) / 2, "mean");
    Expect(variance[i] == 1, "variance");
    Expect(fabs(rstd[i] - 1 / sqrt(1 + 1e-5)) < 1e-12, "rstd");
  }

  Expect(normkit_backward(plan, x, dy, gamma, beta, mean, rstd, dx, dgamma, dbeta, 0) == NORMKIT_OK,
         "backward");
  for (i = 0; i < 3; ++i) {
    Expect(dbeta[i] == 1, "dbeta");
    Expect(fabsf(dgamma[i] + 1 / sqrtf(1 + 1e-5f)) < 1e-5f, "dgamma");
    Expect(fabsf(dx[i] + dx[i + 3]) < 1e-5f, "the gradient of a shift is zero");
  }

  Expect(normkit_update_running(plan, mean, variance, 0.5, 0.5, NORMKIT_COUNT_MINUS_ONE,
                                running_mean, running_variance) == NORMKIT_OK,
         "update");
  for (i = 0; i < 3; ++i) {
    Expect(fabs(running_mean[i] - mean[i] / 2) < 1e-6, "running mean");
    Expect(fabsf(running_variance[i] - 1.5f) < 1e-6f, "running variance");
  }
  Expect(normkit_forward_inference(plan, x, gamma, beta, running_mean, running_variance, y) ==
             NORMKIT_OK,
         "inference");
  normkit_plan_destroy(plan);
}

/* Two channels far apart, of two observations; then y = leaky_relu(norm(x + residual) + addend). */
static void TestFusions(void) {
  const int64_t shape[] = {2, 2};
  const double x[] = {0, 10, 1, 14}, residual[] = {0, 2, 1, 2}, addend[] = {0, 0, 0, -3};
  const double dy[] = {1, 1, 1, 1};
  double sum[4], y[4], mean[2], rstd[2], daddend[4];
  normkit_options options = NORMKIT_OPTIONS_DEFAULT;
  normkit_forward_args forward = NORMKIT_FORWARD_ARGS_DEFAULT;
  normkit_backward_args backward = NORMKIT_BACKWARD_ARGS_DEFAULT;
  normkit_plan* plan = NULL;
  int i;

  options.activation = NORMKIT_LEAKY_RELU;
  options.negative_slope = 0.5;
  Expect(normkit_plan_create("batch", "BC", shape, 2, NORMKIT_F64, &options, &plan) == NORMKIT_OK,
         "create with leaky ReLU");
  forward.x = x;
  forward.y = y;
  forward.mean = mean;
  forward.rstd = rstd;
  forward.residual = residual;
  forward.sum = sum;
  forward.addend = addend;
  Expect(normkit_forward_training_fused(plan, &forward) == NORMKIT_OK, "fused forward");
  for (i = 0; i < 4; ++i) {
    const double z = (i < 2 ? -rstd[i % 2] : rstd[i % 2]) * (i % 2 ? 2 : 1) + addend[i];
    Expect(sum[i] == x[i] + residual[i], "sum");
    Expect(fabs(y[i] - (z > 0 ? z : 0.5 * z)) < 1e-12, "leaky ReLU of the normalized sum");
  }
  backward.x = sum;
  backward.dy = dy;
  backward.mean = mean;
  backward.rstd = rstd;
  backward.y = y;
  backward.daddend = daddend;
  Expect(normkit_backward_fused(plan, &backward) == NORMKIT_OK, "fused backward, no dx");
  for (i = 0; i < 4; ++i) Expect(daddend[i] == (y[i] > 0 ? 1 : 0.5), "daddend");
  normkit_plan_destroy(plan);
}

static void TestErrors(void) {
  const int64_t shape[] = {2, 6};
  normkit_options options = NORMKIT_OPTIONS_DEFAULT;
  normkit_plan* plan = NULL;
  ExpectError(normkit_plan_create("batch", "BC", shape, 2, NORMKIT_F32, NULL, NULL),
              "normkit_plan_create: plan is NULL");
  ExpectError(normkit_plan_create("batch", "BCS", shape, 2, NORMKIT_F32, NULL, &plan),
              "normkit_plan_create: format 'BCS' has 3 letters, rank is 2");
  ExpectError(normkit_forward_training(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
              "normkit_forward_training: plan is NULL");
  options.num_groups = 4;
  ExpectError(normkit_plan_create("group", "BC", shape, 2, NORMKIT_F32, &options, &plan),
              "group normalization: 4 groups do not divide 6 channels of BC [2,6]");
  Expect(plan == NULL, "no plan after a failure");
  normkit_plan_destroy(NULL);
}

int main(void) {
  Expect(strlen(normkit_version()) >= 5, "version");
  Expect(normkit_set_num_threads(2) == NORMKIT_OK && normkit_num_threads() == 2, "threads");
  Expect(strcmp(normkit_last_error(), "") == 0, "no error yet");
  TestBatchNormalization();
  TestFusions();
  TestErrors();
  if (failures == 0) printf("normkit %s from C: ok\n", normkit_version());
  return failures == 0 ? 0 : 1;
}
