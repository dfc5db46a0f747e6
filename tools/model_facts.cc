#include "tools/model_facts.h"

#include "normkit/data/identity.h"
#include "src/core/log.h"

namespace normkit::tools {

void WarnOfRange(const Network& network, const ValueRange& given, const std::string& what) {
  const auto fact = network.facts.find("input-range");
  if (fact == network.facts.end()) return;
  const bool images = network.graph.input_layout().format() == "BSSC";
  const std::string odd = RangeWarning(given, ParseValueRange(fact->second), images);
  if (!odd.empty()) Warn("{}: {}", what, odd);
}

}  // namespace normkit::tools
