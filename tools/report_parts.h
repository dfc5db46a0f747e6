// What a training's report shows of the network and of its data.
#pragma once

#include <span>

#include "normkit/data/image.h"
#include "normkit/data/source.h"
#include "normkit/nn/network.h"
#include "normkit/train/train.h"
#include "src/report/report.h"

namespace normkit::tools {

// Curves over the channels of what each normalization learned and gathered.
void AddNormPlots(const Network& network, HtmlPage& page);

// Pixels of [.., height, width, channels] in `layout`: the values themselves where all data,
// `range`, are within 0 to 255, else 0 to 255 from the least to the largest.
Image PictureOf(std::span<const float> values, const Layout& layout, const ValueRange& range);

// Of pictures with a class each: the first ones and those told wrong, with what they were told to
// be. `evaluation`: of `data`.
void AddSamplePictures(const Network& network, const DataPtr& data, const Evaluation& evaluation,
                       HtmlPage& page);

// Rows are the true classes; the more of a class a cell has, the darker it is.
void AddConfusion(const Network& network, const Evaluation& evaluation, HtmlPage& page);

}  // namespace normkit::tools
