// Kinds of value that only layers have, beside those that go by their types (properties.h).
#pragma once

#include "src/core/json_properties.h"

namespace normkit {

const PropertyKind& PaddingOfTime();     // "same", "causal" or [in front, behind]
const PropertyKind& GroupsOfChannels();  // a number, "all-channels" or "channel-wise"

}  // namespace normkit
