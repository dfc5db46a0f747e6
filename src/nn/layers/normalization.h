// All normalization layers: one class that holds a row of the table (normkit/norm/spec.h).
#pragma once

#include "normkit/norm/normalization.h"
#include "src/nn/layers/common.h"
#include "src/nn/norm_kinds.h"

namespace normkit {

// Parameters: "scale" and (but for rms) "offset", [C], trainable; batch also "trained_mean" and
// "trained_variance", [C], which training moves.
class NormalizationLayer : public Layer {
 public:
  using Kind = NormKind;

  NormalizationLayer(Kind kind, NormalizationProperties properties);

  Kind kind() const { return kind_; }
  const NormalizationProperties& options() const { return properties_; }
  bool has_offset() const { return kind_ != Kind::kRms; }
  const NormSpec& SpecFor(const Layout& x) const;
  int64_t GroupsFor(const Layout& x) const;  // 1 but for group normalization

  std::string_view type() const override;
  std::string_view short_name() const override;
  Layout OutputLayout(std::span<const Layout> inputs) const override;
  std::vector<ParameterSpec> Parameters(std::span<const Layout> inputs) const override;
  std::unique_ptr<LayerOp> Prepare(std::span<const Layout> inputs, bool training) const override;
  // With what stands behind it; `addend`: a second input, added before the activation.
  std::unique_ptr<LayerOp> PrepareWith(Activation activation, bool addend, const Layout& x) const;
  std::string Description() const override;

 private:
  void CheckSaysSomething(const Layout& x) const;
  void CheckValues(std::string_view name, const std::vector<float>& values, const Layout& x) const;

  Kind kind_;
  NormalizationProperties properties_;
};

// What NormalizationOp saves of the last training Forward.
struct SavedMoments {
  int64_t count = 0;
  std::span<const double> mean, variance;
};

class NormalizationOp : public LayerOp {
 public:
  NormalizationOp(const NormalizationLayer& layer, const Layout& x, Activation activation,
                  bool addend);
  size_t saved_bytes() const override;
  bool needs_input(size_t i) const override { return i == 0; }
  bool needs_output() const override { return addend_; }
  bool forward_in_place() const override { return true; }
  bool backward_in_place(size_t i) const override { return i == (addend_ ? 1 : 0); }
  void Forward(const ForwardContext& context) override;
  void Backward(const BackwardContext& context) override;

  // Batch normalization: what `saved` holds after a training Forward; else, or where the trained
  // statistics were used, empty.
  SavedMoments Moments(const std::byte* saved) const;

 private:
  SavedStatistics Saved(std::byte* saved) const;
  Normalization::ForwardArgs Arguments(const ForwardContext& context) const;
  void ForwardWithTrained(const ForwardContext& context);
  void MoveTrained(const ForwardContext& context, const SavedStatistics& saved);
  void CheckTrained(const ForwardContext& context) const;

  std::string title_;
  bool batch_, has_offset_, addend_;
  NormalizationProperties properties_;
  Normalization normalization_;
};

}  // namespace normkit
