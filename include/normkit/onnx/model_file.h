// Model files, ours and those of others, as networks to measure, mend and train on.
#pragma once

#include <memory>
#include <string>

#include "normkit/core/error.h"
#include "normkit/core/export.h"
#include "normkit/nn/network.h"
#include "normkit/nn/network_changes.h"
#include "normkit/onnx/import.h"

namespace normkit {

// A file that LoadOnnx reads is a network of layers; any other that ImportOnnx reads and that has
// one input is one, too: its batch normalizations have trained statistics and train with those of
// each mini-batch, its classes and facts are those that Save wrote, if it did.
class NORMKIT_API ModelFile {
 public:
  // Throws Error that names the file where it is neither, or cannot be changed that way.
  explicit ModelFile(const std::string& path, const NetworkChanges& changes = {});
  ~ModelFile();
  ModelFile(ModelFile&&) noexcept;
  ModelFile& operator=(ModelFile&&) noexcept;

  const std::string& path() const;
  bool ours() const;                   // written by SaveOnnx
  const Network& network() const;      // with the changes
  const std::string& input() const;    // what the file calls it
  const PictureHint& picture() const;  // of others

  // Writes `network`, which network() became by training: ours by SaveOnnx (of one that streams
  // too, which a warning says); of others the same file with the changes and other values in the
  // arrays that changed, classes and facts in its metadata. Throws Error where such an array lies
  // in another file or follows from others.
  void Save(const Network& network, const std::string& path) const;

 private:
  struct [[gnu::visibility("hidden")]] Impl;
  std::unique_ptr<Impl> impl_;
};

// Adds a softmax behind what a network of others gives, one number a class, where none is: training
// and evaluating classes want it. The file that it is of stays without.
NORMKIT_API void EndInSoftmax(Network& network);

}  // namespace normkit
