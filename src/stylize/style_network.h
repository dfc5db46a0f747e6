// The feed-forward networks that give pictures a style.
#pragma once

#include <cstdint>

#include "normkit/nn/network.h"
#include "normkit/nn/networks.h"

namespace normkit {

struct StyleNetworkOptions {
  NormChoice norm = {.kind = NormChoice::kInstance};
  int64_t width = 16;  // channels of the first convolution
  int64_t blocks = 5;  // residual ones
  int64_t styles = 1;  // more: conditional instance normalization, which the norm has to be
  int64_t picture_height = 128, picture_width = 128;  // at which it is built; any are run
};

// Johnson et al. 2016 with the changes of Ulyanov et al. 2017 and Odena et al. 2016: a 9x9
// convolution, two that halve the picture and double the channels, residual blocks, twice nearest
// upsampling and a convolution, 9x9 to three channels, sigmoid; all borders mirrored, a
// normalization behind every convolution but the last. Inputs "image" [B,H,W,3] and, of several
// styles, "style" [B,styles], their weights; output [B,H,W,3]; colours are 0 to 1.
Graph MakeStyleNetwork(const StyleNetworkOptions& options);

// Its parameters as training begins.
Parameters BeginStyleNetwork(const Graph& graph, uint64_t seed);

}  // namespace normkit
