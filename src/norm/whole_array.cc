#include "src/norm/whole_array.h"

namespace normkit {
namespace {
thread_local int64_t whole_bytes = 0;
}  // namespace

WholeArray::WholeArray(int64_t bytes) : before_(whole_bytes) { whole_bytes = bytes; }
WholeArray::~WholeArray() { whole_bytes = before_; }
int64_t WholeArray::bytes() { return whole_bytes; }

}  // namespace normkit
