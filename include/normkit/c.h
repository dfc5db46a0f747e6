/* normkit from C, and so from every language: normalization layers on the caller's arrays.
 *
 *   int64_t shape[] = {8, 64, 28, 28};
 *   normkit_plan* plan = NULL;
 *   if (normkit_plan_create("batch", "BCSS", shape, 4, NORMKIT_F32, NULL, &plan) != NORMKIT_OK)
 *     fprintf(stderr, "%s\n", normkit_last_error());
 *   normkit_forward_training(plan, x, gamma, beta, y, mean, rstd, NULL);
 *   normkit_backward(plan, x, dy, gamma, beta, mean, rstd, dx, dgamma, dbeta, 0);
 *   normkit_plan_destroy(plan);
 *
 * Arrays are dense (or see options.strides), belong to the caller, and are used only during the
 * call. Nothing of the size of x is copied but what options.strides says.
 *
 *   array                              elements                     type
 *   x, y, dx, dy, residual, sum,       the product of the shape     the plan's dtype
 *   addend, daddend
 *   gamma, beta, dgamma, dbeta         normkit_plan_num_parameters  parameter type, or that of
 *                                                                   options.parameter_dtype
 *   running_mean, running_variance     normkit_plan_num_running     parameter type
 *   mean, variance given for inference normkit_plan_num_running,    parameter type
 *                                      or, where that is 0,
 *                                      normkit_plan_num_statistics
 *   mean, rstd, variance of training   normkit_plan_num_statistics  double
 *
 * The parameter type is double where the dtype is f64, else float. Parameters are one per channel
 * (or see options.parameter_axes), statistics one per element of the axes that are not reduced, in
 * the order of x (batch: [C]; layer: [B]; instance: [B,C]; group: [B,G] where the format is BCSS).
 *
 * Arrays that a call writes lie apart from all others of the call, but for these, which may be the
 * same array (not lie across it): y may be x, residual, and addend or gate where there is a sum or
 * no residual (none in 8 bits), sum may be x or residual, and y where that is not kept (inference);
 * dx may be x, dy, y or addend, daddend may be dy, y or addend. Other overlaps are
 * NORMKIT_INVALID_ARGUMENT, of the halves of a pass too.
 *
 * A plan may be used from several threads at once. Every function that can fail returns a status;
 * normkit_last_error() then says what was wrong. No exception leaves the library. */
#ifndef NORMKIT_C_H_
#define NORMKIT_C_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define NORMKIT_C_API __attribute__((visibility("default")))

typedef int32_t normkit_status;
enum {
  NORMKIT_OK = 0,
  NORMKIT_INVALID_ARGUMENT = 1, /* what was given does not fit; the text says what */
  NORMKIT_OUT_OF_MEMORY = 2,    /* the next call works; docs/numerics.md, "Memory", has the one
                                   case in which the C++ library ends the program instead */
  NORMKIT_INTERNAL_ERROR = 3    /* a bug of normkit */
};

/* The text of the last call that failed on this thread: one line, valid until the next failure on
 * this thread. "" where nothing failed yet. */
NORMKIT_C_API const char* normkit_last_error(void);

/* "0.1.0". */
NORMKIT_C_API const char* normkit_version(void);

/* Threads of every later call of any plan; 0 restores the default (OMP_NUM_THREADS, else the
 * processors this process may run on). Results have the same bits for any number. */
NORMKIT_C_API normkit_status normkit_set_num_threads(int32_t threads);
NORMKIT_C_API int32_t normkit_num_threads(void);

typedef int32_t normkit_dtype;
enum { NORMKIT_F32 = 0, NORMKIT_F64 = 1, NORMKIT_BF16 = 2, NORMKIT_F16 = 3 };

typedef int32_t normkit_activation;
enum {
  NORMKIT_NO_ACTIVATION = 0,
  NORMKIT_RELU = 1,
  NORMKIT_LEAKY_RELU = 2, /* backward needs y: normkit_backward_fused */
  NORMKIT_GELU = 3,       /* exact (by erf) */
  NORMKIT_GELU_TANH = 4,  /* z (1 + tanh(sqrt(2 / pi) (z + 0.044715 z^3))) / 2 */
  NORMKIT_SILU = 5,       /* z sigmoid(z), also called swish */
  NORMKIT_SIGMOID = 6,    /* 1 / (1 + e^-z) */
  NORMKIT_HARD_SWISH = 7, /* z min(max(z + 3, 0), 6) / 6 */
  NORMKIT_ELU = 8,        /* z, below 0 activation_alpha (e^z - 1) */
  NORMKIT_SOFTPLUS = 9    /* log(1 + e^z) */
};

