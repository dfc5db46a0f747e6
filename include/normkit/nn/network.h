// A graph with values: parameters in one arena, class names, and what was learned about the input.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "normkit/graph/graph.h"
#include "normkit/graph/parameters.h"

namespace normkit {

struct Network {
  Graph graph;
  Parameters parameters;
  std::vector<std::string> classes;          // empty: regression
  std::map<std::string, std::string> facts;  // how it was trained; goes into the model file
};

}  // namespace normkit
