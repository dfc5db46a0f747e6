// Where observations come from.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "normkit/core/error.h"
#include "normkit/core/export.h"
#include "normkit/core/layout.h"

namespace normkit {

// Between which values lie.
struct ValueRange {
  float low = 0, high = 0;
  bool operator==(const ValueRange&) const = default;
};

// A set of observations with labels. Images are f32 in 0..255, channels last (BSSC with B = 1).
// Sequences have a layout whose first axis is T, that of one row ("TC" with T = 1), and as many
// rows (time steps) as length() says. Reading is thread-safe and deterministic.
class NORMKIT_API DataSource {
 public:
  virtual ~DataSource() = default;
  virtual int64_t size() const = 0;
  virtual const Layout& layout() const = 0;  // of one observation, B = 1; of a row, T = 1
  // The rows of an observation, 1 or more, known without reading it. Not 1: of sequences only.
  virtual int64_t length(int64_t) const { return 1; }
  virtual const std::vector<std::string>& classes() const = 0;  // empty: regression
  virtual int64_t label(int64_t index) const = 0;               // class index
  // Its rows one after the other, length() x layout().size() values.
  virtual void Read(int64_t index, std::span<float> out) const = 0;
  // Regression: the target of an observation, target_size() values. Classification: 0.
  virtual int64_t target_size() const { return 0; }
  virtual void ReadTarget(int64_t, std::span<float>) const {}
  // Targets that are class numbers of positions, in the order of the axes of space: the names of
  // those classes; none: targets are values.
  virtual const std::vector<std::string>& position_classes() const;
  // Whether what is to be told of a sequence is told of each of its rows: length() labels or
  // targets, one after the other. Else of the whole of it, as of all other observations.
  virtual bool answers_each_row() const { return false; }
  // As many as Answers() says. Here: label(), which says nothing where rows have their own.
  virtual void ReadLabels(int64_t index, std::span<int64_t> labels) const;
  int64_t Answers(int64_t index) const { return answers_each_row() ? length(index) : 1; }
  // Observations with the same number are parts of one: SplitData leaves them together.
  virtual int64_t origin(int64_t index) const { return index; }
  virtual std::string Description() const = 0;  // "digits (4000 generated, seed 1)"

