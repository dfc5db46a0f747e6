#include "normkit/core/array.h"

#include "src/core/fail.h"

namespace normkit {

std::string ArrayType::ToString() const {
  return fmt::format("{} {}", Name(dtype), shape.ToString());
}

void ArrayView::CheckDense(DType wanted) const {
  if (wanted != type.dtype)
    Fail("array {}: holds {}, asked for {}", type.shape.ToString(), Name(type.dtype), Name(wanted));
  if (!strides.empty() && strides.size() != type.shape.axes().size())
    Fail("array {}: has {} strides, expected one for each axis", type.ToString(), strides.size());
  int64_t dense = 1;
  for (size_t i = strides.size(); i-- > 0; dense *= type.shape.axes()[i].size)
    if (strides[i] != dense && type.shape.axes()[i].size > 1)
      Fail("array {}: strides are [{}], expected a dense array", type.ToString(),
           fmt::join(strides, ","));
}

}  // namespace normkit
