#include "normkit/train/train.h"
#include "src/core/fail.h"

namespace normkit {
namespace {

bool IsFile(const std::string& network) { return network.ends_with(".json"); }

}  // namespace

Graph MakeOrReadNetwork(const std::string& network, const NetworkPurpose& purpose) {
  return IsFile(network) ? ReadNetworkJson(network, purpose) : MakeNetwork(network, purpose);
}

std::string UsualNetwork(const DataSource& data) {
  if (data.layout().packed()) return data.layout().Has(kS) ? "cnn-lstm" : "lstm";
  if (!data.position_classes().empty()) return "unet";
  return data.layout().Has(kS) ? "small-cnn" : "mlp";
}

NetworkPurpose PurposeFor(const DataSource& data, const NormChoice& norm) {
  NetworkPurpose purpose{.norm = norm};
  const std::vector<int64_t> shape = data.layout().shape();
  const std::string format = data.layout().format();
  purpose.sequences = data.layout().packed();
  if (format == "BSSC" || format == "TSSC")
    purpose.input_size = {shape[1], shape[2], shape[3]};
  else if (format == "BSSSC" || format == "TSSSC")
    purpose.input_depth = shape[1], purpose.input_size = {shape[2], shape[3], shape[4]};
  if (purpose.sequences || !data.layout().Has(kS)) purpose.num_features = data.layout().channels();
  purpose.answers_each_row = data.answers_each_row();
  purpose.num_classes = static_cast<int64_t>(data.classes().size());
  purpose.answers_each_position = !data.position_classes().empty();
  if (purpose.answers_each_position)
    purpose.num_classes = std::ssize(data.position_classes());
  else
    purpose.num_targets = data.target_size();
  return purpose;
}

Graph MakeNetworkFor(const DataSource& data, const std::string& network, const NormChoice& norm) {
  if (data.layout().Has(kS) && data.target_size() > 0 && data.position_classes().empty() &&
      !IsFile(network))
    Fail(
        "network '{}' tells classes apart, '{}' has targets (class numbers are an array of whole "
        "numbers); describe another in a .json file",
        network, data.Description());
  if (data.layout().format() == "TSC" && !IsFile(network))
    Fail(
        "network '{}': '{}' has lines over time, {} x {} (width x channels) a row, which no "
        "network "
        "by name takes; describe one in a .json file, whose sequence_input has a width",
        network, data.Description(), data.layout().shape()[1], data.layout().channels());
  return MakeOrReadNetwork(network, PurposeFor(data, norm));
}

}  // namespace normkit
