// Names of the enumerations of normkit/norm.
#pragma once

#include "normkit/norm/normalization.h"
#include "normkit/norm/spec.h"
#include "src/core/names.h"

namespace normkit {

template <>
struct EnumNames<OperationDimension> {
  static constexpr std::string_view kWhat = "operation dimension";
  static constexpr std::string_view kNames[] = {"batch-excluded", "auto", "channel-only",
                                                "spatial-channel"};
};

template <>
struct EnumNames<Activation> {
  static constexpr std::string_view kWhat = "activation";
  static constexpr std::string_view kNames[] = {"none",      "relu",    "leaky-relu", "gelu",
                                                "gelu-tanh", "silu",    "sigmoid",    "hard-swish",
                                                "elu",       "softplus"};
};

template <>
struct EnumNames<OutputType> {
  static constexpr std::string_view kWhat = "output type";
  static constexpr std::string_view kNames[] = {"same", "int8", "uint8", "int8-per-statistic",
                                                "float8-e4m3"};
};

}  // namespace normkit
