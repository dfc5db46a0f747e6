#include "src/data/training_data.h"

#include <vector>

#include "src/core/fail.h"
#include "src/data/picture_size.h"

namespace normkit {
namespace {

Split HoldOut(const DataPtr& data, double fraction, uint64_t seed) {
  if (fraction == 0) return {data, nullptr};
  Split split = SplitData(data, fraction, seed);
  if (split.second->size() == 0) {
    // Pieces of several sequences are held out together.
    const bool pieces_help = data->layout().packed() && data->size() == 1 && data->length(0) > 1;
    Fail(
        "data '{}': nothing is held out of it by a validation fraction of {}, expected two "
        "observations of a class; give more data, validation data of their own, or a fraction of "
        "0{}",
        data->Description(), fraction,
        pieces_help ? "; --sequence-length N makes pieces of a sequence" : "");
  }
  return split;
}

// Pictures and slices are made to be of the size and colour of those that are trained on.
DataPtr OpenAs(const DataSource& training, const std::string& name, OpenOptions options) {
  if (const auto size = PictureSizeOf(training.layout())) {
    options.height = size->height;
    options.width = size->width;
    options.channels = size->channels;
  }
  return WithClasses(OpenData(name, options), training.classes());
}

}  // namespace

void TrainingData::Load() const {
  first->Load();
  if (second) second->Load();
}

TrainingData OpenTrainingData(const TrainingDataNames& names, const OpenOptions& options) {
  const DataPtr data = OpenData(names.data, options);
  if (data->classes().size() == 1)
    Fail("data '{}': has one class, '{}', expected two or more: a folder a class, or class numbers",
         data->Description(), data->classes()[0]);
  if (names.validation_data.empty())
    return {HoldOut(data, names.validation_fraction, options.seed), data->Summary(),
            data->MemoryBytes()};
  const DataPtr validation = OpenAs(*data, names.validation_data, options);
  return {{data, validation},
          data->Summary() + "; validation: " + validation->Summary(),
          data->MemoryBytes() + validation->MemoryBytes()};
}

}  // namespace normkit
