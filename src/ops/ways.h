// Operations that can be computed in several ways: an ordered list, each with a reason why not.
#pragma once

#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "normkit/ops/op.h"
#include "src/core/fail.h"
#include "src/core/suggest.h"

namespace normkit::ops {

template <class Shape>
struct Way {
  std::string_view name;                 // "winograd": in the environment
  std::string (*why_not)(const Shape&);  // "": it can be, and is worth it
  std::unique_ptr<Kernel> (*make)(const Shape&, const Preparation& how);
};

// The first way that can, or the one that `variable` in the environment names. The kernel says
// which it is and why not the ones before it. Throws Error where the environment asks for a way
// that is none, or that cannot.
template <class Shape>
std::unique_ptr<Kernel> MakeFirst(std::span<const Way<Shape>> ways, const char* variable,
                                  const Shape& shape, const Preparation& how) {
  const char* value = std::getenv(variable);
  const std::string wanted = value ? value : "";
  std::vector<std::string> names;
  std::string reasons;
  for (const Way<Shape>& way : ways) {
    names.emplace_back(way.name);
    if (!wanted.empty() && way.name != wanted) continue;
    const std::string why = way.why_not(shape);
    if (why.empty()) {
      std::unique_ptr<Kernel> kernel = way.make(shape, how);
      kernel->set_way(std::string(way.name) + reasons);
      return kernel;
    }
    if (!wanted.empty()) Fail("{}='{}' cannot compute it: {}", variable, wanted, why);
    reasons += fmt::format("; not {}: {}", way.name, why);
  }
  Fail("{}='{}' is unknown, expected {}{}", variable, wanted, fmt::join(names, ", "),
       DidYouMean(wanted, names));
}

}  // namespace normkit::ops
