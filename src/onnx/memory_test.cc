// A model file of a few bytes may claim sizes that no machine has, and many small things take more
// memory than bytes of the file. Neither may grow without bound.
#include <gtest/gtest.h>

#include <string>

#include "src/core/count_allocations.h"
#include "src/core/testing.h"
#include "src/onnx/model.h"

namespace normkit {
namespace {

std::string Varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  return bytes += static_cast<char>(value);
}

// A field of wire type 2 whose length is claimed to be `size`.
std::string Claim(int field, uint64_t size, const std::string& bytes) {
  return Varint(static_cast<uint64_t>(field) << 3 | 2) + Varint(size) + bytes;
}
std::string Field(int field, const std::string& bytes) { return Claim(field, bytes.size(), bytes); }

// Field numbers of onnx.proto.
constexpr int kProducer = 2, kGraph = 7, kMetadata = 14, kNode = 1, kNodeInput = 1,
              kNodeAttribute = 5, kInitializer = 5, kDims = 1, kFloats = 4, kInts = 7, kRaw = 9;

// What reading allocates, all in all.
int64_t BytesToRead(const std::string& bytes) {
  const int64_t before = allocated_bytes;
  EXPECT_NE(ErrorOf([&] { NetworkFromOnnx(bytes, "m.onnx"); }), "no error");
  return allocated_bytes - before;
}

TEST(OnnxMemory, ClaimedSizesAreNotBelieved) {
  for (const uint64_t size : {uint64_t{1} << 20, uint64_t{1} << 30, (uint64_t{1} << 31) - 1,
                              uint64_t{1} << 40, ~uint64_t{0}}) {
    const std::string ones(40, '\1');
    for (const int field : {kDims, kFloats, kInts, kRaw}) {
      const std::string tensor = Claim(field, size, ones);
      // The claim of the inner field is believed only as far as the outer one reaches.
      for (const uint64_t outer : {uint64_t{tensor.size()}, size}) {
        const std::string graph = Claim(kInitializer, outer, tensor);
        EXPECT_LT(BytesToRead(Field(kGraph, graph)), 100'000) << field << " of " << size;
        EXPECT_LT(BytesToRead(Claim(kGraph, size, graph)), 100'000) << field << " of " << size;
      }
    }
    EXPECT_LT(BytesToRead(Claim(kProducer, size, ones)), 100'000) << size;
    EXPECT_LT(BytesToRead(Claim(kGraph, size, Claim(kNode, size, ones))), 100'000) << size;
  }
}

std::string Repeated(const std::string& bytes, size_t size) {
  std::string result;
  while (result.size() < size) result += bytes;
  return result;
}

// The most memory for a byte of the file. Pictures may take 1,032.
TEST(OnnxMemory, EmptyThingsAreBoundedByTheFile) {
  constexpr size_t kSize = 1 << 20;
  const std::string things[] = {Field(kNode, ""), Field(kInitializer, ""),
                                Field(kNode, Repeated(Field(kNodeInput, ""), 200)),
                                Field(kNode, Repeated(Field(kNodeAttribute, ""), 200))};
  for (const std::string& thing : things)
    EXPECT_LT(BytesToRead(Field(kGraph, Repeated(thing, kSize))), 400 * kSize);
  EXPECT_LT(BytesToRead(Repeated(Field(kMetadata, ""), kSize)), 400 * kSize);
}

TEST(OnnxMemory, DepthIsBounded) {
  std::string attribute;
  for (int depth = 0; depth < 2'000; ++depth)  // attribute.g.node.attribute
    attribute = Field(6, Field(kNode, Field(kNodeAttribute, attribute)));
  const std::string bytes = Field(kGraph, Field(kNode, Field(kNodeAttribute, attribute)));
  EXPECT_ERROR(NetworkFromOnnx(bytes, "m.onnx"), "m.onnx: is not an ONNX model (" +
                                                     std::to_string(bytes.size()) +
                                                     " bytes that do not parse)");
}

}  // namespace
}  // namespace normkit
