#include "src/train/held_out.h"

#include "normkit/data/identity.h"
#include "src/core/fail.h"
#include "src/core/log.h"

namespace normkit {
namespace {

void CheckSame(const Network& network, const DataSource& held_out, const std::string& model) {
  constexpr const char* kPrefix = "validation-data-";
  if (!network.facts.contains(std::string(kPrefix) + "contents"))
    return Warn(
        "{}: does not say what data it was trained on; what is held out now may be what it was "
        "trained with",
        model);
  const std::string difference = Difference(Identify(held_out), network.facts, kPrefix);
  if (!difference.empty())
    Fail("data '{}': not those that training held out of its data: {}", held_out.Description(),
         difference);
}

}  // namespace

DataPtr HeldOutPart(const Network& network, const DataPtr& data, uint64_t seed,
                    const std::string& model) {
  const auto fraction = Fact<double>(network, "validation-fraction", 0);
  if (!(fraction > 0 && fraction < 1))
    Fail(
        "{}: training held nothing out of its data, expected a model trained with "
        "--validation-fraction",
        model);
  const DataPtr held_out = SplitData(data, fraction, seed).second;
  WithClasses(held_out, network.classes);  // classes that it does not know are said first
  CheckSame(network, *held_out, model);
  return held_out;
}

}  // namespace normkit
