// What every function of the C interface does with what it is given, and with what fails.
#pragma once

#include <cstddef>
#include <cstring>
#include <initializer_list>
#include <new>
#include <string>

#include "normkit/c.h"
#include "normkit/core/error.h"
#include "normkit/norm/normalization.h"
#include "src/core/fail.h"

struct normkit_plan {
  normkit::Normalization op;
  std::string description;
};

namespace normkit::c {

// Keeps the text for normkit_last_error; gives the status.
normkit_status Failed(normkit_status status, const char* text);

// Runs `work`; whatever it throws ends here, as a status and a text.
template <class Work>
normkit_status Guard(const Work& work) noexcept {
  try {
    work();
    return NORMKIT_OK;
  } catch (const Error& error) {
    return Failed(NORMKIT_INVALID_ARGUMENT, error.what());
  } catch (const std::bad_alloc&) {
    return Failed(NORMKIT_OUT_OF_MEMORY, "out of memory");
  } catch (const std::exception& error) {
    return Failed(NORMKIT_INTERNAL_ERROR, error.what());
  } catch (...) {
    return Failed(NORMKIT_INTERNAL_ERROR, "unknown exception");
  }
}

// Each throws Error "FUNCTION: ..." where what it is given does not fit.
void CheckNotNull(const char* function, const char* argument, const void* value);
const Normalization& Op(const char* function, const normkit_plan* plan);
Normalization::ForwardArgs ToForwardArgs(const char* function, const normkit_forward_args* given);
Normalization::BackwardArgs ToBackwardArgs(const char* function,
                                           const normkit_backward_args* given);

// A structure of the caller, who may have been compiled when it had one of `earlier` sizes: what it
// lacks is as in `defaults`, the value of `macro`.
template <class Struct>
Struct Complete(const char* function, const char* name, const Struct* given, const char* macro,
                const Struct& defaults, std::initializer_list<size_t> earlier = {}) {
  CheckNotNull(function, name, given);
  bool known = given->size == sizeof(Struct);
  for (const size_t size : earlier) known = known || given->size == size;
  if (!known)
    Fail("{}: {}.size is {}, expected {}: start from {}", function, name, given->size,
         sizeof(Struct), macro);
  Struct complete = defaults;
  std::memcpy(&complete, given, given->size);
  return complete;
}

}  // namespace normkit::c