/* What y is written as, in the same pass; to the bit what quantizing y in the plan's dtype gives.
 * Halves go to even numbers. */
typedef int32_t normkit_output;
enum {
  NORMKIT_SAME_TYPE = 0, /* the plan's dtype */
  NORMKIT_INT8 = 1,      /* int8_t: round(y / output_scale) + output_zero_point in -128 .. 127 */
  NORMKIT_UINT8 = 2,     /* uint8_t: the same in 0 .. 255 */
  NORMKIT_INT8_PER_STATISTIC = 3, /* int8_t: round(y / scale), scale = max |y| / 127 of each
                                     statistic's elements (layer, rms: a row), into args.scales */
  NORMKIT_FLOAT8_E4M3 = 4 /* y / output_scale in 4 bits of exponent and 3 of the fraction, -448 ..
                             448, no infinities; NaN stays NaN */
};

/* Values of normkit_options.num_groups beside 1, 2, ... */
enum {
  NORMKIT_NO_GROUPS = 0,     /* not "group" or "group-rms" */
  NORMKIT_ALL_CHANNELS = -1, /* one group */
  NORMKIT_CHANNEL_WISE = -2  /* a group a channel */
};

/* In this and the other structures `size` is sizeof of the structure: later versions may append
 * members, and believe a program that was compiled before about what it knows. */

/* How far neighbours along each axis of an array lie apart, in elements: `rank` numbers in the
 * order of the format, 0 or more (0 repeats what is only read). NULL: dense. The bits are those of
 * dense arrays. Runs of elements that are reduced or kept together are used where they are; where
 * strides break them, through dense copies (normkit_plan_describe names them). Not with a tree. */
typedef struct normkit_strides {
  size_t size;
  const int64_t* x; /* in backward too, where x is the sum after a residual */
  const int64_t* y;
  const int64_t* residual;
  const int64_t* sum;
  const int64_t* addend;
  const int64_t* gate;
  const int64_t* dy;
  const int64_t* dx;
  const int64_t* daddend;
  const int64_t* dgate;
} normkit_strides;

#define NORMKIT_STRIDES_DEFAULT \
  { sizeof(normkit_strides), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL }

typedef struct normkit_options {
  size_t size;
  double epsilon;                  /* added to the variance; >= 2^-126, of f64 2^-1022 */
  int64_t num_groups;              /* group, group-rms: needed; others: NORMKIT_NO_GROUPS */
  const char* operation_dimension; /* layer normalization: "batch-excluded" (what NULL means),
                                      "auto", "channel-only", "spatial-channel" */
  normkit_activation activation;   /* applied to y in the same pass */
  double negative_slope;           /* of NORMKIT_LEAKY_RELU below 0; at least 0 */
  int32_t tree;                    /* not 0: the outermost axis can come in parts, see
                                      normkit_gather; it has to be one without parameters */
  double activation_alpha;         /* of NORMKIT_ELU; finite */
  const char* parameter_axes;      /* the axes that gamma and beta have, in the order of the format:
                                      "CS" an own one for each channel and position, "BC" for each
                                      channel of each observation; NULL: "C" */
  int32_t scale_plus_one;          /* not 0: 1 + gamma stands for gamma */
  int32_t parameter_dtype;         /* of gamma, beta and their gradients: a normkit_dtype, or
                                      NORMKIT_DEFAULT_DTYPE: f32, of f64 f64 */
  const normkit_strides* strides;  /* read while the plan is made; NULL: all arrays are dense */
  normkit_output output;           /* of forward passes alone; y is dense then, and apart from what
                                      is read */
  int32_t output_zero_point;
  double output_scale; /* above 0 and finite */
} normkit_options;

enum { NORMKIT_DEFAULT_DTYPE = -1 };

#define NORMKIT_OPTIONS_DEFAULT                                                                \
  {                                                                                            \
    sizeof(normkit_options), 1e-5, NORMKIT_NO_GROUPS, NULL, NORMKIT_NO_ACTIVATION, 0.01, 0, 1, \
        NULL, 0, NORMKIT_DEFAULT_DTYPE, NULL, NORMKIT_SAME_TYPE, 0, 1                          \
  }

