// What a thread does while it waits for another one.
#pragma once

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif

namespace normkit {

// Tells the processor that this is a waiting loop: it gives the core's other thread the way.
inline void Pause() {
#if defined(__x86_64__) || defined(__i386__)
  _mm_pause();
#endif
}

}  // namespace normkit
