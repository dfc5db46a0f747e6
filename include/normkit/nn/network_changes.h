// What a finished network is made of for more training, or mended by.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "normkit/core/error.h"
#include "normkit/core/export.h"
#include "normkit/nn/network.h"

namespace normkit {

// Layers are meant by name or by patterns: `*` for any letters, `?` for one. A parameter may be
// meant by its own name, too, "conv1.bias". Of networks of others (ModelFile) layers are the nodes
// of the file and parameters its arrays.
struct NetworkChanges {
  // Three switches that have nothing to do with each other: whose parameters stay as they are, and
  // of batch normalizations, whose trained statistics training leaves alone, and which normalize
  // with these while they train. All others do as they did.
  std::vector<std::string> freeze = {}, freeze_statistics = {}, use_trained_statistics = {};
  // Normalizations whose scale becomes 1 and offset 0, as they begin.
  std::vector<std::string> reset = {};
  // Of these normalizations the epsilon.
  std::optional<double> epsilon = {};
  std::vector<std::string> epsilon_of = {"*"};
  // The last layer that has weights gives as many values as these classes are, with weights of the
  // initializer; empty: it stays.
  std::vector<std::string> classes = {};
  int64_t height = 0, width = 0;  // of the pictures that it takes; 0: as they are
  uint64_t seed = 1;              // of what is made anew
  bool operator==(const NetworkChanges&) const = default;
};

// `network`, made of layers, with these changes. Throws Error where a pattern means nothing, or a
// layer cannot be what it has to be: one whose weights are for each place of a picture knows one
// size.
NORMKIT_API Network ChangeNetwork(const Network& network, const NetworkChanges& changes);

}  // namespace normkit
