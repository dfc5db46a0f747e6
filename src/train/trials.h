// What the doctor tries: networks, or forms of their input, that would be better if a fault were
// there.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "src/train/examine.h"

namespace normkit {

// A network as it is taken for the time being.
struct Patient {
  Network network;
  InputForm form;
};

struct Trial {
  Finding finding;  // without effect and figures
  int rank = 0;     // of equally good cures the one of the lowest rank is the cause
  std::function<Patient(const Patient&)> cure;
};

// What is known when trials are made.
struct Evidence {
  const DiagnoseOptions& options;
  DataPtr data;  // raw
  std::vector<NormHealth> layers;
};

// All that could be wrong with the patient; most of it is not.
std::vector<Trial> TrialsFor(const Patient& patient, const Evidence& evidence);

// Where it answers the same whatever it is asked: the cause, if it is a normalization that lets
// nothing through. Nothing can be tried then, but training.
std::optional<Finding> CauseOfSilence(const Patient& patient, const Evidence& evidence);

// The words of a command line behind "--data SOURCE" that ask for a form.
std::string FormWords(const InputForm& form);

}  // namespace normkit
