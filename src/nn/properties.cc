#include "src/nn/properties.h"

#include <algorithm>
#include <utility>

#include "src/core/fail.h"
#include "src/core/suggest.h"
#include "src/nn/layers/common.h"

namespace normkit {
namespace {

using nlohmann::json;

constexpr NumberRange<double> kSize{.low = 1, .high = kMaxSize}, kWindow{.low = 1, .high = 1 << 12},
    kBorder{.low = 0, .high = 1 << 12}, kTimeBorder{.low = 0, .high = 1 << 24},
    kInputs{.low = 2, .high = 1 << 10}, kFactor{.low = 0}, kChannels{.low = 0, .high = kMaxSize},
    kAboveZero{.low = 0, .open_low = true}, kZeroToOne{.low = 0, .high = 1};

// ---- Kinds of value that only layers have -------------------------------------------------------

class InitializerKind : public PropertyKind {
 public:
  json ToJson(const void* value) const override {
    const auto kind = static_cast<size_t>(static_cast<const Initializer*>(value)->kind);
    return kind < std::size(kNames) ? json(kNames[kind]) : json();
  }
  std::optional<Misfit> FromJson(const json& given, void* value) const override {
    const std::string text = given.is_string() ? given.get<std::string>() : "";
    const int found = FindName(text, kNames);
    if (found < 0)
      return Misfit{"", Shown(given),
                    fmt::format("{}{}", fmt::join(kNames, ", "),
                                DidYouMean(text, {std::begin(kNames), std::end(kNames)}))};
    *static_cast<Initializer*>(value) = static_cast<Initializer::Kind>(found);
    return std::nullopt;
  }
  std::string Expected(const NumberRange<double>&) const override {
    return fmt::format("{}", fmt::join(kNames, ", "));
  }

 private:
  static constexpr std::string_view kNames[] = {
      "zeros", "ones",           "narrow-normal", "glorot",
      "he",    "fan-in-uniform", "orthogonal",    "unit-forget-gate"};
};

class PaddingKind : public PropertyKind {
 public:
  json ToJson(const void* value) const override {
    const auto& [same, top, bottom, left, right, front, back, causal] =
        *static_cast<const Padding*>(value);
    if (same) return "same";
    if (causal) return "causal";
    if (top == bottom && top == left && top == right) return top;
    return {top, bottom, left, right};
  }
  std::optional<Misfit> FromJson(const json& given, void* value) const override {
    Padding& padding = *static_cast<Padding*>(value);
    if (given == "same") {
      padding = Padding::Same();
      return std::nullopt;
    }
    if (!given.is_number() && (!given.is_array() || given.size() != 4))
      return Misfit{"", Shown(given), "\"same\", a number or [top, bottom, left, right]"};
    if (given.is_number()) {
      const std::optional<int64_t> number = ToInteger(given);
      if (!number) return Misfit{"", Shown(given), "an integer"};
      padding = Padding::All(*number);
      return std::nullopt;
    }
    int64_t sides[4];
    for (size_t i = 0; i < 4; ++i) {
      const json& side = given[i];
      const std::optional<int64_t> number = ToInteger(side);
      if (!number) return Misfit{"", Shown(side), "an integer"};
      sides[i] = *number;
    }
    padding = {false, sides[0], sides[1], sides[2], sides[3]};
    return std::nullopt;
  }
  std::optional<Misfit> Check(const void* value, const NumberRange<double>& range) const override {
    const auto& [same, top, bottom, left, right, front, back, causal] =
        *static_cast<const Padding*>(value);
    if (causal) return Misfit{"", "causal", Expected(range)};
    if (same) return std::nullopt;
    for (const int64_t side : {top, bottom, left, right, front, back})
      if (auto misfit = KindOf<int64_t>().Check(&side, range)) return misfit;
    return std::nullopt;
  }
  std::string Expected(const NumberRange<double>& range) const override {
    return fmt::format("\"same\", a number or [top, bottom, left, right], each {}",
                       ExpectedNumber(true, range));
  }
};

// Of time: in front and behind.
class TimePaddingKind : public PropertyKind {
 public:
  json ToJson(const void* value) const override {
    const Padding& padding = *static_cast<const Padding*>(value);
    if (padding.same || padding.causal) return padding.same ? "same" : "causal";
    return {padding.left, padding.right};
  }
  std::optional<Misfit> FromJson(const json& given, void* value) const override {
    Padding& padding = *static_cast<Padding*>(value);
    padding = {.same = given == "same", .causal = given == "causal"};
    if (padding.same || padding.causal) return std::nullopt;
    const bool both = given.is_array() && given.size() == 2;
    const auto left = both ? ToInteger(given[0]) : std::nullopt,
               right = both ? ToInteger(given[1]) : std::nullopt;
    if (!left || !right) return Misfit{"", Shown(given), Words("")};
    padding.left = *left, padding.right = *right;
    return std::nullopt;
  }
  std::optional<Misfit> Check(const void* value, const NumberRange<double>& range) const override {
    const Padding& padding = *static_cast<const Padding*>(value);
    if (padding.same || padding.causal) return std::nullopt;
    for (const int64_t side : {padding.left, padding.right})
      if (auto misfit = KindOf<int64_t>().Check(&side, range)) return misfit;
    return std::nullopt;
  }
  std::string Expected(const NumberRange<double>& range) const override {
    return Words(", each " + ExpectedNumber(true, range));
  }

