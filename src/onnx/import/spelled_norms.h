// From a normalization that a file spells out to the norm's own operation.
#pragma once

#include <string>

#include "src/onnx/import/importer.h"
#include "src/onnx/import/recognize.h"

namespace normkit {

// What it is, "instance normalization", once its x is there; "": nothing that the norm computes.
std::string NameOfSpelled(Importer& importer, const SpelledNorm& norm);

// Adds the operation, once all that it reads is there, and names what it gives.
void ReadSpelled(Importer& importer, const SpelledNorm& norm, const std::string& where);

}  // namespace normkit