  // One of them in messages: a file where there is one, else "observation 17 of DESCRIPTION".
  virtual std::string ObservationName(int64_t index) const;
  // Changes where the names or sizes of files or the values of arrays do; see Identify. Here: of
  // all values, read once.
  virtual uint64_t Fingerprint() const;
  // Pictures: 0 to 255 whatever they show. Here: the smallest and the largest value, read once.
  virtual ValueRange Range() const;
  // One line: how many observations of which classes and sizes; what was resized or converted, what
  // was left out and why.
  virtual std::string Summary() const;
  // Bytes that the observations take in memory once Load has been called. Known from the headers of
  // the files, before anything is decoded.
  virtual int64_t MemoryBytes() const { return 0; }
  // Decodes what is kept in memory; ReadBatch does it otherwise. Throws Error on damaged files.
  virtual void Load() const {}
};

using DataPtr = std::shared_ptr<const DataSource>;

// The observations `indices` of `source`, in that order.
NORMKIT_API DataPtr Subset(DataPtr source, std::vector<int64_t> indices);

// Two parts: `fraction` of each class (at least one observation of each where it has two) goes to
// the second. Deterministic in the seed.
struct Split {
  DataPtr first = {}, second = {};
};
NORMKIT_API Split SplitData(DataPtr source, double fraction, uint64_t seed);

// The same observations with the classes in this order (names that a model was trained with);
// throws Error where the source has a class that is not among them. Regression is left as it is.
NORMKIT_API DataPtr WithClasses(DataPtr source, const std::vector<std::string>& classes);

// Arrays already in memory; x is [count, ...] in `layout` (B = 1 there), labels index classes.
NORMKIT_API DataPtr FromArrays(Layout layout, std::vector<float> x, std::vector<int64_t> labels,
                               std::vector<std::string> classes, std::string description);
NORMKIT_API DataPtr FromArraysRegression(Layout layout, std::vector<float> x,
                                         std::vector<float> targets, int64_t target_size,
                                         std::string description);

// Sequences already in memory.
struct Sequences {
  Layout layout = {};                 // of a row, T = 1: "TC [1,12]"
  std::vector<float> x = {};          // [sum of lengths, ...]
  std::vector<int64_t> lengths = {};  // of each sequence, 1 or more
  bool answers_each_row = false;      // else one for each sequence
  // Labels and the names of the classes that they index, or targets, target_size values each.
  std::vector<int64_t> labels = {};
  std::vector<std::string> classes = {};
  std::vector<float> targets = {};
  int64_t target_size = 0;
  std::string description = {};
};
// Throws Error where a length is below 1, the sizes contradict each other or a label has no class.
NORMKIT_API DataPtr FromSequences(Sequences sequences);

// 28x28 grey digits drawn with strokes, with random rotation, scale, shift, thickness, contrast,
// brightness and noise. Observation i depends on (seed, i) only.
NORMKIT_API DataPtr GenerateDigits(int64_t count, uint64_t seed);

// Sequences that a seed makes, to learn on; observation i depends on (seed, i) only.
//   parity  5 to 20 bits, and at each step whether there were an even or an odd number of ones
//   adding  10 to 30 steps of a number in 0..1 and a mark, two of which are 1; the target is the
//           sum of the marked numbers (Hochreiter & Schmidhuber 1997)
//   waves   20 to 60 steps of a sine, square, saw or triangle with noise; the class is its form
//   moving  6 to 12 grey pictures, 12x12, of a blob that moves; the class is where to
NORMKIT_API const std::vector<std::string>& TaskNames();
NORMKIT_API DataPtr GenerateTask(std::string_view name, int64_t count, uint64_t seed);

// Pictures and volumes of balls and boxes in noise, with a class (background, ball, box) for each
// position; observation i depends on (seed, i) only.
//   blobs    32x32 grey pictures
//   blobs3d  16x16x16 volumes of one channel
NORMKIT_API const std::vector<std::string>& BlobNames();
NORMKIT_API DataPtr GenerateBlobs(std::string_view name, int64_t count, uint64_t seed);

// What padding does to sequences that are shorter than others, where they stand in an array
// [N,T,C]: it follows them, or goes before them.
enum class PaddingDirection { kRight, kLeft };

// What --data takes:
// - "digits" or "digits:COUNT", and likewise what GenerateTask knows; a folder of that name is
//   "./digits";
// - a folder with a folder a class: pictures in it and below (JPEG, PNG, WebP, GIF, TIFF), all read
//   as one size, colour where any has it; or sequences, .csv (a row a step) or .npy ([T,C]);
// - a .ts, sequences as sktime and aeon write them, with a class or a target each;
// - a table as text (.csv): a row an observation, a column a feature, and one of what is to be
//   told; with `format` TC a row is a step of one sequence;
// - an IDX pair: its prefix, or either file (PREFIX-images-idx3-ubyte, PREFIX-labels-idx1-ubyte and
//   the like, with or without .gz);
// - an .npz of sequences: x [N,T,C] with `lengths` [N] (or none, and `format` BTC), or packed, x
//   [sum,C] with `lengths` or `offsets` [N+1]; y one an observation or one a step; of pictures over
//   time with `format`, BTSSC for [N,T,H,W,C];
// - "blobs", "blobs3d" and with :COUNT, what GenerateBlobs knows;
// - an .npz with x ([N,F], [N,H,W] of whole numbers 0 to 255, or [N,H,W,C] with 1 or 3 channels;
//   all else needs `format`) and y (class numbers or names [N], or floating-point targets [N] or
//   [N,K], or whole numbers of the space of x, a class for each position; x of volumes has
//   `format` BSSSC, BCSSS or BSSS), and where wanted the names of the classes, `classes` [K] of
//   texts, that numbers count from 0. Without names the numbers that occur are the classes.
// Files are known by what is in them, whatever their endings.
struct OpenOptions {
  int64_t count = 5000;  // digits
  uint64_t seed = 1;     // digits
  // Folders: pictures are resized to this; 0: the median height and width, and colour where any
  // picture has it. Other data must have these sizes.
  int64_t height = 0, width = 0, channels = 0;
  // Arrays: a letter an axis, B observations, T time, S space, C channels: "BCSS" for [N,C,H,W].
  std::string format = {};
  // Tables: the column of what is to be told, by its name or its number from 1; "": the only one
  // called label, class, target or y, else the last.
  std::string label_column = {};
  // Sequences: what is to be told of each step is the next one, instead of what the file says.
  bool forecast = false;
  // Sequences: false where only they are wanted and what is to be told of them is not looked at;
  // where nothing is, all have one class then, "".
  bool answers = true;
  // Sequences: kLongest leaves them as they are, kShortest cuts all to the shortest, N cuts each
  // into pieces of up to N steps, observations of their own.
  static constexpr int64_t kLongest = 0, kShortest = -1;
  int64_t sequence_length = kLongest;
  // Where arrays [N,T,C] have their padding; and the end from which kShortest takes away, and at
  // which the short piece is.
  PaddingDirection sequence_padding_direction = PaddingDirection::kRight;
};
// Throws Error that says what is wrong with the data or with an option that they have no use for.
NORMKIT_API DataPtr OpenData(const std::string& spec, const OpenOptions& options = {});

}  // namespace normkit
