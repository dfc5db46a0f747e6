#include "normkit/train/train.h"
#include "src/core/fail.h"

namespace normkit {
namespace {

bool IsFile(const std::string& network) { return network.ends_with(".json"); }

}  // namespace

Graph MakeOrReadNetwork(const std::string& network, const NetworkPurpose& purpose) {
  return IsFile(network) ? ReadNetworkJson(network, purpose) : MakeNetwork(network, purpose);
}

Graph MakeNetworkFor(const DataSource& data, const std::string& network, const NormChoice& norm) {
  const bool images = data.layout().format() == "BSSC";
  if (!images && !IsFile(network))
    Fail("network '{}' takes images, BSSC, '{}' has {}; describe another in a .json file", network,
         data.Description(), data.layout().ToString());
  if (data.target_size() > 0 && !IsFile(network))
    Fail(
        "network '{}' tells classes apart, '{}' has targets (class numbers are an array of whole "
        "numbers); describe another in a .json file",
        network, data.Description());
  NetworkPurpose purpose{.norm = norm};
  const std::vector<int64_t> shape = data.layout().shape();
  if (images) purpose.input_size = {shape[1], shape[2], shape[3]};
  purpose.num_classes = static_cast<int64_t>(data.classes().size());
  return MakeOrReadNetwork(network, purpose);
}

}  // namespace normkit
