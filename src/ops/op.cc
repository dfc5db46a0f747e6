#include "normkit/ops/op.h"

namespace normkit {

void Kernel::Backward(const BackwardContext&) {}

}  // namespace normkit
