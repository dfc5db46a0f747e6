#include "normkit/data/npy.h"

#include <gtest/gtest.h>

#include <cstring>

#include "src/core/files.h"
#include "src/core/testing.h"
#include "src/data/array_samples.h"

namespace normkit {
namespace {

std::string Bytes(std::initializer_list<int> values) {
  std::string bytes;
  for (int value : values) bytes += static_cast<char>(value);
  return bytes;
}

using Floats = std::vector<float>;
using Integers = std::vector<int64_t>;

TEST(NpyTest, ReadsEveryRealType) {
  const auto floats = [](const std::string& descr, std::initializer_list<int> data) {
    return ParseNpy(NpyFile(NpyHeader(descr, "(2,)"), Bytes(data)), "x").AsFloats();
  };
  EXPECT_EQ(floats("|b1", {0, 1}), (Floats{0, 1}));
  EXPECT_EQ(floats("|i1", {255, 1}), (Floats{-1, 1}));
  EXPECT_EQ(floats("|u1", {255, 1}), (Floats{255, 1}));
  EXPECT_EQ(floats("<i2", {254, 255, 1, 1}), (Floats{-2, 257}));
  EXPECT_EQ(floats(">u2", {1, 0, 0, 3}), (Floats{256, 3}));
  EXPECT_EQ(floats("<i4", {1, 0, 0, 0, 255, 255, 255, 255}), (Floats{1, -1}));
  EXPECT_EQ(floats(">u4", {0, 0, 1, 0, 255, 255, 255, 255}), (Floats{256, 4294967296.0f}));
  EXPECT_EQ(floats(">i8", {0, 0, 0, 0, 0, 0, 0, 7, 255, 255, 255, 255, 255, 255, 255, 254}),
            (Floats{7, -2}));
  EXPECT_EQ(floats("<u8", {1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 128}),
            (Floats{1, 0x1p63f}));
  EXPECT_EQ(floats("<f2", {0, 0x3c, 0, 0xc0}), (Floats{1, -2}));
  EXPECT_EQ(floats("<V2", {0x80, 0x3f, 0, 0xc0}), (Floats{1, -2}));
  EXPECT_EQ(floats("|V2", {0x80, 0x3f, 0, 0xc0}), (Floats{1, -2}));
  EXPECT_EQ(floats(">f4", {0x3f, 0x80, 0, 0, 0xc0, 0, 0, 0}), (Floats{1, -2}));
  EXPECT_EQ(floats("=f8", {0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0, 0, 0, 0, 0, 0, 0, 0xc0}),
            (Floats{1, -2}));
}

TEST(NpyTest, TypesBecomeLittleEndian) {
  const auto descr = [](const std::string& given, size_t bytes) {
    return ParseNpy(NpyFile(NpyHeader(given, "()"), std::string(bytes, '\0')), "x").descr;
  };
  EXPECT_EQ(descr(">f4", 4), "<f4");
  EXPECT_EQ(descr("<u1", 1), "|u1");
  EXPECT_EQ(descr("|V2", 2), "<V2");
  EXPECT_EQ(descr(">U3", 12), "<U3");
  EXPECT_EQ(descr("|S5", 5), "|S5");
  EXPECT_EQ(descr(">c8", 8), "<c8");
}

TEST(NpyTest, SwapsHalvesOfComplexNumbersAndLetters) {
  const auto data = [](const std::string& descr, std::initializer_list<int> given) {
    const NpyArray array = ParseNpy(NpyFile(NpyHeader(descr, "()"), Bytes(given)), "x");
    return std::string(reinterpret_cast<const char*>(array.data.data()), array.data.size());
  };
  EXPECT_EQ(data(">c8", {1, 2, 3, 4, 5, 6, 7, 8}), Bytes({4, 3, 2, 1, 8, 7, 6, 5}));
  EXPECT_EQ(data(">U2", {0, 0, 0, 65, 0, 0, 0, 66}), Bytes({65, 0, 0, 0, 66, 0, 0, 0}));
}

TEST(NpyTest, FortranOrderBecomesCOrder) {
  const NpyArray array =
      ParseNpy(NpyFile(NpyHeader("|u1", "(2, 3)", true), Bytes({1, 4, 2, 5, 3, 6})), "x");
  EXPECT_EQ(array.AsIntegers(), (Integers{1, 2, 3, 4, 5, 6}));
  const NpyArray cube = ParseNpy(NpyFile(NpyHeader("<u2", "(2, 2, 2)", true),
                                         Bytes({0, 0, 4, 0, 2, 0, 6, 0, 1, 0, 5, 0, 3, 0, 7, 0})),
                                 "x");
  EXPECT_EQ(cube.AsIntegers(), (Integers{0, 1, 2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(ParseNpy(NpyFile(NpyHeader("<f4", "(0, 3)", true), ""), "x").size(), 0);
}

TEST(NpyTest, ReadsHeadersAsOthersWriteThem) {
  const auto shape = [](const std::string& header, char version) {
    return ParseNpy(NpyFile(header, Bytes({7, 8}), version), "x").shape;
  };
  EXPECT_EQ(shape("{\"shape\":(2,),\"fortran_order\":False,\"descr\":\"|u1\"}\n", 1), Integers{2});
  EXPECT_EQ(shape("  {'descr':'|u1','fortran_order':False,'shape':(1L, 2L)}", 2), (Integers{1, 2}));
  EXPECT_EQ(shape(NpyHeader("<u2", "()") + "     \n", 3), Integers{});
}

TEST(NpyTest, WritesWhatNumpyWrites) {
  const float values[] = {1, -2};
  const std::string bytes = SerializeNpy(MakeNpy(DType::kF32, {1, 2}, values), "x");
  ASSERT_EQ(bytes.size(), 128u + 8);
  EXPECT_EQ(bytes.substr(0, 10), std::string("\x93NUMPY\x01\x00\x76\x00", 10));
  EXPECT_EQ(bytes.substr(10, 59), "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }");
  EXPECT_EQ(bytes.substr(69, 59), std::string(58, ' ') + "\n");
  const std::string scalar =
      SerializeNpy(MakeNpy(DType::kF64, {}, std::vector<double>{1}.data()), "x");
  EXPECT_NE(scalar.find("'descr': '<f8', 'fortran_order': False, 'shape': (), }"), scalar.npos);
  const std::string row = SerializeNpy(MakeNpy(DType::kF16, {1}, values), "x");
  EXPECT_NE(row.find("'descr': '<f2', 'fortran_order': False, 'shape': (1,), }"), row.npos);
}

TEST(NpyTest, RoundTripThroughAFile) {
  const TestFolder folder;
  const std::string path = folder / "x.npy";
  const std::vector<double> values = {1.5, -0.0, 1e300, 3, 4, 5};
  WriteNpy(path, MakeNpy(DType::kF64, {3, 1, 2}, values.data()));
  const NpyArray back = ReadNpy(path);
  EXPECT_EQ(back.shape, (Integers{3, 1, 2}));
  EXPECT_EQ(back.dtype(), DType::kF64);
  EXPECT_EQ(std::memcmp(back.data.data(), values.data(), back.data.size()), 0);
  for (DType dtype : {DType::kF32, DType::kF64, DType::kF16, DType::kBF16})
    EXPECT_EQ(ParseNpy(SerializeNpy(MakeNpy(dtype, {3}, values.data()), "x"), "x").dtype(), dtype);
}

TEST(NpyTest, HeaderErrors) {
  const auto parse = [](const std::string& header) { ParseNpy(NpyFile(header, ""), "a.npy"); };
  EXPECT_ERROR(ParseNpy("GIF89a..", "a.npy"),
               "a.npy: is a GIF picture, expected an .npy file (what numpy.save writes)");
  EXPECT_ERROR(ParseNpy("PK\3\4", "a.npy"),
               "a.npy: is a ZIP archive, expected an .npy file (what numpy.save writes)");
  EXPECT_ERROR(ParseNpy("\x93\1", "a.npy"),
               "a.npy: is not an .npy file (it does not begin with \\x93NUMPY and a version)");
  EXPECT_ERROR(ParseNpy(NpyFile("{}", "", 4), "a.npy"),
               "a.npy: .npy version 4.0, expected 1.0, 2.0 or 3.0");
  EXPECT_ERROR(ParseNpy(NpyFile("{}", "").substr(0, 9), "a.npy"),
               "a.npy: ends inside the .npy header");
  EXPECT_ERROR(ParseNpy(NpyFile("{}", "").substr(0, 11), "a.npy"),
               "a.npy: the .npy header has 2 bytes, but only 1 follow");
  EXPECT_ERROR(parse("[1]"), "a.npy: .npy header, position 0: expected '{', found byte 0x5b");
  EXPECT_ERROR(parse("{'descr': '<f4'"),
               "a.npy: .npy header, position 15: expected ',' or '}', but it ends");
  EXPECT_ERROR(parse("{'descr': '<f4', 'fortran_order': False}"),
               "a.npy: .npy header: 'shape' is missing");
  EXPECT_ERROR(parse("{'fortran_order': False, 'shape': ()}"),
               "a.npy: .npy header: 'descr' is missing");
  EXPECT_ERROR(parse("{'descr': '<f4', 'shape': ()}"),
               "a.npy: .npy header: 'fortran_order' is missing");
  EXPECT_ERROR(parse("{'dtype': '<f4'}"),
               "a.npy: .npy header: key 'dtype' is unknown, expected 'descr', 'fortran_order' and "
               "'shape'");
  EXPECT_ERROR(parse("{'descr': <f4}"),
               "a.npy: .npy header, position 10: expected a string, found byte 0x3c");
  EXPECT_ERROR(parse("{'descr': '<f4}"),
               "a.npy: .npy header, position 10: expected a string that ends, found byte 0x27");
  EXPECT_ERROR(parse("{'fortran_order': 1}"),
               "a.npy: .npy header, position 18: expected True or False, found byte 0x31");
  EXPECT_ERROR(parse("{'shape': (-1,)}"),
               "a.npy: .npy header, position 11: expected a size from 0 to 2^63 - 1, found byte "
               "0x2d");
  EXPECT_ERROR(parse("{'shape': (1 2)}"),
               "a.npy: .npy header, position 13: expected ',' or ')', found byte 0x32");
  EXPECT_ERROR(parse(NpyHeader("<f4", "(0,)") + "x"),
               "a.npy: .npy header, position 57: expected the end, found byte 0x78");
  std::string many = "(";
  for (int i = 0; i < 65; ++i) many += "1,";
  EXPECT_ERROR(ParseNpy(NpyFile(NpyHeader("|u1", many + ")"), ""), "a.npy"),
               "a.npy: has more than 64 dimensions, NumPy's limit");
}

TEST(NpyTest, TypeAndSizeErrors) {
  const std::string supported =
      "expected b1, i1 to i8, u1 to u8, f2, f4, f8, bfloat16 (V2), c8, c16, S or U";
  for (const std::string descr :
       {"|O", "<f3", "<M8[ns]", "<f16", "|S0", "", "<", "|V3", "<f99999999"})
    EXPECT_ERROR(ParseNpy(NpyFile(NpyHeader(descr, "()"), ""), "a.npy"),
                 "a.npy: element type '" + descr + "' is not supported, " + supported +
                     (descr == "|O" ? " (sequences of unequal lengths go in one array, [sum of "
                                      "lengths,C], with their lengths beside it)"
                                    : ""));
  EXPECT_ERROR(
      ParseNpy(NpyFile("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': ()}", ""),
               "a.npy"),
      "a.npy: holds structures, expected an array of numbers");
  EXPECT_ERROR(ParseNpy(NpyFile(NpyHeader("<f4", "(2, 3)"), "12345"), "a.npy"),
               "a.npy: has 5 bytes of elements (from byte 69 on), expected 24 (<f4 [2,3])");
  // What follows the elements is not needed.
  EXPECT_EQ(ParseNpy(NpyFile(NpyHeader("<f4", "(1,)"), "12345"), "a.npy").data.size(), 4u);
  EXPECT_ERROR(ParseNpy(NpyFile(NpyHeader("<f4", "(0, 4611686018427387904, 4)"), ""), "a.npy"),
               "a.npy: shape [0,4611686018427387904,4] has more elements than memory can hold");
  EXPECT_ERROR(ReadNpy("no/such.npy"), "no/such.npy: cannot be read: No such file or directory");
}

TEST(NpyTest, ConversionErrors) {
  const NpyArray text{"<U1", {1}, std::vector<std::byte>(4)};
  const NpyArray large{"<u8", {1}, std::vector<std::byte>(8, std::byte{255})};
  const NpyArray real = MakeNpy(DType::kF32, {0}, nullptr);
  EXPECT_ERROR(text.AsFloats(), "array <U1 [1]: holds no real numbers");
  EXPECT_ERROR(text.AsIntegers(), "array <U1 [1]: holds no integers");
  EXPECT_ERROR(large.AsIntegers(), "array <u8 [1]: 18446744073709551615 is larger than 2^63 - 1");
  EXPECT_ERROR(large.dtype(),
               "array <u8 [1]: expected floating-point elements (f2, f4, f8, or V2 for bfloat16)");
  EXPECT_TRUE(large.IsIntegral());
  EXPECT_FALSE(real.IsIntegral());
}

TEST(NpyTest, WritingErrors) {
  EXPECT_ERROR(SerializeNpy({"<f4", {2}, std::vector<std::byte>(4)}, "a.npy"),
               "a.npy: 4 bytes of elements are given, expected 8 (<f4 [2])");
  EXPECT_ERROR(SerializeNpy({">f4", {1}, std::vector<std::byte>(4)}, "a.npy"),
               "a.npy: element type '>f4', expected the byte order of this machine");
  EXPECT_ERROR(SerializeNpy({"<f4", {-1}, {}}, "a.npy"),
               "a.npy: shape [-1] is given, expected at most 64 sizes >= 0");
  EXPECT_ERROR(WriteNpy("no/such/a.npy", MakeNpy(DType::kF32, {0}, nullptr)),
               "no/such/a.npy: cannot be written: there is no folder 'no/such'");
}

}  // namespace
}  // namespace normkit
