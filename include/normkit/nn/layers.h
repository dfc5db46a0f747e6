// The layers, each with its properties: graph.Add(Convolution2d({.filter_size = {3, 3},
// .num_filters = 16})).
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "normkit/core/error.h"
#include "normkit/core/export.h"
#include "normkit/graph/layer.h"
#include "normkit/norm/spec.h"
#include "normkit/ops/padding.h"

namespace normkit {

using LayerPtr = std::shared_ptr<Layer>;

// How a parameter array begins. With fan_in the values that one output is a sum over:
//   narrow-normal   normal, deviation 0.01
//   glorot          uniform in +-sqrt(6 / (fan_in + fan_out)): Glorot & Bengio 2010, eq. 16
//   he              normal, deviation sqrt(2 / fan_in): He et al. 2015, eq. 10
//   fan-in-uniform  uniform in +-1 / sqrt(fan_in): what PyTorch's layers begin with
//   orthogonal      of a matrix [.., fan_in] orthonormal columns, or rows where they are fewer:
//                   Q of a normal matrix, Saxe et al. 2014
//   unit-forget-gate  1 in the second quarter, else 0: the bias of an LSTM, Jozefowicz et al. 2015
struct Initializer {
  enum Kind {
    kZeros,
    kOnes,
    kNarrowNormal,
    kGlorot,
    kHe,
    kFanInUniform,
    kOrthogonal,
    kUnitForgetGate,
    kFunction
  } kind = kZeros;
  std::function<void(std::span<float>, Random&)> function;  // kFunction
  // Converts, for `.weights_initializer = Initializer::kHe`.
  Initializer(Kind k) : kind(k) {}  // NOLINT(google-explicit-constructor)
  explicit Initializer(std::function<void(std::span<float>, Random&)> f)
      : kind(kFunction), function(std::move(f)) {}
};

// How an input layer changes what it is given, channel by channel. The statistics are parameters
// ("mean" and "std", or "min" and "max") that InputStatistics fills in from the training data.
//   zerocenter x - mean, zscore (x - mean) / std, rescale-zero-one (x - min) / (max - min),
//   rescale-symmetric 2 (x - min) / (max - min) - 1
enum class InputNormalization { kNone, kZerocenter, kZscore, kRescaleZeroOne, kRescaleSymmetric };

// "none", "zerocenter", "zscore", "rescale-zero-one", "rescale-symmetric".
NORMKIT_API std::string_view Name(InputNormalization normalization);
NORMKIT_API InputNormalization ParseInputNormalization(std::string_view name);

struct ImageInputOptions {
  std::string name = {};
  std::array<int64_t, 3> input_size{};  // height, width, channels
  InputNormalization normalization = InputNormalization::kZerocenter;
};
struct Image3dInputOptions {
  std::string name = {};
  std::array<int64_t, 4> input_size{};  // depth, height, width, channels
  InputNormalization normalization = InputNormalization::kZerocenter;
};
struct FeatureInputOptions {
  std::string name = {};
  int64_t num_features = 0;
  InputNormalization normalization = InputNormalization::kNone;
};

// Of each step of a sequence: TC, the steps of all observations packed (batch_part.h); with space a
// picture each, TSSC, or a line or volume. Layers over space see each step by itself.
struct SequenceInputOptions {
  std::string name = {};
  int64_t num_features = 0;  // channels
  // Of pictures; 0: there is none of it. Volumes have all three, lines a width alone.
  int64_t depth = 0, height = 0, width = 0;
  InputNormalization normalization = InputNormalization::kNone;
};

// Sizes have a number for each dimension of space, the outermost first: {height, width}; one number
// stands for all of them.
struct ConvolutionOptions {
  std::string name = {};
  std::vector<int64_t> filter_size = {};  // how many numbers: over lines, images or volumes
  int64_t num_filters = 0;
  std::vector<int64_t> stride = {1};
  std::vector<int64_t> dilation = {1};
  Padding padding{};
  int64_t num_groups = 1;
  // Each filter less its mean and divided by its deviation (Qiao et al. 2019); the weights that are
  // trained are those before it.
  bool weight_standardization = false;
  bool bias = true;
  Initializer weights_initializer = Initializer::kGlorot;
  Initializer bias_initializer = Initializer::kZeros;
  double weight_learn_rate_factor = 1, bias_learn_rate_factor = 1, weight_l2_factor = 1,
         bias_l2_factor = 0;
};
using Convolution2dOptions = ConvolutionOptions;
using Convolution3dOptions = ConvolutionOptions;
// Sizes as in ConvolutionOptions.
struct TransposedConvolutionOptions {
  std::string name = {};
  std::vector<int64_t> filter_size = {};
  int64_t num_filters = 0;
  std::vector<int64_t> stride = {1};
  Padding cropping{};  // cut off the output; same: which is stride times as large as the input
  bool bias = true;
  Initializer weights_initializer = Initializer::kGlorot;
  Initializer bias_initializer = Initializer::kZeros;
  double weight_learn_rate_factor = 1, bias_learn_rate_factor = 1, weight_l2_factor = 1,
         bias_l2_factor = 0;
};
// Over the steps of each sequence. `padding` keeps its length: same, causal, or two numbers (left
// and right) that add up to (filter_size - 1) dilation.
struct Convolution1dOptions {
  std::string name = {};
  int64_t filter_size = 0;
  int64_t num_filters = 0;
  int64_t dilation = 1;
  Padding padding = Padding::Same();
  int64_t num_groups = 1;
  bool bias = true;
  Initializer weights_initializer = Initializer::kGlorot;
  Initializer bias_initializer = Initializer::kZeros;
  double weight_learn_rate_factor = 1, bias_learn_rate_factor = 1, weight_l2_factor = 1,
         bias_l2_factor = 0;
};
struct FullyConnectedOptions {
  std::string name = {};
  int64_t output_size = 0;
  bool bias = true;
  Initializer weights_initializer = Initializer::kGlorot;
  Initializer bias_initializer = Initializer::kZeros;
  double weight_learn_rate_factor = 1, bias_learn_rate_factor = 1, weight_l2_factor = 1,
         bias_l2_factor = 0;
};
// What layers over time give: a row for each step, or that of the last step they read.
enum class OutputMode { kSequence, kLast };
// In which order they read the steps; both: side by side, the channels of the forward direction
// first.
enum class SequenceDirection { kForward, kReverse, kBidirectional };
enum class GateActivation { kSigmoid, kHardSigmoid };  // hard: 0.2 x + 0.5, between 0 and 1
enum class StateActivation { kTanh, kSoftsign };       // softsign: x / (1 + |x|)

// Inside the gates: layer, as in Ba et al. 2016, of what x and the last output each add to the
// gates, over the gates of all units, and of the cell's state before it becomes an output.
enum class GateNormalization { kNone, kLayer };

// Properties named as in the toolbox; parameters have the gates in its order: input gate, forget
// gate, cell candidate, output gate.
struct LstmOptions {
  std::string name = {};
  int64_t num_hidden_units = 0;
  OutputMode output_mode = OutputMode::kSequence;
  SequenceDirection direction = SequenceDirection::kForward;
  // Reads h and c [B, ..] behind x; gives them behind its output.
  bool has_state_inputs = false, has_state_outputs = false;
  // h and c in front of the first step of every sequence, those of all directions; empty: zeros.
  // Learned: parameters that begin so, and are trained as the bias is.
  std::vector<float> hidden_state = {}, cell_state = {};
  bool learn_initial_states = false;
  StateActivation state_activation_function = StateActivation::kTanh;
  GateActivation gate_activation_function = GateActivation::kSigmoid;
  int64_t output_projection = 0;  // channels that h is projected to; 0: it is not
  GateNormalization gate_normalization = GateNormalization::kNone;
  Initializer input_weights_initializer = Initializer::kGlorot;
  Initializer recurrent_weights_initializer = Initializer::kOrthogonal;
  Initializer bias_initializer = Initializer::kUnitForgetGate;
  double input_weights_learn_rate_factor = 1, recurrent_weights_learn_rate_factor = 1,
         bias_learn_rate_factor = 1, input_weights_l2_factor = 1, recurrent_weights_l2_factor = 1,
         bias_l2_factor = 0;
};
// Whether the reset gate multiplies what h_before adds to the candidate, that with a bias of its
// own, or h_before itself.
enum class ResetGateMode {
  kAfterMultiplication,
  kBeforeMultiplication,
  kRecurrentBiasAfterMultiplication
};

// Gates in the order reset gate, update gate, candidate; the state is h.
struct GruOptions {
  std::string name = {};
  int64_t num_hidden_units = 0;
  OutputMode output_mode = OutputMode::kSequence;
  SequenceDirection direction = SequenceDirection::kForward;
  ResetGateMode reset_gate_mode = ResetGateMode::kAfterMultiplication;
  bool has_state_inputs = false, has_state_outputs = false;
  std::vector<float> hidden_state = {};  // and this, as in LstmOptions
  bool learn_initial_states = false;
  StateActivation state_activation_function = StateActivation::kTanh;
  GateActivation gate_activation_function = GateActivation::kSigmoid;
  Initializer input_weights_initializer = Initializer::kGlorot;
  Initializer recurrent_weights_initializer = Initializer::kOrthogonal;
  Initializer bias_initializer = Initializer::kZeros;
  double input_weights_learn_rate_factor = 1, recurrent_weights_learn_rate_factor = 1,
         bias_learn_rate_factor = 1, input_weights_l2_factor = 1, recurrent_weights_l2_factor = 1,
         bias_l2_factor = 0;
};
// Sizes as in ConvolutionOptions.
struct PoolingOptions {
  std::string name = {};
  std::vector<int64_t> pool_size = {};
  std::vector<int64_t> stride = {1};
  Padding padding{};
};
using Pooling2dOptions = PoolingOptions;
using Pooling3dOptions = PoolingOptions;
// Over the steps of each sequence, whose length is kept as by Convolution1dOptions.
struct Pooling1dOptions {
  std::string name = {};
  int64_t pool_size = 0;
  Padding padding = Padding::Same();
};
// Which steps a step sees: all of its sequence, or those up to itself.
enum class AttentionMask { kNone, kCausal };
// "none", "causal".
NORMKIT_API std::string_view Name(AttentionMask mask);

struct SelfAttentionOptions {
  std::string name = {};
  int64_t num_heads = 0;
  int64_t num_key_channels = 0;    // of all heads, a multiple of them; of the queries too
  int64_t num_value_channels = 0;  // of all heads; 0: as many as key channels
  int64_t output_size = 0;         // 0: the input's channels
  AttentionMask attention_mask = AttentionMask::kNone;
  bool bias = true;
  Initializer weights_initializer = Initializer::kGlorot;
  Initializer bias_initializer = Initializer::kZeros;
  double weight_learn_rate_factor = 1, bias_learn_rate_factor = 1, weight_l2_factor = 1,
         bias_l2_factor = 0;
};
struct EmbeddingOptions {
  std::string name = {};
  int64_t dimension = 0;
  int64_t num_words = 0;
  Initializer weights_initializer = Initializer::kNarrowNormal;
  double weight_learn_rate_factor = 1, weight_l2_factor = 1;
};
struct PositionEmbeddingOptions {
  std::string name = {};
  int64_t max_position = 0;  // steps of the longest sequence, or positions of a picture
  Initializer weights_initializer = Initializer::kNarrowNormal;
  double weight_learn_rate_factor = 1, weight_l2_factor = 1;
};
struct ReflectionPadding2dOptions {
  std::string name = {};
  Padding padding = Padding::All(1);  // rows and columns; each less than the image has
};
struct Upsampling2dOptions {
  std::string name = {};
  std::array<int64_t, 2> scale{2, 2};  // height, width
};
enum class ResizeMethod { kNearest, kLinear };
// "nearest", "linear".
NORMKIT_API std::string_view Name(ResizeMethod method);
struct ResizeOptions {
  std::string name = {};
  std::vector<int64_t> output_size = {0};  // of each dimension of space; 0: scale times the input
  double scale = 2;
  ResizeMethod method = ResizeMethod::kNearest;
};
struct PreluOptions {
  std::string name = {};
  double alpha = 0.25;  // at first
  double alpha_learn_rate_factor = 1, alpha_l2_factor = 1;
};
struct LayerScaleOptions {
  std::string name = {};
  double scale = 1e-4;  // at first
  double scale_learn_rate_factor = 1, scale_l2_factor = 1;
};
struct DynamicTanhOptions {
  std::string name = {};
  double alpha = 0.5;  // at first
  double alpha_learn_rate_factor = 1, scale_learn_rate_factor = 1, offset_learn_rate_factor = 1,
         alpha_l2_factor = 1, scale_l2_factor = 1, offset_l2_factor = 1;
};
struct CrossChannelNormalizationOptions {
  std::string name = {};
  int64_t window_channel_size = 0;
  double alpha = 1e-4, beta = 0.75, k = 2;
};
struct LeakyReluOptions {
  std::string name = {};
  double scale = 0.01;
};
struct DropoutOptions {
  std::string name = {};
  double probability = 0.5;
};
struct AdditionOptions {
  std::string name = {};
  int num_inputs = 2;
};
struct MultiplicationOptions {
  std::string name = {};
  int num_inputs = 2;
};
struct ConcatenationOptions {
  std::string name = {};
  int num_inputs = 2;
};  // along channels

// Properties of the normalization layers, named as in the toolbox. One that a layer does not have
// is an error where it is given another value than its default.
struct NormalizationProperties {
  static constexpr int64_t kAllChannels = normkit::kAllChannels;  // one group
  static constexpr int64_t kChannelWise = normkit::kChannelWise;  // a group a channel
  std::string name = {};
  // Group and group RMS, which need it: a number, kAllChannels or kChannelWise.
  int64_t num_groups = 0;
  double epsilon = 1e-5;
  std::optional<int64_t> num_channels = {};  // empty: the input's
  OperationDimension operation_dimension = OperationDimension::kBatchExcluded;  // layer
  std::vector<float> trained_mean = {}, trained_variance = {};  // batch; empty: 0 and 1 at first
  bool affine = true;                             // false: neither scale nor offset, y = xhat
  std::vector<float> scale = {}, offset = {};     // empty: from the initializers
  double mean_decay = 0.1, variance_decay = 0.1;  // batch
  Initializer scale_initializer = Initializer::kOnes;
  Initializer offset_initializer = Initializer::kZeros;  // rms and group RMS have no offset
  double scale_learn_rate_factor = 1, offset_learn_rate_factor = 1, scale_l2_factor = 1,
         offset_l2_factor = 1;
  bool freeze_statistics = false;       // batch: training leaves the trained statistics alone
  bool use_trained_statistics = false;  // batch: training normalizes with the trained statistics
  // Batch: training gives gamma (xhat r + d) + beta, xhat r + d being, within limits, what the
  // trained statistics give; r and d are constants to the gradient (Ioffe 2017). r is within 1 /
  // limit and limit, d within -limit and limit, which grow from 1 and 0 over the first iterations:
  // in training the k-th of a warm-up of N, from k = 1 on, has gone k / N of the way.
  bool renormalize = false;
  double renormalization_scale_limit = 3, renormalization_shift_limit = 5;
  int64_t renormalization_warm_up = 500;
};
using BatchNormalizationOptions = NormalizationProperties;
using LayerNormalizationOptions = NormalizationProperties;
using InstanceNormalizationOptions = NormalizationProperties;
using GroupNormalizationOptions = NormalizationProperties;
using RmsNormalizationOptions = NormalizationProperties;
using GroupRmsNormalizationOptions = NormalizationProperties;

// Instance normalization whose scale and offset come from elsewhere.
struct AdaptiveNormalizationOptions {
  std::string name = {};
  double epsilon = 1e-5;
};
struct ConditionalNormalizationOptions {
  std::string name = {};
  int64_t num_styles = 0;
  double epsilon = 1e-5;
  Initializer scale_initializer = Initializer::kOnes;
  Initializer offset_initializer = Initializer::kZeros;
  double scale_learn_rate_factor = 1, offset_learn_rate_factor = 1, scale_l2_factor = 1,
         offset_l2_factor = 1;
};

// What every norm layer becomes: NORM IS ONE LAYER CLASS that holds a spec
// (src/nn/layers/normalization.h). Each function checks its properties and throws Error that names
// the layer, what was given and what was expected.
NORMKIT_API LayerPtr ImageInput(const ImageInputOptions& options);
NORMKIT_API LayerPtr Image3dInput(const Image3dInputOptions& options);  // volumes, BSSSC
NORMKIT_API LayerPtr FeatureInput(const FeatureInputOptions& options);
NORMKIT_API LayerPtr SequenceInput(const SequenceInputOptions& options);
// Over as many dimensions of space (or time: BTC) as filter_size has numbers, 1 to 3.
NORMKIT_API LayerPtr Convolution(const ConvolutionOptions& options);
NORMKIT_API LayerPtr Convolution2d(const Convolution2dOptions& options);  // over images
NORMKIT_API LayerPtr Convolution3d(const Convolution3dOptions& options);  // over volumes
// The transpose of such a convolution, which gives (size - 1) stride + filter_size less what is
// cropped: weights [C, num_filters, filter_size].
NORMKIT_API LayerPtr TransposedConvolution(const TransposedConvolutionOptions& options);
NORMKIT_API LayerPtr TransposedConvolution2d(const TransposedConvolutionOptions& options);
NORMKIT_API LayerPtr TransposedConvolution3d(const TransposedConvolutionOptions& options);
// Over the steps of each sequence, TC: no window reads over its ends.
NORMKIT_API LayerPtr Convolution1d(const Convolution1dOptions& options);
NORMKIT_API LayerPtr FullyConnected(const FullyConnectedOptions& options);
// Long short-term memory over the steps of each sequence, TC:
//   i, f, o = gate(W x + R h_before + b), g = state(..), c = f c_before + i g, h = o state(c)
// gives h, TC, or with output mode last BC; a sequence gets to the bit what it gets alone.
// Projected, h is a product of that with weights [output_projection, hidden] (Sak et al. 2014).
// With gate normalization gates are of norm(W x) s_x + norm(R h_before) s_h + b and the output is
// o state(norm(c) s_c + b_c), with norm(v) = (v - mean) / sqrt(variance + 1e-5) over v: parameters
// input_scale and recurrent_scale [4 hidden], cell_scale and cell_offset [hidden] a direction.
// Where states are given or learned, hidden_state, as wide as h, and cell_state [hidden] a
// direction, both.
NORMKIT_API LayerPtr Lstm(const LstmOptions& options);
// Gated recurrent units, over the same:
//   r, z = gate(W x + R h_before + b), n = state(W x + b + r R h_before), h = (1 - z) n + z
//   h_before
// Where the state is given or learned, hidden_state [hidden] a direction is a parameter.
NORMKIT_API LayerPtr Gru(const GruOptions& options);
// A row of the table of elementwise operations (src/ops/elementwise.cc) by one of its names,
// "leaky_relu", with its number, `scale`, if it has one. Those below are rows by name. Throws Error
// that lists the names.
NORMKIT_API LayerPtr Elementwise(std::string_view operation, const std::string& name = "",
                                 std::optional<double> number = {});
NORMKIT_API LayerPtr Relu(const std::string& name = "");
NORMKIT_API LayerPtr LeakyRelu(const LeakyReluOptions& options = {});
NORMKIT_API LayerPtr Tanh(const std::string& name = "");
NORMKIT_API LayerPtr Sigmoid(const std::string& name = "");
NORMKIT_API LayerPtr Gelu(const std::string& name = "");
NORMKIT_API LayerPtr Softplus(const std::string& name = "");
NORMKIT_API LayerPtr Swish(const std::string& name = "");
NORMKIT_API LayerPtr Elu(const std::string& name = "", double alpha = 1);
NORMKIT_API LayerPtr ClippedRelu(const std::string& name = "", double ceiling = 6);
// x where x > 0, else alpha x, an alpha a channel, which is trained (He et al. 2015).
NORMKIT_API LayerPtr Prelu(const PreluOptions& options = {});
// scale x, a scale a channel, which is trained: behind a branch that is added to its shortcut
// (Touvron et al. 2021).
NORMKIT_API LayerPtr LayerScale(const LayerScaleOptions& options = {});
// scale tanh(alpha x) + offset, in place of a layer normalization: alpha one number, scale and
// offset of each channel (Zhu et al. 2025).
NORMKIT_API LayerPtr DynamicTanh(const DynamicTanhOptions& options = {});
// x / (k + alpha / n * the sum of x^2 over n channels around)^beta: local response normalization
// (Krizhevsky et al. 2012); of an even n one more behind.
NORMKIT_API LayerPtr CrossChannelNormalization(const CrossChannelNormalizationOptions& options);
NORMKIT_API LayerPtr MaxPooling2d(const Pooling2dOptions& options);
NORMKIT_API LayerPtr AveragePooling2d(const Pooling2dOptions& options);
NORMKIT_API LayerPtr MaxPooling3d(const Pooling3dOptions& options);
NORMKIT_API LayerPtr AveragePooling3d(const Pooling3dOptions& options);
// To another size, of images or volumes; centers of elements are where they are, and beyond the
// outermost ones is what they are.
NORMKIT_API LayerPtr Resize(const ResizeOptions& options = {});
// Rows and columns around an image that are the mirror of those inside, the edge not repeated.
NORMKIT_API LayerPtr ReflectionPadding2d(const ReflectionPadding2dOptions& options = {});
// Each element `scale` times along height and width.
NORMKIT_API LayerPtr Upsampling2d(const Upsampling2dOptions& options = {});
NORMKIT_API LayerPtr GlobalAveragePooling2d(const std::string& name = "");
NORMKIT_API LayerPtr GlobalAveragePooling3d(const std::string& name = "");
NORMKIT_API LayerPtr MaxPooling1d(const Pooling1dOptions& options);
NORMKIT_API LayerPtr AveragePooling1d(const Pooling1dOptions& options);
// From the rows of each sequence, TC, to one, BC: their mean, the largest of each channel, or the
// last.
NORMKIT_API LayerPtr GlobalAveragePooling1d(const std::string& name = "");
NORMKIT_API LayerPtr GlobalMaxPooling1d(const std::string& name = "");
NORMKIT_API LayerPtr LastStep(const std::string& name = "");
// Each step of x [rows,C] looks at the steps of its own sequence: queries x Wq^T + bq, keys and
// values alike, by heads softmax(query . key / sqrt(channels of a head)) as weights of the values,
// and of all heads side by side a W^T + b (Vaswani et al. 2017). Parameters query_weights [K,C],
// query_bias [K], key_weights, key_bias, value_weights [V,C], value_bias, output_weights [O,V],
// output_bias. Nothing of another sequence, nor padding, can be looked at. So the positions of
// pictures and volumes look at those of their own, weights [K,C,1,1].
NORMKIT_API LayerPtr SelfAttention(const SelfAttentionOptions& options);
// Of tokens, TC with one channel of whole numbers from 0 to num_words - 1: weights
// [num_words,dimension] row by row. Throws Error on another number, when it comes.
NORMKIT_API LayerPtr Embedding(const EmbeddingOptions& options);
// x + weights[t], [max_position,C], t the place of the step in its sequence, from 0; of pictures
// and volumes one for each position, row by row.
NORMKIT_API LayerPtr PositionEmbedding(const PositionEmbeddingOptions& options);
// x + sin(t / 10000^(2i / C)) in channel 2i, and the cosine in channel 2i + 1.
NORMKIT_API LayerPtr SinusoidalPositionEncoding(const std::string& name = "");
NORMKIT_API LayerPtr Dropout(const DropoutOptions& options = {});
NORMKIT_API LayerPtr Addition(const AdditionOptions& options = {});
// Element by element; one element stands for all along an axis: [B,1,1,C] scales the channels of
// images (squeeze and excitation, Hu et al. 2018).
NORMKIT_API LayerPtr Multiplication(const MultiplicationOptions& options = {});
NORMKIT_API LayerPtr Concatenation(const ConcatenationOptions& options = {});
NORMKIT_API LayerPtr
Flatten(const std::string& name = "");  // BSSC -> BC in the order C, S, S (as ONNX); BSSSC too
// Over the channels of each position, at least 2: of one it would be 1 whatever the input.
NORMKIT_API LayerPtr Softmax(const std::string& name = "");
// A graph refuses a normalization each of whose statistics is of one value whatever the batch
// (instance or channel-wise group normalization without space, layer or RMS normalization over one
// channel): its output would be its offset (RMS: the sign of its input).
NORMKIT_API LayerPtr BatchNormalization(const NormalizationProperties& properties = {});
NORMKIT_API LayerPtr LayerNormalization(const NormalizationProperties& properties = {});
NORMKIT_API LayerPtr InstanceNormalization(const NormalizationProperties& properties = {});
NORMKIT_API LayerPtr GroupNormalization(const NormalizationProperties& properties);
NORMKIT_API LayerPtr RmsNormalization(const NormalizationProperties& properties = {});
// By the root mean square of a group of channels, over time and space too; no mean is subtracted.
NORMKIT_API LayerPtr GroupRmsNormalization(const NormalizationProperties& properties);
// Of x [B,S,S,C], scale [B,C] and offset [B,C], which other layers give: y = scale xhat + offset,
// statistics as InstanceNormalization (Huang & Belongie 2017).
NORMKIT_API LayerPtr
AdaptiveInstanceNormalization(const AdaptiveNormalizationOptions& options = {});
// Of x and weights of the styles w [B,num_styles]: the same with scale = w scales^T and offset = w
// offsets^T, parameters "scale" and "offset" [C,num_styles]. Weights of 1 and zeros choose a style
// (Dumoulin et al. 2017), others mix them.
NORMKIT_API LayerPtr
ConditionalInstanceNormalization(const ConditionalNormalizationOptions& options);

}  // namespace normkit
