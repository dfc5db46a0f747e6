// Functions of one number, with up to two constants: what other people's networks have beside the
// activations that are layers (elementwise.h). One table.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "normkit/ops/op.h"

namespace normkit::ops {

struct Function {
  std::string_view name;  // "square root"
  void (*map)(const float* x, float* y, int64_t begin, int64_t end, float a, float b);
  // dx = dy * f'(x), or += where `add`; null: it has none.
  void (*gradient)(const float* dy, const float* x, float* dx, bool add, int64_t begin, int64_t end,
                   float a, float b);
};

std::span<const Function> FunctionTable();
const Function& FindFunction(std::string_view name);  // which stands in the table

std::shared_ptr<const Op> MakeFunction(const Function& row, float a = 0, float b = 0);

}  // namespace normkit::ops
