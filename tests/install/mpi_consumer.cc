// A reducer over MPI, or why there is none.

#include <normkit/dist/reducer.h>

#include <cstdio>

int main() {
  try {
    std::printf("ranks: %d\n", normkit::MakeMpiReducer()->ranks());
  } catch (const normkit::Error& error) {
    std::printf("%s\n", error.what());
  }
}
