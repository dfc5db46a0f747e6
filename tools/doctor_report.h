// What the doctor found, as JSON, text and a page.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "normkit/data/source.h"
#include "normkit/train/doctor.h"

namespace normkit::tools {

nlohmann::json DiagnosisToJson(const std::string& model, const DataSource& data,
                               const Diagnosis& diagnosis);
std::string DiagnosisText(const std::string& model, const DataSource& data,
                          const Diagnosis& diagnosis);
// With a plot for each layer that has statistics.
std::string DiagnosisPage(const std::string& model, const DataSource& data,
                          const Diagnosis& diagnosis);

}  // namespace normkit::tools
