// What Python holds of networks and data.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <memory>

#include "normkit/data/source.h"
#include "normkit/nn/network.h"

namespace normkit::python {

// f32 and i64 arrays as the Python around the module hands them over: dense, of this machine.
using Floats = nanobind::ndarray<const float, nanobind::c_contig, nanobind::device::cpu>;
using Integers = nanobind::ndarray<const int64_t, nanobind::c_contig, nanobind::device::cpu>;

template <class Array>
auto Values(const Array& array) {
  return std::vector(array.data(), array.data() + array.size());
}

// An array of NumPy's that owns these values.
nanobind::object ToNumpy(std::vector<float> values, const std::vector<int64_t>& shape);

// Networks are shared: a classifier and what evaluates it hold one.
struct HeldNetwork {
  std::shared_ptr<const Network> network;
};
struct HeldData {
  DataPtr data;
};
struct HeldGraph {
  Graph graph;
};

}  // namespace normkit::python