 private:
  static std::string Words(const std::string& each) {
    return "\"same\", \"causal\" or [in front, behind]" + each;
  }
};

const PropertyKind& PaddingOfTime() {
  static const TimePaddingKind kind;
  return kind;
}

// How many groups: a number, or one of two words that stand for negative ones.
class GroupsKind : public PropertyKind {
 public:
  json ToJson(const void* value) const override {
    const int64_t groups = *static_cast<const int64_t*>(value);
    for (const auto& [name, number] : kWords)
      if (number == groups) return name;
    return groups;
  }
  std::optional<Misfit> FromJson(const json& given, void* value) const override {
    int64_t& groups = *static_cast<int64_t*>(value);
    const std::string text = given.is_string() ? given.get<std::string>() : "";
    for (const auto& [name, number] : kWords) {
      if (SameLetters(text, {name}).empty()) continue;
      groups = number;
      return std::nullopt;
    }
    if (!given.is_number())
      return Misfit{"", Shown(given), "a number, \"all-channels\" or \"channel-wise\""};
    return KindOf<int64_t>().FromJson(given, value);
  }
  std::optional<Misfit> Check(const void* value, const NumberRange<double>& range) const override {
    for (const auto& [name, number] : kWords)
      if (*static_cast<const int64_t*>(value) == number) return std::nullopt;
    auto misfit = KindOf<int64_t>().Check(value, range);
    if (misfit) misfit->expected = Expected(range);
    return misfit;
  }
  std::string Expected(const NumberRange<double>& range) const override {
    return ExpectedNumber(true, range) + ", all-channels or channel-wise";
  }

