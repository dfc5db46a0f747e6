// metadata_props: what ONNX has no place for.
//   normkit.format    "1"
//   normkit.classes   ["0","1",...]                  class names (absent: regression)
//   normkit.input_normalization  "zscore"            what the first nodes do to the input
//   normkit.layers    {"bn1":{"epsilon":1e-05,...}}  properties that nodes cannot carry, where they
//                                                    differ from what the nodes alone say
//   normkit.network   {"layers":[{...},...]}         of sequences: the network, as in JSON
//   normkit.facts     {"epochs":"5",...}             how the network was trained
#pragma once

#include <onnx.pb.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace normkit {

struct Metadata {
  std::string input_normalization;
  std::vector<std::string> classes;
  nlohmann::json layers = nlohmann::json::object();
  nlohmann::json network;  // null: the nodes say it
  std::map<std::string, std::string> facts;
};

// Throws Error where a text is not UTF-8.
void WriteMetadata(const Metadata& metadata, onnx::ModelProto* model);

// Classes and facts of a file of others, in place of those that it has.
void ReplaceFacts(const Metadata& metadata, onnx::ModelProto* model);

// Facts alone, each under its own name.
void WriteFacts(const std::map<std::string, std::string>& facts, onnx::ModelProto* model);

// Ignores what does not begin with "normkit."; throws Error on what does and is not as above.
Metadata ReadMetadata(const onnx::ModelProto& model, const std::string& file);

// Whether a text can name a layer in a file: UTF-8 without control characters.
bool IsName(const std::string& text);

}  // namespace normkit
