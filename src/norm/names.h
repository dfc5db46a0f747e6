// Names of the enumerations of normkit/norm/spec.h.
#pragma once

#include "normkit/norm/spec.h"
#include "src/core/names.h"

namespace normkit {

template <>
struct EnumNames<OperationDimension> {
  static constexpr std::string_view kWhat = "operation dimension";
  static constexpr std::string_view kNames[] = {"batch-excluded", "auto", "channel-only",
                                                "spatial-channel"};
};

}  // namespace normkit
