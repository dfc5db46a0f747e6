/* The same from C. */

#include <math.h>
#include <normkit/c.h>
#include <stdio.h>

int main(void) {
  const int64_t shape[] = {2, 3};
  const float x[] = {1, 2, 3, 5, 6, 7};
  float y[6];
  double mean[3];
  normkit_plan* plan = NULL;
  if (normkit_plan_create("batch", "BC", shape, 2, NORMKIT_F32, NULL, &plan) != NORMKIT_OK ||
      normkit_forward_training(plan, x, NULL, NULL, y, mean, NULL, NULL) != NORMKIT_OK) {
    fprintf(stderr, "%s\n", normkit_last_error());
    return 1;
  }
  normkit_plan_destroy(plan);
  return fabs(mean[0] - 3) < 1e-12 && fabs(mean[2] - 5) < 1e-12 ? 0 : 1;
}
