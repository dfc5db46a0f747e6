#include "src/nn/properties.h"

#include <algorithm>
#include <utility>

#include "src/core/fail.h"
#include "src/core/suggest.h"
#include "src/nn/layers/common.h"
#include "src/nn/property_kinds.h"

namespace normkit {
namespace {

using nlohmann::json;

constexpr NumberRange<double> kSize{.low = 1, .high = kMaxSize}, kWindow{.low = 1, .high = 1 << 12},
    kBorder{.low = 0, .high = 1 << 12}, kTimeBorder{.low = 0, .high = 1 << 24},
    kInputs{.low = 2, .high = 1 << 10}, kFactor{.low = 0}, kChannels{.low = 0, .high = kMaxSize},
    kAboveZero{.low = 0, .open_low = true}, kZeroToOne{.low = 0, .high = 1},
    kScale{.low = 0, .high = 1 << 12, .open_low = true}, kOneOrMore{.low = 1},
    kIterations{.low = 0, .high = 1 << 30};

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
      Row<&O::hidden_state>("hidden_state",
                            "h in front of the first step, of each direction; empty: zeros",
                            {.structural = true}),
      Row<&O::learn_initial_states>("learn_initial_states",
                                    "whether states in front of the first step are trained",
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
  constexpr unsigned kBatch = Bit(NormKind::kBatch), kLayer = Bit(NormKind::kLayer);
  unsigned with_offset = 0, grouped = 0;
  for (const NormKindRow& row : NormKinds()) {
    if (row.has_offset) with_offset |= Bit(row.kind);
    if (row.grouped()) grouped |= Bit(row.kind);
  }
  return {
      Row<&O::num_groups>("num_groups", "groups that the channels are split into",
                          {.range = kSize, .required = true, .of = grouped}, GroupsOfChannels()),
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
      Row<&O::renormalize>("renormalize",
                           "training corrects what it normalizes towards the trained statistics "
                           "(batch renormalization)",
                           {.of = kBatch}),
      Row<&O::renormalization_scale_limit>("renormalization_scale_limit",
                                           "r is from 1 / limit to limit",
                                           {.range = kOneOrMore, .of = kBatch}),
      Row<&O::renormalization_shift_limit>("renormalization_shift_limit",
                                           "d is from -limit to limit",
                                           {.range = kFactor, .of = kBatch}),
      Row<&O::renormalization_warm_up>("renormalization_warm_up",
                                       "iterations in which the limits grow from 1 and 0, the "
                                       "first of which counts as 1",
                                       {.range = kIterations, .of = kBatch}),
  };
}

}  // namespace

const PropertyTable& TableFor(const ImageInputOptions&) {
  using O = ImageInputOptions;
  static const PropertyTable table =
      Keep<O>({Row<&O::input_size>("input_size", "of an observation",
                                   {.range = kSize, .required = true, .structural = true}),
               Row<&O::normalization>("normalization", "how each channel is changed first",
                                      {.structural = true})});
  return table;
}

const PropertyTable& TableFor(const Image3dInputOptions&) {
  using O = Image3dInputOptions;
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

const PropertyTable& TableFor(const SequenceInputOptions&) {
  using O = SequenceInputOptions;
  static const PropertyTable table = Keep<O>(
      {Row<&O::num_features>(
           "num_features", "channels of a step",
           {.range = kSize, .required = true, .structural = true, .toolbox = "input_size"}),
       Row<&O::depth>("depth", "of steps that are volumes; 0: they are none",
                      {.range = kChannels, .structural = true}),
       Row<&O::height>("height", "of steps that are pictures or volumes; 0: they are none",
                       {.range = kChannels, .structural = true}),
       Row<&O::width>("width", "of steps that are pictures, volumes or lines; 0: they are none",
                      {.range = kChannels, .structural = true}),
       Row<&O::normalization>("normalization", "how each channel is changed first",
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
                           {.range = kSize, .structural = true}),
       Row<&O::weight_standardization>("weight_standardization",
                                       "each filter less its mean, divided by its deviation",
                                       {.structural = true})}));
  return table;
}

const PropertyTable& TableFor(const TransposedConvolutionOptions&) {
  using O = TransposedConvolutionOptions;
  static const PropertyTable table = Keep<O>(WithWeights<O>(
      {Row<&O::filter_size>("filter_size", "of the window",
                            {.range = kWindow, .required = true, .structural = true}),
       Row<&O::num_filters>("num_filters", "channels of the output",
                            {.range = kSize, .required = true, .structural = true}),
       Row<&O::stride>("stride", "from window to window", {.range = kWindow, .structural = true}),
       Row<&O::cropping>("cropping", "cut off the output; same: to stride times the input",
                         {.range = kBorder})}));
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
    rows.push_back(Row<&O::cell_state>(
        "cell_state", "c in front of the first step, of each direction; empty: zeros",
        {.structural = true}));
    rows.push_back(Row<&O::output_projection>("output_projection",
                                              "channels it is projected to; 0: it is not",
                                              {.range = kChannels, .structural = true}));
    rows.push_back(Row<&O::gate_normalization>(
        "gate_normalization", "what the products of x and of the state, and the state, go through",
        {.structural = true}));
    return Keep<O>(std::move(rows));
  }();
  return table;
}

