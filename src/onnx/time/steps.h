// Pictures of each step: [N T,C,H,W] between the nodes of a file, which is what operators of
// pictures take. Outside they are [N,T,C,H,W].
#pragma once

#include <string>

#include "src/onnx/writer.h"

namespace normkit {

class TimeValues;

// Whether rows of sequences are pictures, lines or volumes.
bool HasPictures(const Layout& x);
// What operators of pictures see of them: each step an observation.
Layout AsPictures(const Layout& x);

// [N,T,C,H,W] as pictures. `layout`: a row.
std::string WriteAsPictures(GraphWriter& writer, TimeValues& time, const std::string& x,
                            const Layout& layout);

// The layer, which reads pictures, if it is a normalization that is not by trained statistics.
bool WritePictureNormalization(LayerWriter& writer);

// Features of steps, [N T,C], as [N,T,C].
std::string WriteAsSteps(GraphWriter& writer, TimeValues& time, const std::string& x,
                         const Layout& layout);

}  // namespace normkit
