// Sequences in reports: a few of them, and what the network tells of them.
#pragma once

#include "normkit/data/source.h"
#include "normkit/nn/network.h"
#include "src/report/report.h"

namespace normkit::tools {

// Pictures over time, TSSC of 1 or 3 channels, as a strip of some of their frames; nothing of other
// steps that have space. Others each as lines over its steps, a line a channel; where steps are
// answered, the target and what is predicted of it instead, or how probable the class that is right
// is held. In the title what the sequence is and what it is told to be.
void AddSequencePlots(const Network& network, const DataPtr& data, HtmlPage& page);

}  // namespace normkit::tools
