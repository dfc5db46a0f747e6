/* The operation alone, opened while the program runs as interpreters do, where each malloc of a
 * thread's first calls fails in turn, the C library's own among them: the status says so, and the
 * next call is right. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "normkit/c.h"

enum {
  kRows = 64,
  kColumns = 4096,
  kSize = kRows * kColumns,
  kWorked = 0,
  kRefused = 1,
  kWrong = 2
};

void* __libc_malloc(size_t bytes);
void* __libc_calloc(size_t count, size_t bytes);
void* __libc_realloc(void* memory, size_t bytes);
void* __libc_memalign(size_t alignment, size_t bytes);

static atomic_long left = -1; /* how many succeed before one fails; below 0: all do */

static int Refuses(void) {
  if (atomic_load(&left) < 0 || atomic_fetch_sub(&left, 1) > 0) return 0;
  errno = ENOMEM;
  return 1;
}

void* malloc(size_t bytes) { return Refuses() ? NULL : __libc_malloc(bytes); }
void* calloc(size_t count, size_t bytes) { return Refuses() ? NULL : __libc_calloc(count, bytes); }
void* realloc(void* memory, size_t bytes) {
  return Refuses() ? NULL : __libc_realloc(memory, bytes);
}
void* aligned_alloc(size_t alignment, size_t bytes) {
  return Refuses() ? NULL : __libc_memalign(alignment, bytes);
}

static void* library;
static void* Function(const char* name) {
  void* function = dlsym(library, name);
  if (!function) {
    fprintf(stderr, "%s\n", dlerror());
    exit(1);
  }
  return function;
}

static float x[kSize], dy[kSize], y[kSize], dx[kSize], dgamma[kColumns];
static double mean[kRows], rstd[kRows];
static long allowed;

/* All from the plan to its gradients; 0 or the first status that is another. */
static int Call(int threads) {
  const int64_t shape[] = {kRows, kColumns};
  normkit_plan* plan = NULL;
  __typeof__(normkit_plan_create)* create = Function("normkit_plan_create");
  __typeof__(normkit_plan_destroy)* destroy = Function("normkit_plan_destroy");
  __typeof__(normkit_forward_training)* forward = Function("normkit_forward_training");
  __typeof__(normkit_backward)* backward = Function("normkit_backward");
  __typeof__(normkit_set_num_threads)* set_threads = Function("normkit_set_num_threads");
  int status = set_threads(threads);
  if (!status) status = create("layer", "BC", shape, 2, NORMKIT_F32, NULL, &plan);
  if (!status) status = forward(plan, x, NULL, NULL, y, mean, rstd, NULL);
  if (!status) status = backward(plan, x, dy, NULL, NULL, mean, rstd, dx, dgamma, NULL, 0);
  destroy(plan);
  return status;
}

static float Check(void) {
  float sum = 0;
  int i;
  for (i = 0; i < kSize; ++i) sum += y[i] * (float)(i % 7) + dx[i];
  for (i = 0; i < kColumns; ++i) sum += dgamma[i];
  return sum;
}

static float expected;

/* The expected, from a child, as this process's threads are to have done nothing. */
static int Expect(void) {
  int status = 0;
  int to[2];
  pid_t child;
  if (pipe(to) != 0) return 0;
  child = fork();
  if (child == 0) {
    const int called = Call(1);
    expected = Check();
    _exit(called == NORMKIT_OK && write(to[1], &expected, sizeof expected) == sizeof expected
              ? kWorked
              : kWrong);
  }
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == kWorked &&
         read(to[0], &expected, sizeof expected) == sizeof expected;
}

static void* First(void* threads) {
  __typeof__(normkit_last_error)* last_error = Function("normkit_last_error");
  int status;
  /* What the C++ library wants for a thread's first exception, which it can not do without. */
  ((void* (*)(void))Function("__cxa_get_globals"))();
  atomic_store(&left, allowed);
  status = Call(*(int*)threads);
  atomic_store(&left, -1);
  if (status != NORMKIT_OK && (status != NORMKIT_OUT_OF_MEMORY || !*last_error())) _exit(kWrong);
  if (Call(*(int*)threads) != NORMKIT_OK || Check() != expected) _exit(kWrong);
  _exit(status == NORMKIT_OK ? kWorked : kRefused);
}

/* In a child, whose threads have done nothing yet. */
static int Outcome(int threads) {
  int status = 0;
  pthread_t thread;
  const pid_t child = fork();
  if (child == 0) {
    alarm(30);
    if (pthread_create(&thread, NULL, First, &threads) == 0) pthread_join(thread, NULL);
    _exit(kWrong);
  }
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : kWrong;
}

int main(int argc, char** argv) {
  int threads, i, worked, refused;
  library = argc > 1 ? dlopen(argv[1], RTLD_NOW) : NULL;
  if (!library) {
    fprintf(stderr, "usage: no_memory_test LIBRARY (%s)\n", argc > 1 ? dlerror() : "none given");
    return 1;
  }
  for (i = 0; i < kSize; ++i) {
    x[i] = (float)(i * 37 % 101);
    dy[i] = (float)(i * 53 % 97);
  }
  if (!Expect()) return 1;
  for (threads = 1; threads <= 2; ++threads) {
    refused = worked = 0;
    for (allowed = 0; worked < 4; ++allowed) {
      const int outcome = Outcome(threads);
      if (outcome == kWrong) {
        fprintf(stderr, "%d threads, malloc %ld fails: wrong\n", threads, allowed);
        return 1;
      }
      worked = outcome == kWorked ? worked + 1 : 0;
      refused += outcome == kRefused;
    }
    printf("%d threads: %d refused\n", threads, refused);
    if (!refused) return 1;
  }
  return 0;
}