const PropertyTable& TableFor(const GruOptions&) {
  using O = GruOptions;
  static const PropertyTable table = [] {
    std::vector<Property> rows = RecurrentRows<O>();
    rows.push_back(Row<&O::reset_gate_mode>("reset_gate_mode", "what the reset gate multiplies",
                                            {.structural = true}));
    return Keep<O>(std::move(rows));
  }();
  return table;
}

const PropertyTable& TableFor(const PoolingOptions&) {
  using O = PoolingOptions;
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

const PropertyTable& TableFor(const MultiplicationOptions&) {
  using O = MultiplicationOptions;
  static const PropertyTable table = Keep<O>({Row<&O::num_inputs>(
      "num_inputs", "how many are multiplied", {.range = kInputs, .structural = true})});
  return table;
}

const PropertyTable& TableFor(const ConcatenationOptions&) {
  using O = ConcatenationOptions;
  static const PropertyTable table = Keep<O>({Row<&O::num_inputs>(
      "num_inputs", "how many are joined", {.range = kInputs, .structural = true})});
  return table;
}

const PropertyTable& TableFor(const SelfAttentionOptions&) {
  using O = SelfAttentionOptions;
  static const PropertyTable table = Keep<O>(WithWeights<O>(
      {Row<&O::num_heads>("num_heads", "that look at a sequence side by side",
                          {.range = kSize, .required = true, .structural = true}),
       Row<&O::num_key_channels>("num_key_channels", "of all heads, a multiple of them",
                                 {.range = kSize, .required = true, .structural = true}),
       Row<&O::num_value_channels>("num_value_channels", "of all heads; 0: as many as key channels",
                                   {.range = kChannels, .structural = true}),
       Row<&O::output_size>("output_size", "channels of the output; 0: those of the input",
                            {.range = kChannels, .structural = true}),
       Row<&O::attention_mask>("attention_mask",
                               "causal: a step sees those up to itself, none: all",
                               {.structural = true})}));
  return table;
}

// A table that steps are looked up in.
template <class O>
std::vector<Property> WithTable(std::vector<Property> rows) {
  for (const Property& row :
       {Row<&O::weights_initializer>("weights_initializer", "how the weights begin"),
        Row<&O::weight_learn_rate_factor>("weight_learn_rate_factor",
                                          "times the learning rate, for the weights",
                                          {.range = kFactor}),
        Row<&O::weight_l2_factor>("weight_l2_factor",
                                  "times the L2 regularization, for the weights",
                                  {.range = kFactor})})
    rows.push_back(row);
  return rows;
}

const PropertyTable& TableFor(const EmbeddingOptions&) {
  using O = EmbeddingOptions;
  static const PropertyTable table = Keep<O>(
      WithTable<O>({Row<&O::dimension>("dimension", "channels of the output",
                                       {.range = kSize, .required = true, .structural = true}),
                    Row<&O::num_words>("num_words", "how many tokens there are",
                                       {.range = kSize, .required = true, .structural = true})}));
  return table;
}

const PropertyTable& TableFor(const PositionEmbeddingOptions&) {
  using O = PositionEmbeddingOptions;
  static const PropertyTable table = Keep<O>(WithTable<O>(
      {Row<&O::max_position>("max_position", "steps of the longest sequence",
                             {.range = kSize, .required = true, .structural = true})}));
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

const PropertyTable& TableFor(const ResizeOptions&) {
  using O = ResizeOptions;
  static const PropertyTable table =
      Keep<O>({Row<&O::output_size>("output_size", "of each dimension; 0: scale times the input",
                                    {.range = kChannels, .structural = true}),
               Row<&O::scale>("scale", "times the input, where output_size is 0",
                              {.range = kScale, .structural = true}),
               Row<&O::method>("method", "what stands between the elements of the input",
                               {.structural = true})});
  return table;
}

const PropertyTable& TableFor(const PreluOptions&) {
  using O = PreluOptions;
  static const PropertyTable table =
      Keep<O>({Row<&O::alpha>("alpha", "slope of what is below zero, at first"),
               Row<&O::alpha_learn_rate_factor>("alpha_learn_rate_factor",
                                                "times the learning rate", {.range = kFactor}),
               Row<&O::alpha_l2_factor>("alpha_l2_factor", "times the L2 regularization",
                                        {.range = kFactor})});
  return table;
}

const PropertyTable& TableFor(const LayerScaleOptions&) {
  using O = LayerScaleOptions;
  static const PropertyTable table =
      Keep<O>({Row<&O::scale>("scale", "of each channel, at first"),
               Row<&O::scale_learn_rate_factor>("scale_learn_rate_factor",
                                                "times the learning rate", {.range = kFactor}),
               Row<&O::scale_l2_factor>("scale_l2_factor", "times the L2 regularization",
                                        {.range = kFactor})});
  return table;
}

const PropertyTable& TableFor(const DynamicTanhOptions&) {
  using O = DynamicTanhOptions;
  static const PropertyTable table = Keep<O>(
      {Row<&O::alpha>("alpha", "times the input, at first"),
       Row<&O::alpha_learn_rate_factor>("alpha_learn_rate_factor",
                                        "times the learning rate, for alpha", {.range = kFactor}),
       Row<&O::scale_learn_rate_factor>(
           "scale_learn_rate_factor", "times the learning rate, for the scale", {.range = kFactor}),
       Row<&O::offset_learn_rate_factor>("offset_learn_rate_factor",
                                         "times the learning rate, for the offset",
                                         {.range = kFactor}),
       Row<&O::alpha_l2_factor>("alpha_l2_factor", "times the L2 regularization, for alpha",
                                {.range = kFactor}),
       Row<&O::scale_l2_factor>("scale_l2_factor", "times the L2 regularization, for the scale",
                                {.range = kFactor}),
       Row<&O::offset_l2_factor>("offset_l2_factor", "times the L2 regularization, for the offset",
                                 {.range = kFactor})});
  return table;
}

const PropertyTable& TableFor(const CrossChannelNormalizationOptions&) {
  using O = CrossChannelNormalizationOptions;
  static const PropertyTable table = Keep<O>(
      {Row<&O::window_channel_size>("window_channel_size", "channels that are summed over",
                                    {.range = kWindow, .required = true, .structural = true}),
       Row<&O::alpha>("alpha", "times the mean of squares", {.range = kFactor}),
       Row<&O::beta>("beta", "the power of what is divided by", {.range = kFactor}),
       Row<&O::k>("k", "added to that", {.range = kAboveZero})});
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
  if (without.size() < with.size())
    return fmt::format("every normalization but {}", fmt::join(without, " and "));
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
  add("`image3d_input`", TableFor(Image3dInputOptions()));
  add("`feature_input`", TableFor(FeatureInputOptions()));
  add("`sequence_input`", TableFor(SequenceInputOptions()));
  add("`convolution2d`, `convolution3d`", convolution, 0, convolution.rows.size() - shared);
  const PropertyTable& over_time = TableFor(Convolution1dOptions());
  add("`convolution1d`", over_time, 0, over_time.rows.size() - shared);
  const PropertyTable& transposed = TableFor(TransposedConvolutionOptions());
  add("`transposed_convolution2d`, `transposed_convolution3d`", transposed, 0,
      transposed.rows.size() - shared);
  add("`fully_connected`", fully_connected, 0, 1);
  const PropertyTable& attention = TableFor(SelfAttentionOptions());
  add("`self_attention`", attention, 0, attention.rows.size() - shared);
  add("every convolution, `fully_connected`, `self_attention`", fully_connected, 1);
  add("`embedding`", TableFor(EmbeddingOptions()));
  add("`position_embedding`", TableFor(PositionEmbeddingOptions()));
  add("`lstm`", TableFor(LstmOptions()));
  add("`gru`", TableFor(GruOptions()));
  add("`max_pooling2d`, `average_pooling2d`, `max_pooling3d`, `average_pooling3d`",
      TableFor(PoolingOptions()));
  add("`max_pooling1d`, `average_pooling1d`", TableFor(Pooling1dOptions()));
  add("`reflection_padding2d`", TableFor(ReflectionPadding2dOptions()));
  add("`upsampling2d`", TableFor(Upsampling2dOptions()));
  for (const ops::Elementwise& row : ops::ElementwiseTable())
    add(fmt::format("`{}`", row.json), TableFor(ElementwiseOptions{&row}));
  add("`prelu`", TableFor(PreluOptions()));
  add("`layer_scale`", TableFor(LayerScaleOptions()));
  add("`dynamic_tanh`", TableFor(DynamicTanhOptions()));
  add("`cross_channel_normalization`", TableFor(CrossChannelNormalizationOptions()));
  add("`resize`", TableFor(ResizeOptions()));
  add("`dropout`", TableFor(DropoutOptions()));
  add("`adaptive_instance_normalization`", TableFor(AdaptiveNormalizationOptions()));
  add("`conditional_instance_normalization`", TableFor(ConditionalNormalizationOptions()));
  const PropertyTable& norms = TableFor(NormalizationProperties());
  for (const Property& row : norms.rows)
    text += fmt::format("| {} {}", NormsWith(row), DocumentRow(row, norms));
  return text;
}

}  // namespace normkit