/* A normalization of arrays of one shape and dtype, made once and used any number of times. */
typedef struct normkit_plan normkit_plan;

/* layer: "batch", "layer", "instance", "group", "rms", "group-rms" (of the channels of a group),
 *   "l2" (divides by the norm of the channels; no mean), "scale" (the same, with one gamma and one
 *   beta for all channels) or "mean-only" (subtracts the mean of the channels, divides by 1). What
 *   the functions say of rms about the mean holds for group-rms, l2 and scale.
 * format: a letter an axis, outermost first: B observations, T time, S space, C channels; NCHW is
 *   "BCSS", NHWC is "BSSC". shape: `rank` sizes in that order.
 * options: NULL for the defaults.
 * *plan: what to give to normkit_plan_destroy; NULL where the call failed. */
NORMKIT_C_API normkit_status normkit_plan_create(const char* layer, const char* format,
                                                 const int64_t* shape, size_t rank,
                                                 normkit_dtype dtype,
                                                 const normkit_options* options,
                                                 normkit_plan** plan);
NORMKIT_C_API void normkit_plan_destroy(normkit_plan* plan); /* NULL is allowed */

/* Sizes of arrays (see the table above); -1 where plan is NULL. */
NORMKIT_C_API int64_t normkit_plan_num_statistics(const normkit_plan* plan);
NORMKIT_C_API int64_t normkit_plan_num_parameters(const normkit_plan* plan);
NORMKIT_C_API int64_t normkit_plan_num_running(const normkit_plan* plan); /* 0 but for batch */
/* How many elements of x share one statistic. */
NORMKIT_C_API int64_t normkit_plan_reduced_count(const normkit_plan* plan);

/* "batch forward f32 BCSS [8,64,28,28]: 64 statistics over B,S of 6272 values each, plan RKR,
 * kernel
 * ...", with the number of threads of when the plan was made; belongs to the plan. "" for NULL. */
NORMKIT_C_API const char* normkit_plan_describe(const normkit_plan* plan);

/* y = gamma * (x - mean) * rstd + beta with the statistics of x itself, which mean, rstd and
 * variance receive (each may be NULL: not wanted). gamma and beta may be NULL: 1 and 0. y may be x.
 * The variance divides by the count; rstd = 1 / sqrt(variance + epsilon). rms subtracts no mean,
 * and its variance is the mean square. */
NORMKIT_C_API normkit_status normkit_forward_training(const normkit_plan* plan, const void* x,
                                                      const void* gamma, const void* beta, void* y,
                                                      double* mean, double* rstd, double* variance);

/* The same with given statistics. Layers without running statistics (all but batch) may be given
 * NULL for both: the statistics of x itself. */
NORMKIT_C_API normkit_status normkit_forward_inference(const normkit_plan* plan, const void* x,
                                                       const void* gamma, const void* beta,
                                                       const void* mean, const void* variance,
                                                       void* y);

/* Both with what stands beside them in networks, in one pass over memory:
 *   sum = x + residual; y = activation(gamma * (sum - mean) * rstd + beta + addend) * gate. */
typedef struct normkit_forward_args {
  size_t size;
  const void* x;
  const void* gamma; /* NULL: 1 */
  const void* beta;  /* NULL: 0 */
  void* y;
  double* mean;           /* of training; each of the three may be NULL: not wanted */
  double* rstd;           /* likewise */
  double* variance;       /* likewise */
  const void* residual;   /* of the shape and dtype of x; NULL: none, and sum is not read */
  void* sum;              /* may be x or residual; training needs it, apart from y; inference does
                             without (NULL) */
  const void* addend;     /* of the shape and dtype of x; NULL: none */
  const void* gate;       /* likewise */
  float* scales;          /* of NORMKIT_INT8_PER_STATISTIC: normkit_plan_num_statistics of them */
  const int64_t* lengths; /* of each observation (a number for each index of B, or one): how many of
                             the steps along T there are, 1 or more; NULL: all. The others are
                             padding: not read, in no statistic, and y (and sum) is 0 there.
                             Statistics of padded steps, where each has its own, are 0. Not with a
                             tree, y in 8 bits, or parameters with the axes B or T */
  const float* weights;   /* of normkit_gather alone, without a residual: a weight (or mask), 0 or
                             more, for each position of x, all its axes but the channels; n of the
                             moments is their sum, and what has a weight of 0 is not read */
} normkit_forward_args;

