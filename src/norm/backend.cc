#include "src/norm/backend.h"

#include <cstdlib>
#include <vector>

#include "src/core/fail.h"
#include "src/core/log.h"
#include "src/core/suggest.h"

namespace normkit {
namespace {

// What the environment asks for, read at each choice so that a test can change it.
std::string Wanted() {
  const char* name = std::getenv("NORMKIT_BACKEND");
  return name ? name : "";
}

const NormBackend& Find(std::string_view name) {
  std::vector<std::string> names;
  for (const NormBackend& backend : NormBackends()) {
    if (backend.name == name) return backend;
    names.emplace_back(backend.name);
  }
  Fail("NORMKIT_BACKEND='{}' is unknown, expected {}{}", name, fmt::join(names, " or "),
       DidYouMean(std::string(name), names));
}

}  // namespace

std::span<const NormBackend> NormBackends() {
  static const NormBackend kBackends[] = {kCpuBackend, kReferenceBackend};
  return kBackends;
}

const NormBackend& ChooseNormBackend(const Problem& problem) {
  if (const std::string wanted = Wanted(); !wanted.empty()) {
    const NormBackend& backend = Find(wanted);
    if (const std::string why = backend.why_not(problem); !why.empty())
      Fail("{}: NORMKIT_BACKEND='{}' cannot compute it: {}", problem.Title(), wanted, why);
    return backend;
  }
  std::string reasons;
  for (const NormBackend& backend : NormBackends()) {
    const std::string why = backend.why_not(problem);
    if (why.empty()) {
      if (!reasons.empty())
        Warn("{}: computed by the {} back-end, which is slow; {}", problem.Title(), backend.name,
             reasons);
      return backend;
    }
    reasons += fmt::format("{}{}: {}", reasons.empty() ? "" : "; ", backend.name, why);
  }
  Fail("{}: no back-end can compute it: {}", problem.Title(), reasons);
}

}  // namespace normkit
