// MNIST's file format: a pair of IDX files, plain or compressed with gzip.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "normkit/data/source.h"

namespace normkit {

// An array of bytes with its sizes.
struct IdxArray {
  std::vector<int64_t> shape;
  std::string values;
};

// Takes the bytes of a file (gzip is seen by content) that should hold unsigned bytes of `rank`
// dimensions. The sizes in the header are compared with the file's before memory is asked for; what
// follows the elements is not needed.
IdxArray ParseIdx(std::string_view bytes, int rank, const std::string& where);

// The sizes only, from the header; what follows is compared with them where it is not compressed.
std::vector<int64_t> ParseIdxShape(std::string_view bytes, int rank, const std::string& where);

// The two files of a pair. Their names are PREFIX-images-idx3-ubyte and PREFIX-labels-idx1-ubyte,
// where each "-" may be "." or "_", letters may be capital, and .gz may follow.
struct IdxFiles {
  std::string images, labels;
};
// `spec` is the prefix, or the name of either file. Nothing where there are no such files; throws
// Error where one of them has no other beside it.
std::optional<IdxFiles> FindIdxFiles(const std::string& spec);

// The prefixes of the pairs in a folder, sorted.
std::vector<std::string> IdxPrefixesIn(const std::string& folder);

DataPtr OpenIdx(const IdxFiles& files, const std::string& description);

}  // namespace normkit
