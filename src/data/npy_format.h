// The bytes of an .npy file, which are also the members of an .npz.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "normkit/data/npy.h"

namespace normkit {

// `where` begins every error: a path, or a path and the name of a member.
NpyArray ParseNpy(std::string_view bytes, std::string_view where);
std::string SerializeNpy(const NpyArray& array, std::string_view where);

// The arrays of an .npz file's bytes.
std::map<std::string, NpyArray> ParseNpz(std::string_view bytes, const std::string& path);

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
