// All normalization layers: one class that holds a row of the table (normkit/norm/spec.h).
#pragma once

#include "normkit/norm/spec.h"
#include "src/core/properties.h"
#include "src/nn/layers/common.h"
#include "src/nn/norm_kinds.h"

namespace normkit {

// Parameters, where it is affine: "scale" and (but for rms and group-rms) "offset", [C], trainable;
// batch also "trained_mean" and "trained_variance", [C], which training moves.
class NormalizationLayer : public Layer {
 public:
  using Kind = NormKind;

  NormalizationLayer(Kind kind, NormalizationProperties properties);

  Kind kind() const { return kind_; }
  const NormalizationProperties& options() const { return properties_; }
  bool has_offset() const { return properties_.affine && RowOf(kind_).has_offset; }
  const NormSpec& SpecFor(const Layout& x) const;
  int64_t GroupsFor(const Layout& x) const;  // 1 but for those of groups

  void CheckInput(const Layout& x) const;  // throws where it cannot normalize that

  std::string_view type() const override;
  std::string_view short_name() const override;
  std::vector<Value> Build(Graph& graph, std::span<const Value> inputs) const override;
  std::string Description() const override;

 private:
  void CheckSaysSomething(const Layout& x) const;
  void CheckRenormalization(const PropertyTable& table) const;
  void CheckValues(std::string_view name, const std::vector<float>& values, const Layout& x) const;

  Kind kind_;
  NormalizationProperties properties_;
};

}  // namespace normkit
