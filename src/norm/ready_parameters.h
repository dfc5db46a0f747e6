// gamma and beta of any type, as the back-ends take them.
#pragma once

#include <vector>

#include "src/norm/problem.h"

namespace normkit {

// gamma and beta in ParameterDType(dtype), 1 added where the options say so: those that are given,
// or copies that live as long as this. Null stays null.
class ReadyParameters {
 public:
  ReadyParameters(const Problem& problem, const void* gamma, const void* beta);

  const void* gamma() const { return gamma_; }
  const void* beta() const { return beta_; }

  // The arguments of a call with these.
  template <class Args>
  Args In(const Args& args) const {
    Args ready = args;
    ready.gamma = gamma_;
    ready.beta = beta_;
    return ready;
  }

 private:
  std::vector<char> large_[2];  // copies that a thread does not keep
  const void* gamma_;
  const void* beta_;
};

}  // namespace normkit
