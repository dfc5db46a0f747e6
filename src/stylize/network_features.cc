// The features of a network that others trained, as a part of another graph.
#include "src/core/fail.h"
#include "src/stylize/style_features.h"

namespace normkit {

std::shared_ptr<const StyleFeatures> FeaturesOfNetwork(const std::string& path,
                                                       const std::vector<std::string>&,
                                                       const std::vector<std::string>&) {
  Fail("{}: not yet", path);
}

}  // namespace normkit
