// The bytes of an .npy file, which are also the members of an .npz.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "normkit/data/npy.h"

namespace normkit {

// `where` begins every error: a path, or a path and the name of a member.
NpyArray ParseNpy(std::string_view bytes, std::string_view where);
std::string SerializeNpy(const NpyArray& array, std::string_view where);

// What stands before the elements of an .npy file; `bytes` may be the start of one.
struct NpyInfo {
  std::string descr;
  std::vector<int64_t> shape;
};
NpyInfo ParseNpyInfo(std::string_view bytes, std::string_view where);

// [N] of whole numbers, none of which are booleans: what lengths are.
bool IsRowOfNumbers(const NpyArray& array);

// The same array with its axes in another order: axis i of the result is axis order[i] of `array`.
NpyArray Transposed(const NpyArray& array, const std::vector<size_t>& order);

// The arrays of an .npz file's bytes.
std::map<std::string, NpyArray> ParseNpz(std::string_view bytes, const std::string& path);

// The same, one by one: arrays that nobody asks for may be of any kind, and damaged. The bytes must
// outlive it.
class NpzReader {
 public:
  NpzReader(std::string_view bytes, const std::string& path);
  ~NpzReader();
  NpzReader(const NpzReader&) = delete;
  NpzReader& operator=(const NpzReader&) = delete;

  // Members called NAME.npy, without the ending, sorted.
  std::vector<std::string> names() const;
  NpyInfo Info(const std::string& name) const;  // of one of the names
  NpyArray Read(const std::string& name) const;

 private:
  struct Archive;
  std::unique_ptr<Archive> archive_;
};

// A type string such as ">f4" taken apart.
struct ElementType {
  char order;    // '<', '>' or '|'
  char kind;     // 'b' 'i' 'u' 'f' 'c' 'S' 'U', 'V' (bfloat16)
  int64_t size;  // bytes of an element
  int64_t unit;  // bytes of what byte order applies to: half of a complex number, a letter of a 'U'

  std::string descr() const;  // with the byte order of this machine, as NpyArray holds it
};

// Throws Error for types that are not numbers or text (objects, structures, dates).
ElementType ParseElementType(std::string_view descr, std::string_view where);

}  // namespace normkit
