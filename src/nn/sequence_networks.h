// The networks for sequences that have a name.
#pragma once

#include "normkit/nn/networks.h"

namespace normkit {

Graph LstmNetwork(const NetworkPurpose& purpose);
Graph LayerNormLstmNetwork(const NetworkPurpose& purpose);
Graph GruNetwork(const NetworkPurpose& purpose);
Graph CnnLstmNetwork(const NetworkPurpose& purpose);
Graph TcnNetwork(const NetworkPurpose& purpose);
Graph TransformerTinyNetwork(const NetworkPurpose& purpose);

}  // namespace normkit
