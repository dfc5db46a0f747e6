#include "src/nn/properties.h"

#include <gtest/gtest.h>

#include "normkit/nn/networks.h"
#include "src/core/files.h"
#include "src/nn/layers/normalization.h"

namespace normkit {
namespace {

// The document holds the tables as they are. What is expected is what has to stand there.
TEST(LayerPropertiesTest, AreDocumented) {
  const std::string document = ReadFile("docs/network-json.md", 1 << 20);
  const std::string begin = "<!-- The tables of src/nn/properties.cc -->\n";
  const size_t at = document.find(begin);
  ASSERT_NE(at, document.npos);
  const size_t end = document.find("\n\n", at);
  EXPECT_EQ(document.substr(at + begin.size(), end + 1 - at - begin.size()), DocumentProperties());
}

TEST(NormKindsTest, AnyNameFindsTheRow) {
  for (const NormKindRow& row : NormKinds()) {
    EXPECT_EQ(&RowOf(row.kind), &row);
    const std::string toolbox = std::string(row.name) + "NormalizationLayer";
    for (const std::string_view name :
         {row.name, row.type, row.short_name, row.json, row.onnx, std::string_view(toolbox)})
      EXPECT_EQ(FindNormKind(name), name.empty() ? nullptr : &row) << name;
    EXPECT_EQ(FindNormSpec(row.json).name, row.name);
    const std::string text = std::string(row.json) + (row.grouped() ? ":2" : "");
    const LayerPtr layer = MakeNorm(ParseNormChoice(text), "n");
    EXPECT_EQ(dynamic_cast<const NormalizationLayer&>(*layer).kind(), row.kind);
    EXPECT_EQ(layer->type(), row.type);
  }
  EXPECT_EQ(FindNormKind("norm"), nullptr);
  EXPECT_EQ(FindNormKind("none"), nullptr);
}

}  // namespace
}  // namespace normkit