 private:
  static constexpr std::pair<const char*, int64_t> kWords[] = {{"all-channels", kAllChannels},
                                                               {"channel-wise", kChannelWise}};
};

const PropertyKind& GroupsOfChannels() {
  static const GroupsKind kind;
  return kind;
}

// ---- The tables ---------------------------------------------------------------------------------

// The rows that convolution and fully connected share.
template <class O>
std::vector<Property> WithWeights(std::vector<Property> rows) {
  for (const Property& row : {
           Row<&O::bias>("bias", "whether an offset is added for each output",
                         {.structural = true}),
           Row<&O::weights_initializer>("weights_initializer", "how the weights begin"),
           Row<&O::bias_initializer>("bias_initializer", "how the bias begins"),
           Row<&O::weight_learn_rate_factor>("weight_learn_rate_factor",
                                             "times the learning rate, for the weights",
                                             {.range = kFactor}),
           Row<&O::bias_learn_rate_factor>("bias_learn_rate_factor",
                                           "times the learning rate, for the bias",
                                           {.range = kFactor}),
           Row<&O::weight_l2_factor>("weight_l2_factor",
                                     "times the L2 regularization, for the weights",
                                     {.range = kFactor}),
           Row<&O::bias_l2_factor>("bias_l2_factor", "times the L2 regularization, for the bias",
                                   {.range = kFactor}),
       })
    rows.push_back(row);
  return rows;
}

// The rows that recurrent layers share.
template <class O>
std::vector<Property> RecurrentRows() {
  return {
      Row<&O::num_hidden_units>("num_hidden_units", "numbers of the state of a direction",
                                {.range = kSize, .required = true, .structural = true}),
      Row<&O::output_mode>("output_mode", "what is given: a row for each step, or for the last",
                           {.structural = true}),
      Row<&O::direction>("direction", "in which order the steps are read", {.structural = true}),
      Row<&O::has_state_inputs>("has_state_inputs", "whether states are read behind x",
                                {.structural = true}),
      Row<&O::has_state_outputs>("has_state_outputs", "whether states are given behind the output",
                                 {.structural = true}),
      Row<&O::state_activation_function>("state_activation_function", "what the state goes through",
                                         {.structural = true}),
      Row<&O::gate_activation_function>("gate_activation_function", "what the gates go through",
                                        {.structural = true}),
      Row<&O::input_weights_initializer>("input_weights_initializer",
                                         "how the weights of the input begin"),
      Row<&O::recurrent_weights_initializer>("recurrent_weights_initializer",
                                             "how the weights of the state begin"),
      Row<&O::bias_initializer>("bias_initializer", "how the bias begins"),
      Row<&O::input_weights_learn_rate_factor>("input_weights_learn_rate_factor",
                                               "times the learning rate, for the input's weights",
                                               {.range = kFactor}),
      Row<&O::recurrent_weights_learn_rate_factor>(
          "recurrent_weights_learn_rate_factor", "times the learning rate, for the state's weights",
          {.range = kFactor}),
      Row<&O::bias_learn_rate_factor>("bias_learn_rate_factor",
                                      "times the learning rate, for the bias", {.range = kFactor}),
      Row<&O::input_weights_l2_factor>("input_weights_l2_factor",
                                       "times the L2 regularization, for the input's weights",
                                       {.range = kFactor}),
      Row<&O::recurrent_weights_l2_factor>("recurrent_weights_l2_factor",
                                           "times the L2 regularization, for the state's weights",
                                           {.range = kFactor}),
      Row<&O::bias_l2_factor>("bias_l2_factor", "times the L2 regularization, for the bias",
                              {.range = kFactor}),
  };
}

template <class Options>
PropertyTable Keep(std::vector<Property> rows) {
  static const std::vector<Property> kept = std::move(rows);
  return TableOf<Options>(kept);
}

std::vector<Property> NormalizationRows() {
  using O = NormalizationProperties;
  constexpr unsigned kBatch = Bit(NormKind::kBatch), kLayer = Bit(NormKind::kLayer),
                     kGroup = Bit(NormKind::kGroup);
  unsigned with_offset = 0;
  for (const NormKindRow& row : NormKinds())
    if (row.has_offset) with_offset |= Bit(row.kind);
  return {
      Row<&O::num_groups>("num_groups", "groups that the channels are split into",
                          {.range = kSize, .required = true, .of = kGroup}, GroupsOfChannels()),
      Row<&O::epsilon>("epsilon", "added to the variance", {.range = kAboveZero}),
      Row<&O::num_channels>("num_channels", "channels of the input; auto: as many as there are",
                            {.range = kSize}),
      Row<&O::operation_dimension>("operation_dimension", "what the statistics are taken over",
                                   {.of = kLayer}),
      Row<&O::trained_mean>("trained_mean",
                            "of each channel, for prediction; empty: 0 until training",
                            {.of = kBatch}),
      Row<&O::trained_variance>("trained_variance",
                                "of each channel, for prediction; empty: 1 until training",
                                {.range = kFactor, .of = kBatch}),
      Row<&O::affine>("affine", "whether there are a scale and an offset"),
      Row<&O::scale>("scale", "of each channel; empty: from the initializer"),
      Row<&O::offset>("offset", "of each channel; empty: from the initializer",
                      {.of = with_offset}),
      Row<&O::mean_decay>("mean_decay", "weight of a mini-batch in the moving mean",
                          {.range = kZeroToOne, .of = kBatch}),
      Row<&O::variance_decay>("variance_decay", "weight of a mini-batch in the moving variance",
                              {.range = kZeroToOne, .of = kBatch}),
      Row<&O::scale_initializer>("scale_initializer", "how the scale begins"),
      Row<&O::offset_initializer>("offset_initializer", "how the offset begins",
                                  {.of = with_offset}),
      Row<&O::scale_learn_rate_factor>(
          "scale_learn_rate_factor", "times the learning rate, for the scale", {.range = kFactor}),
      Row<&O::offset_learn_rate_factor>("offset_learn_rate_factor",
                                        "times the learning rate, for the offset",
                                        {.range = kFactor, .of = with_offset}),
      Row<&O::scale_l2_factor>("scale_l2_factor", "times the L2 regularization, for the scale",
                               {.range = kFactor}),
      Row<&O::offset_l2_factor>("offset_l2_factor", "times the L2 regularization, for the offset",
                                {.range = kFactor, .of = with_offset}),
      Row<&O::freeze_statistics>("freeze_statistics",
                                 "training leaves the trained statistics alone", {.of = kBatch}),
      Row<&O::use_trained_statistics>("use_trained_statistics",
                                      "training normalizes with the trained statistics",
                                      {.of = kBatch}),
  };
}

}  // namespace

template <>
const PropertyKind& KindOf<Initializer>() {
  static const InitializerKind kind;
  return kind;
}

template <>
const PropertyKind& KindOf<Padding>() {
  static const PaddingKind kind;
  return kind;
}

const PropertyTable& TableFor(const ImageInputOptions&) {
  using O = ImageInputOptions;
  static const PropertyTable table =
      Keep<O>({Row<&O::input_size>("input_size", "of an observation",
                                   {.range = kSize, .required = true, .structural = true}),
               Row<&O::normalization>("normalization", "how each channel is changed first",
                                      {.structural = true})});
  return table;
}

const PropertyTable& TableFor(const FeatureInputOptions&) {
  using O = FeatureInputOptions;
  static const PropertyTable table =
      Keep<O>({Row<&O::num_features>(
                   "num_features", "of an observation",
                   {.range = kSize, .required = true, .structural = true, .toolbox = "input_size"}),
               Row<&O::normalization>("normalization", "how each feature is changed first",
                                      {.structural = true})});
  return table;
}

const PropertyTable& TableFor(const ConvolutionOptions&) {
  using O = ConvolutionOptions;
  static const PropertyTable table = Keep<O>(WithWeights<O>(
      {Row<&O::filter_size>("filter_size", "of the window",
                            {.range = kWindow, .required = true, .structural = true}),
       Row<&O::num_filters>("num_filters", "channels of the output",
                            {.range = kSize, .required = true, .structural = true}),
       Row<&O::stride>("stride", "from window to window", {.range = kWindow, .structural = true}),
       Row<&O::dilation>("dilation", "from element to element of a window",
                         {.range = kWindow, .structural = true, .toolbox = "dilation_factor"}),
       Row<&O::padding>("padding", "zeros around the image", {.range = kBorder}),
       Row<&O::num_groups>("num_groups", "groups of channels that see only themselves",
                           {.range = kSize, .structural = true})}));
  return table;
}

const PropertyTable& TableFor(const Convolution1dOptions&) {
  using O = Convolution1dOptions;
  static const PropertyTable table = Keep<O>(WithWeights<O>(
      {Row<&O::filter_size>("filter_size", "steps of the window",
                            {.range = kWindow, .required = true, .structural = true}),
       Row<&O::num_filters>("num_filters", "channels of the output",
                            {.range = kSize, .required = true, .structural = true}),
       Row<&O::dilation>("dilation", "from step to step of a window",
                         {.range = kWindow, .structural = true, .toolbox = "dilation_factor"}),
       Row<&O::padding>("padding", "zeros around a sequence, as many as keep its length",
                        {.range = kTimeBorder}, PaddingOfTime()),
       Row<&O::num_groups>("num_groups", "groups of channels that see only themselves",
                           {.range = kSize, .structural = true})}));
  return table;
}

const PropertyTable& TableFor(const Pooling1dOptions&) {
  using O = Pooling1dOptions;
  static const PropertyTable table = Keep<O>(
      {Row<&O::pool_size>("pool_size", "steps of the window",
                          {.range = kWindow, .required = true, .structural = true}),
       Row<&O::padding>("padding",
                        "around a sequence, as many as keep its length: loses every maximum, "
                        "counts as zeros in a mean",
                        {.range = kTimeBorder}, PaddingOfTime())});
  return table;
}

const PropertyTable& TableFor(const FullyConnectedOptions&) {
  using O = FullyConnectedOptions;
  static const PropertyTable table = Keep<O>(WithWeights<O>(
      {Row<&O::output_size>("output_size", "channels of the output",
                            {.range = kSize, .required = true, .structural = true})}));
  return table;
}

const PropertyTable& TableFor(const LstmOptions&) {
  using O = LstmOptions;
  static const PropertyTable table = [] {
    std::vector<Property> rows = RecurrentRows<O>();
    rows.push_back(Row<&O::output_projection>("output_projection",
                                              "channels it is projected to; 0: it is not",
                                              {.range = kChannels, .structural = true}));
    return Keep<O>(std::move(rows));
  }();
  return table;
}

const PropertyTable& TableFor(const Pooling2dOptions&) {
  using O = Pooling2dOptions;
  static const PropertyTable table = Keep<O>(
      {Row<&O::pool_size>("pool_size", "of the window",
                          {.range = kWindow, .required = true, .structural = true}),
       Row<&O::stride>("stride", "from window to window", {.range = kWindow, .structural = true}),
       Row<&O::padding>("padding",
                        "around the image: loses every maximum, counts as zeros in a mean",
                        {.range = kBorder})});
  return table;
}

PropertyTable TableFor(const ElementwiseOptions& options) {
  struct Table {
    std::vector<Property> rows;
    ElementwiseOptions defaults;
  };
  static const std::vector<Table> tables = [] {
    std::vector<Table> made;
    for (const ops::Elementwise& row : ops::ElementwiseTable()) {
      Table& table = made.emplace_back(Table{{}, {&row}});
      if (!row.number.name.empty())
        table.rows.push_back(
            Row<&ElementwiseOptions::number>(row.number.name, row.number.text, {.range = kFactor}));
    }
    return made;
  }();
  const auto index = static_cast<size_t>(options.row - ops::ElementwiseTable().data());
  return {tables[index].rows, &tables[index].defaults};
}

const PropertyTable& TableFor(const DropoutOptions&) {
  using O = DropoutOptions;
  static const PropertyTable table = Keep<O>({Row<&O::probability>(
      "probability", "that an element is dropped", {.range = {.low = 0, .high = 0.999}})});
  return table;
}

const PropertyTable& TableFor(const AdditionOptions&) {
  using O = AdditionOptions;
  static const PropertyTable table = Keep<O>({Row<&O::num_inputs>(
      "num_inputs", "how many are added", {.range = kInputs, .structural = true})});
  return table;
}

const PropertyTable& TableFor(const ConcatenationOptions&) {
  using O = ConcatenationOptions;
  static const PropertyTable table = Keep<O>({Row<&O::num_inputs>(
      "num_inputs", "how many are joined", {.range = kInputs, .structural = true})});
  return table;
}

const PropertyTable& TableFor(const ReflectionPadding2dOptions&) {
  using O = ReflectionPadding2dOptions;
  static const PropertyTable table =
      Keep<O>({Row<&O::padding>("padding", "rows and columns around the image, mirrored",
                                {.range = kBorder, .structural = true})});
  return table;
}

const PropertyTable& TableFor(const Upsampling2dOptions&) {
  using O = Upsampling2dOptions;
  static const PropertyTable table =
      Keep<O>({Row<&O::scale>("scale", "how often each element stands along height and width",
                              {.range = kWindow, .structural = true})});
  return table;
}

const PropertyTable& TableFor(const AdaptiveNormalizationOptions&) {
  using O = AdaptiveNormalizationOptions;
  static const PropertyTable table =
      Keep<O>({Row<&O::epsilon>("epsilon", "added to the variance", {.range = kAboveZero})});
  return table;
}

const PropertyTable& TableFor(const ConditionalNormalizationOptions&) {
  using O = ConditionalNormalizationOptions;
  static const PropertyTable table = Keep<O>(
      {Row<&O::num_styles>("num_styles", "how many weights choose among",
                           {.range = kSize, .required = true, .structural = true}),
       Row<&O::epsilon>("epsilon", "added to the variance", {.range = kAboveZero}),
       Row<&O::scale_initializer>("scale_initializer", "how the scales begin"),
       Row<&O::offset_initializer>("offset_initializer", "how the offsets begin"),
       Row<&O::scale_learn_rate_factor>("scale_learn_rate_factor",
                                        "times the learning rate, for the scales",
                                        {.range = kFactor}),
       Row<&O::offset_learn_rate_factor>("offset_learn_rate_factor",
                                         "times the learning rate, for the offsets",
                                         {.range = kFactor}),
       Row<&O::scale_l2_factor>("scale_l2_factor", "times the L2 regularization, for the scales",
                                {.range = kFactor}),
       Row<&O::offset_l2_factor>("offset_l2_factor", "times the L2 regularization, for the offsets",
                                 {.range = kFactor})});
  return table;
}

const PropertyTable& TableFor(const NormalizationProperties&) {
  static const PropertyTable table = Keep<NormalizationProperties>(NormalizationRows());
  return table;
}

void CheckProperties(const Layer& layer, const PropertyTable& table, const void* options,
                     unsigned of) {
  const std::string wrong = FindWrong(table, options, of);
  if (!wrong.empty()) FailLayer(layer, "{}", wrong);
}

std::string NormsWith(const Property& property) {
  std::vector<std::string_view> with, without;
  for (const NormKindRow& row : NormKinds())
    (property.Has(Bit(row.kind)) ? with : without).push_back(row.type);
  if (without.empty()) return "every normalization";
  if (without.size() == 1) return fmt::format("every normalization but {}", without[0]);
  return fmt::format("{}", fmt::join(with, ", "));
}

std::string DocumentProperties() {
  std::string text = "| type | property | default | may be | what it is |\n|---|---|---|---|---|\n";
  const auto add = [&](std::string_view types, const PropertyTable& table, size_t begin = 0,
                       size_t end = ~size_t{0}) {
    for (size_t i = begin; i < std::min(end, table.rows.size()); ++i)
      text += fmt::format("| {} {}", types, DocumentRow(table.rows[i], table));
  };
  const PropertyTable &convolution = TableFor(Convolution2dOptions()),
                      &fully_connected = TableFor(FullyConnectedOptions());
  const size_t shared = fully_connected.rows.size() - 1;  // WithWeights
  add("`image_input`", TableFor(ImageInputOptions()));
  add("`feature_input`, `sequence_input`", TableFor(FeatureInputOptions()));
  add("`convolution2d`", convolution, 0, convolution.rows.size() - shared);
  const PropertyTable& over_time = TableFor(Convolution1dOptions());
  add("`convolution1d`", over_time, 0, over_time.rows.size() - shared);
  add("`fully_connected`", fully_connected, 0, 1);
  add("`convolution2d`, `convolution1d`, `fully_connected`", fully_connected, 1);
  add("`lstm`", TableFor(LstmOptions()));
  add("`max_pooling2d`, `average_pooling2d`", TableFor(Pooling2dOptions()));
  add("`max_pooling1d`, `average_pooling1d`", TableFor(Pooling1dOptions()));
  add("`reflection_padding2d`", TableFor(ReflectionPadding2dOptions()));
  add("`upsampling2d`", TableFor(Upsampling2dOptions()));
  for (const ops::Elementwise& row : ops::ElementwiseTable())
    add(fmt::format("`{}`", row.json), TableFor(ElementwiseOptions{&row}));
  add("`dropout`", TableFor(DropoutOptions()));
  add("`adaptive_instance_normalization`", TableFor(AdaptiveNormalizationOptions()));
  add("`conditional_instance_normalization`", TableFor(ConditionalNormalizationOptions()));
  const PropertyTable& norms = TableFor(NormalizationProperties());
  for (const Property& row : norms.rows)
    text += fmt::format("| {} {}", NormsWith(row), DocumentRow(row, norms));
  return text;
}

}  // namespace normkit
