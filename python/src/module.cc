// normkit._core: what the Python package takes from C++. Addresses and sizes are not checked here
// but by the Python around it (python/normkit/_plans.py, torch/_plans.py), which alone calls it.
#include "python/src/module.h"

#include <nanobind/stl/string.h>

#include "normkit/core/threads.h"
#include "normkit/version.h"

namespace normkit::python {
namespace {

namespace nb = nanobind;

// One pool of threads, caches that belong to a thread: they are the process's, not an
// interpreter's.
void RefuseSubInterpreters() {
  if (PyInterpreterState_Get() != PyInterpreterState_Main())
    throw nb::import_error(
        "normkit is imported in a sub-interpreter, expected the main interpreter of the process: "
        "use threads or processes");
}

}  // namespace
}  // namespace normkit::python

NB_MODULE(_core, m) {
  namespace nb = nanobind;
  using namespace normkit::python;
  RefuseSubInterpreters();
  // Objects that a daemon thread or another module's cache holds outlive the interpreter; nothing
  // is wrong with their programs, on whose stderr the warnings would stand.
  nb::set_leak_warnings(false);
  m.attr("__version__") = NORMKIT_VERSION;
  AddErrors(m);
  AddArrays(m);
  AddPlans(m);
  AddNetworks(m);
  AddTraining(m);
  AddConventions(m);
  m.def("set_num_threads", &normkit::SetNumThreads, nb::arg("threads"));
  m.def("num_threads", &normkit::NumThreads);
}