#define NORMKIT_FORWARD_ARGS_DEFAULT                                                          \
  {                                                                                           \
    sizeof(normkit_forward_args), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, \
        NULL, NULL, NULL, NULL                                                                \
  }

NORMKIT_C_API normkit_status normkit_forward_training_fused(const normkit_plan* plan,
                                                            const normkit_forward_args* args);
/* mean and variance: as for normkit_forward_inference. */
NORMKIT_C_API normkit_status normkit_forward_inference_fused(const normkit_plan* plan,
                                                             const normkit_forward_args* args,
                                                             const void* mean,
                                                             const void* variance);

/* Flags of normkit_backward, or-ed together. */
enum {
  NORMKIT_ACCUMULATE = 1,      /* add to dx, dgamma and dbeta instead of overwriting them */
  NORMKIT_FIXED_STATISTICS = 2 /* mean and rstd do not depend on x: dx = gamma * dy * rstd */
};

/* The gradients, from x, dy and the mean and rstd that normkit_forward_training saved:
 *   dx = rstd * (w - E[w] - xhat * E[w * xhat]), w = gamma * dy, E over the reduced axes (rms: no
 *   E[w]), dgamma = sum(dy * xhat), dbeta = sum(dy) over all but the channels.
 * dx, dgamma and dbeta may be NULL: not wanted. dx may be dy. beta is read only where the options
 * name an activation. */
NORMKIT_C_API normkit_status normkit_backward(const normkit_plan* plan, const void* x,
                                              const void* dy, const void* gamma, const void* beta,
                                              const double* mean, const double* rstd, void* dx,
                                              void* dgamma, void* dbeta, int32_t flags);

/* The same after a fused forward pass. */
typedef struct normkit_backward_args {
  size_t size;
  const void* x; /* where there was a residual: the sum. NULL: found from y, see there */
  const void* dy;
  const void* gamma;
  const void* beta;   /* read only where the options name an activation, or x is NULL */
  const double* mean; /* not read where x is NULL */
  const double* rstd;
  void* dx; /* NULL: not wanted; so are dgamma, dbeta and daddend */
  void* dgamma;
  void* dbeta;
  const void* y; /* what the forward pass wrote: needed for NORMKIT_LEAKY_RELU, and where something
                    was added before NORMKIT_RELU; not read for other activations, which need
                    `addend`. With x NULL it stands for x, which need not be
                    kept then: xhat = (z - beta) / gamma, z what was activated, at the price of
                    digits where |beta / gamma| is large. An error after an addend or
                    an activation other than NORMKIT_LEAKY_RELU, where a gamma is 0, and for layer
                    and rms with the channels innermost */
  void* daddend; /* the gradient of addend, overwritten whatever the flags say */
  int32_t flags;
  const void* addend; /* what the forward pass added before an activation from NORMKIT_GELU on; for
                         others not read (but with a gate) */
  const void* gate; /* what the forward pass multiplied by; the activation is then computed again */
  void* dgate;      /* its gradient, overwritten whatever the flags say; NULL: not wanted */
  const int64_t* lengths; /* as the forward pass had them: dy of padding is not read, dx, daddend
                             and dgate are 0 there (with NORMKIT_ACCUMULATE dx stays as it is) */
} normkit_backward_args;

#define NORMKIT_BACKWARD_ARGS_DEFAULT                                                          \
  {                                                                                            \
    sizeof(normkit_backward_args), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, \
        NULL, 0, NULL, NULL, NULL, NULL                                                        \
  }

NORMKIT_C_API normkit_status normkit_backward_fused(const normkit_plan* plan,
                                                    const normkit_backward_args* args);

/* The two halves of each pass, with a join between them, for arrays that come in parts: on ranks,
 * in micro-batches, as tiles of a picture. A part is a run [first_leaf, last_leaf) of the
 * NORMKIT_LEAVES leaves that the outermost axis is cut into (options.tree; without, the only part
 * is all of them), and the arrays of a call hold that part alone. Rank r of n, for one, has leaves
 * [r * NORMKIT_LEAVES / n, (r + 1) * NORMKIT_LEAVES / n). Of a plan with options.tree, to the bit,
 *   normkit_gather of all parts, join_moments, finish, normkit_apply of all parts
 * is normkit_forward_training_fused, and
 *   normkit_gather_gradient of all parts, join_sums, normkit_apply_gradient of all parts
 * is normkit_backward_fused, whatever the parts. */
