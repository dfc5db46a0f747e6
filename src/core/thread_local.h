// Variables of a thread that need no memory of the C library's.
#pragma once

#include <cstdlib>  // says which C library it is

// thread_local, for a few bytes with no destructor, constant at first. For others glibc asks for
// memory at a thread's first use of them, and ends the program where there is none; these are in
// the room that it keeps in each thread for the libraries that are loaded later, which is small.
#ifdef __GLIBC__
#define NORMKIT_THREAD_LOCAL [[gnu::tls_model("initial-exec")]] constinit thread_local
#else
#define NORMKIT_THREAD_LOCAL constinit thread_local
#endif
