// What C++ throws, as Python has it.
#include <nanobind/nanobind.h>

#include <filesystem>
#include <system_error>

#include "normkit/core/error.h"
#include "normkit/train/train.h"
#include "python/src/module.h"

namespace normkit::python {

namespace nb = nanobind;

void AddErrors(nb::module_& m) {
  // Later ones are asked first: the derived error stands behind its base.
  nb::register_exception_translator([](const std::exception_ptr& thrown, void*) {
    try {
      std::rethrow_exception(thrown);
    } catch (const std::system_error& error) {  // filesystem_error as well
      PyErr_SetString(PyExc_OSError, error.what());
    }
  });
  auto error = nb::exception<Error>(m, "Error", PyExc_ValueError);
  auto diverged = nb::exception<DivergedError>(m, "DivergedError", error);
  error.attr("__module__") = diverged.attr("__module__") = "normkit";
}

}  // namespace normkit::python
