#include "tools/json_text.h"

namespace normkit::tools {
namespace {

template <class Json>
std::string Text(const Json& value, int indent) {
  return value.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

std::string JsonText(const nlohmann::json& value, int indent) { return Text(value, indent); }
std::string JsonText(const nlohmann::ordered_json& value, int indent) {
  return Text(value, indent);
}

nlohmann::json ParseJson(const std::string& text) {
  nlohmann::json value = nlohmann::json::parse(text, nullptr, false);
  return value.is_discarded() ? nlohmann::json() : value;
}

nlohmann::json GapsToJson(const std::vector<StatisticsGap>& gaps) {
  nlohmann::json list = nlohmann::json::array();
  for (const StatisticsGap& gap : gaps)
    list.push_back({{"layer", gap.layer},
                    {"mean", gap.mean},
                    {"variance", gap.variance},
                    {"fed_mean", gap.fed_mean},
                    {"fed_variance", gap.fed_variance},
                    {"population_mean", gap.population_mean},
                    {"population_variance", gap.population_variance}});
  return list;
}

}  // namespace normkit::tools
