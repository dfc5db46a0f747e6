// The parts of normkit._core. Each adds its functions and classes to the module.
#pragma once

#include <nanobind/nanobind.h>

namespace normkit::python {

void AddErrors(nanobind::module_& m);
void AddArrays(nanobind::module_& m);
void AddPlans(nanobind::module_& m);
void AddNetworks(nanobind::module_& m);
void AddTraining(nanobind::module_& m);
void AddConventions(nanobind::module_& m);

}  // namespace normkit::python