enum { NORMKIT_LEAVES = 16 };

/* Of one statistic: how many numbers, their mean, their squared deviations from it added up. */
typedef struct normkit_moments {
  double n, mean, m2;
} normkit_moments;

/* The index of the outermost axis at which a leaf begins, and the leaf before ends: 0 for leaf 0,
 * the axis' size for leaf NORMKIT_LEAVES. -1 where there is no such leaf. */
NORMKIT_C_API int64_t normkit_plan_leaf_begin(const normkit_plan* plan, int32_t leaf);
/* Whether statistics are over the outermost axis: 1 or 0; -1 where plan is NULL. Where they are
 * not, each part has statistics of its own: nothing is to be joined, mean and rstd of a call are
 * those of the part, and normkit_gather_gradient writes dx as well. */
NORMKIT_C_API int32_t normkit_plan_joins(const normkit_plan* plan);
/* Elements of `moments` and `sums` of a part; -1 where it is none. */
NORMKIT_C_API int64_t normkit_plan_num_moments(const normkit_plan* plan, int32_t first_leaf,
                                               int32_t last_leaf);
NORMKIT_C_API int64_t normkit_plan_num_sums(const normkit_plan* plan, int32_t first_leaf,
                                            int32_t last_leaf);

/* Moments of x (with a residual: of sum, which is written), those of each leaf one behind the
 * other. Those of all parts, one behind the other in the order of the parts, are what is joined. */
NORMKIT_C_API normkit_status normkit_gather(const normkit_plan* plan, int32_t first_leaf,
                                            int32_t last_leaf, const normkit_forward_args* args,
                                            normkit_moments* moments);
/* Where statistics join: merges the moments of all parts in place; the first
 * normkit_plan_num_statistics of them are the result. */
NORMKIT_C_API normkit_status normkit_join_moments(const normkit_plan* plan,
                                                  normkit_moments* moments);
/* mean, rstd and variance (each may be NULL) from joined moments, or from those of a part. */
NORMKIT_C_API normkit_status normkit_finish(const normkit_plan* plan, int32_t first_leaf,
                                            int32_t last_leaf, const normkit_moments* moments,
                                            double* mean, double* rstd, double* variance);
/* y, from args->mean and args->rstd. With a residual `sum` is read. */
NORMKIT_C_API normkit_status normkit_apply(const normkit_plan* plan, int32_t first_leaf,
                                           int32_t last_leaf, const normkit_forward_args* args);

/* What is added up for the gradients, that of each leaf one behind the other. Writes daddend. */
NORMKIT_C_API normkit_status normkit_gather_gradient(const normkit_plan* plan, int32_t first_leaf,
                                                     int32_t last_leaf,
                                                     const normkit_backward_args* args,
                                                     double* sums);
/* Merges the sums of all parts, one behind the other, in place; the result stands first. */
NORMKIT_C_API normkit_status normkit_join_sums(const normkit_plan* plan, double* sums);
/* dx of the part (where statistics join), dgamma and dbeta of all parts, from joined sums. args as
 * for normkit_gather_gradient. */
NORMKIT_C_API normkit_status normkit_apply_gradient(const normkit_plan* plan, int32_t first_leaf,
                                                    int32_t last_leaf,
                                                    const normkit_backward_args* args,
                                                    const double* sums);

/* What a running variance divides the sum of squared deviations by. */
typedef int32_t normkit_divisor;
enum {
  NORMKIT_COUNT = 0,          /* as the toolbox and ONNX do */
  NORMKIT_COUNT_MINUS_ONE = 1 /* as PyTorch does */
};

/* running = (1 - decay) * running + decay * new, for batch normalization: mean and variance are
 * what normkit_forward_training gave. The decay weighs the new value: PyTorch's momentum. One
 * element per statistic leaves the running variance alone, none leaves both alone. */
NORMKIT_C_API normkit_status normkit_update_running(const normkit_plan* plan, const double* mean,
                                                    const double* variance, double mean_decay,
                                                    double variance_decay, normkit_divisor divisor,
                                                    void* running_mean, void* running_variance);

/* What this machine copies through memory with `threads` threads, read and written bytes together,
 * in 1e9 bytes a second: the limit of every function here on large arrays. Takes seconds and 1 GB;
 * 0 where the memory is missing. */
NORMKIT_C_API double normkit_streaming_bandwidth(int32_t threads);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* NORMKIT_C_H_ */
