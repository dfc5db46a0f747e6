#include "src/norm/array_copies.h"

namespace normkit {
namespace {

template <NormArray kArray>
struct CopyTag;

}  // namespace

std::string ArrayCopies::Names(const Problem& problem, const NormImplementation& made) {
  std::string names;
  for (size_t i = 0; i < kNormArrays; ++i)
    if (const auto array = static_cast<NormArray>(i); Needs(problem, made, array))
      names += (names.empty() ? "" : ", ") + std::string(Name(array));
  return names;
}

template <NormArray kArray>
void* ArrayCopies::Room() {
  const size_t bytes = static_cast<size_t>(problem_.plan.size) * problem_.ElementBytes(kArray);
  if (bytes <= kKeptScratchBytes) return Scratch<CopyTag<kArray>, char>(bytes);
  Tensor& large = copies_[static_cast<size_t>(kArray)].large;
  large = Tensor(problem_.layout, problem_.dtype, Tensor::kUninitialized);
  return large.data();
}

template <NormArray kArray>
const void* ArrayCopies::Read(const void* given) {
  if (!given || !Needs(problem_, made_, kArray)) return given;
  void* dense = Room<kArray>();
  ToDense(problem_.strides[kArray], problem_.ElementBytes(kArray), given, dense);
  return dense;
}

template <NormArray kArray>
void* ArrayCopies::Written(void* given, bool is_read) {
  if (!given || !Needs(problem_, made_, kArray)) return given;
  void* dense = Room<kArray>();
  if (is_read) ToDense(problem_.strides[kArray], problem_.ElementBytes(kArray), given, dense);
  Copy& copy = copies_[static_cast<size_t>(kArray)];
  copy.dense = dense;
  copy.to = given;
  return dense;
}

NormForwardArgs ArrayCopies::In(const NormForwardArgs& args, Half half) {
  NormForwardArgs in = args;
  in.x = Read<NormArray::kX>(args.x);
  in.residual = Read<NormArray::kResidual>(args.residual);
  in.addend = Read<NormArray::kAddend>(args.addend);
  in.gate = Read<NormArray::kGate>(args.gate);
  if (args.residual) in.sum = Written<NormArray::kSum>(args.sum, half == Half::kSecond);
  in.y = half == Half::kFirst ? nullptr : Written<NormArray::kY>(args.y);
  return in;
}

NormBackwardArgs ArrayCopies::In(const NormBackwardArgs& args, Half half) {
  NormBackwardArgs in = args;
  in.x = Read<NormArray::kX>(args.x);
  in.dy = Read<NormArray::kDy>(args.dy);
  in.y = Read<NormArray::kY>(args.y);
  in.addend = Read<NormArray::kAddend>(args.addend);
  in.gate = Read<NormArray::kGate>(args.gate);
  in.dgate = Written<NormArray::kDgate>(args.dgate, half == Half::kSecond);
  in.dx = half == Half::kFirst ? nullptr : Written<NormArray::kDx>(args.dx, args.accumulate);
  in.daddend = Written<NormArray::kDaddend>(args.daddend, half == Half::kSecond);
  return in;
}

void ArrayCopies::Finish(bool past_caches) const {
  for (size_t i = 0; i < kNormArrays; ++i) {
    const auto array = static_cast<NormArray>(i);
    if (const Copy& copy = copies_[i]; copy.to)
      FromDense(problem_.strides[array], problem_.ElementBytes(array), copy.dense, copy.to,
                past_caches);
  }
}

}  // namespace normkit
