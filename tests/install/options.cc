// Every struct of options with one member named and the others left out: nothing to warn about. The
// test tests/public_api_test.py sees to it that none is missing here.

#include <normkit/normkit.h>

#include <string>

using namespace normkit;  // NOLINT: as the examples do

std::string NamesOfOptions() {
  const ImageInputOptions image{.input_size = {28, 28, 1}};
  const Image3dInputOptions volumes{.input_size = {8, 8, 8, 1}};
  const FeatureInputOptions features{.num_features = 4};
  const SequenceInputOptions steps{.num_features = 4};
  const Sequences sequences{.lengths = {2, 3}};
  const SequencePadding behind{.value = -1};
  const Padding padding{.same = true};
  const ConvolutionOptions lines{.filter_size = {3}};
  const Convolution2dOptions convolution{.filter_size = {3, 3}, .padding = padding};
  const Convolution3dOptions volume_convolution{.filter_size = {3}};
  const TransposedConvolutionOptions transposed{.filter_size = {2}, .num_filters = 4};
  const ResizeOptions resize{.scale = 1.5};
  const PreluOptions prelu{.alpha = 0.1};
  const LayerScaleOptions layer_scale{.scale = 1e-6};
  const DynamicTanhOptions dynamic_tanh{.alpha = 0.8};
  const CrossChannelNormalizationOptions across{.window_channel_size = 5};
  const MultiplicationOptions multiplication{.num_inputs = 2};
  const Convolution1dOptions steps_convolution{.filter_size = 3};
  const Pooling1dOptions steps_pooling{.pool_size = 2};
  const SelfAttentionOptions attention{.num_heads = 2, .num_key_channels = 8};
  const EmbeddingOptions embedding{.dimension = 8, .num_words = 10};
  const PositionEmbeddingOptions positions{.max_position = 100};
  const FullyConnectedOptions connected{.output_size = 10};
  const LstmOptions lstm{.num_hidden_units = 10};
  const GruOptions gru{.num_hidden_units = 10};
  const PoolingOptions any_pooling{.pool_size = {2}};
  const Pooling2dOptions pooling{.pool_size = {2, 2}};
  const Pooling3dOptions volume_pooling{.pool_size = {2}};
  const ReflectionPadding2dOptions border{.padding = Padding::All(2)};
  const Upsampling2dOptions larger{.scale = {2, 2}};
  const LeakyReluOptions leaky{.scale = 0.1};
  const DropoutOptions dropout{.probability = 0.2};
  const AdditionOptions addition{.num_inputs = 3};
  const ConcatenationOptions concatenation{.num_inputs = 3};
  const BatchNormalizationOptions batch{.epsilon = 1e-3};
  const LayerNormalizationOptions layer{.epsilon = 1e-3};
  const InstanceNormalizationOptions instance{.epsilon = 1e-3};
  const GroupNormalizationOptions group{.num_groups = 4};
  const RmsNormalizationOptions rms{.epsilon = 1e-3};
  const GroupRmsNormalizationOptions group_rms{.num_groups = 4};
  const NormalizationProperties norms{.name = rms.name};
  const AdaptiveNormalizationOptions adaptive{.epsilon = 1e-3};
  const ConditionalNormalizationOptions conditional{.num_styles = 4};
  const NormOptions norm{.epsilon = 1e-3};
  const NormChoice choice{.num_groups = 4};
  const ExecutorOptions executor{.training = true};
  const NetworkPurpose purpose{.num_classes = 10};
  const TrainingOptions training{.max_epochs = 1};
  const ImportOptions import{.shapes = {{"x", {1, 3, 8, 8}}}};
  const InputForm form{.white = 1};
  const PictureMoves moves{.shift = 4};
  const NetworkChanges changes{.freeze = {"conv*"}};
  const DiagnoseOptions diagnose{.observations = 100};
  const RecomputeOptions recompute{.weight = 0.5};
  const Normalization::ForwardArgs forward{.x = nullptr};
  const Normalization::BackwardArgs backward{.x = nullptr};
  const OpenOptions open{.count = 100};
  const MpiOptions ranks{.patience = 5};
  const std::string finished = volumes.name + volume_convolution.name + transposed.name +
                               resize.name + prelu.name + layer_scale.name + dynamic_tanh.name +
                               across.name + multiplication.name + any_pooling.name +
                               volume_pooling.name + Name(form) + changes.freeze[0] +
                               std::to_string(moves.shift + diagnose.observations) +
                               std::to_string(recompute.weight + behind.value);
  return image.name + features.name + steps.name + sequences.description + lines.name +
         convolution.name + steps_convolution.name + steps_pooling.name + attention.name +
         embedding.name + positions.name + connected.name + lstm.name + gru.name + pooling.name +
         border.name + larger.name + adaptive.name + conditional.name + leaky.name + dropout.name +
         addition.name + concatenation.name + batch.name + layer.name + instance.name + group.name +
         norms.name + norm.name +
         std::to_string(choice.num_groups + purpose.num_classes + open.count + training.max_epochs +
                        (ranks.stop ? 1 : 0) + std::ssize(import.shapes)) +
         finished + (forward.x || backward.x || executor.training ? "?" : "");
}
