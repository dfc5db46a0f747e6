// oneDNN's layer and batch normalization with C linkage, on the caller's arrays, for measure.py.
#include <omp.h>

#include <dnnl.hpp>
#include <memory>
#include <string>
#include <unordered_map>

namespace {

using dnnl::memory;
using dnnl::normalization_flags;
using dnnl::prop_kind;
using Arguments = std::unordered_map<int, memory>;

const dnnl::engine& Engine() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

dnnl::stream& Stream() {
  static dnnl::stream stream(Engine());
  return stream;
}

constexpr float kEpsilon = 1e-5f;

enum Op { kForward, kInference, kBackward };

}  // namespace

// One operation: what to execute, and the memory objects whose arrays change from call to call.
struct Peer {
  dnnl::primitive primitive;
  Arguments arguments;
  memory x, y, dy, dx;
  std::string implementation;
};

namespace {

memory OfArray(const memory::desc& desc) { return memory(desc, Engine(), nullptr); }

// Memory for what the primitive calls `name`, zeroed.
memory Owned(const memory::desc& desc) {
  memory result(desc, Engine());
  std::fill_n(static_cast<float*>(result.get_data_handle()), desc.get_size() / sizeof(float), 0.5f);
  return result;
}

// The descriptions of a normalization; version 3 of oneDNN does without descriptors and names the
// type of the result as well.
template <class Forward>
auto DescribeForward(prop_kind kind, const memory::desc& data, normalization_flags flags) {
#if DNNL_VERSION_MAJOR >= 3
  return typename Forward::primitive_desc(Engine(), kind, data, data, kEpsilon, flags);
#else
  return typename Forward::primitive_desc(typename Forward::desc(kind, data, kEpsilon, flags),
                                          Engine());
#endif
}

template <class Backward, class Hint>
auto DescribeBackward(const Hint& hint, const memory::desc& data, normalization_flags flags) {
#if DNNL_VERSION_MAJOR >= 3
  return typename Backward::primitive_desc(Engine(), prop_kind::backward, data, data, data,
                                           kEpsilon, flags, hint);
#else
  return typename Backward::primitive_desc(
      typename Backward::desc(prop_kind::backward, data, data, kEpsilon, flags), Engine(), hint);
#endif
}

template <class Forward, class Backward>
std::unique_ptr<Peer> MakePeer(Op op, const memory::desc& data, int64_t channels,
                               normalization_flags flags) {
  auto peer = std::make_unique<Peer>();
  flags = flags | normalization_flags::use_scale | normalization_flags::use_shift;
  const auto kind = op == kInference ? prop_kind::forward_inference : prop_kind::forward_training;
  const auto forward = DescribeForward<Forward>(kind, data, flags);
  const memory::desc vector({channels}, memory::data_type::f32, memory::format_tag::a);
  peer->x = OfArray(data);
  peer->arguments = {{DNNL_ARG_SRC, peer->x},
                     {DNNL_ARG_SCALE, Owned(vector)},
                     {DNNL_ARG_SHIFT, Owned(vector)},
                     {DNNL_ARG_MEAN, Owned(forward.mean_desc())},
                     {DNNL_ARG_VARIANCE, Owned(forward.variance_desc())}};
  if (op != kBackward) {
    peer->y = OfArray(data);
    peer->arguments[DNNL_ARG_DST] = peer->y;
    peer->primitive = Forward(forward);
    peer->implementation = forward.impl_info_str();
    return peer;
  }
  const auto backward = DescribeBackward<Backward>(forward, data, flags);
  peer->dy = OfArray(data);
  peer->dx = OfArray(data);
  peer->arguments[DNNL_ARG_DIFF_DST] = peer->dy;
  peer->arguments[DNNL_ARG_DIFF_SRC] = peer->dx;
  peer->arguments[DNNL_ARG_DIFF_SCALE] = Owned(vector);
  peer->arguments[DNNL_ARG_DIFF_SHIFT] = Owned(vector);
#if DNNL_VERSION_MAJOR >= 3
  // What a gradient does not depend on is one argument too many, in this operation alone.
  if constexpr (std::is_same_v<Backward, dnnl::batch_normalization_backward>)
    peer->arguments.erase(DNNL_ARG_SHIFT);
#endif
  peer->primitive = Backward(backward);
  peer->implementation = backward.impl_info_str();
  return peer;
}

}  // namespace

extern "C" {

const char* peer_version() {
  static const std::string version = std::to_string(dnnl::version()->major) + "." +
                                     std::to_string(dnnl::version()->minor) + "." +
                                     std::to_string(dnnl::version()->patch);
  return version.c_str();
}

// layer: "layer" (shape [rows, channels]) or "batch" (shape [B,C,H,W], `channels_last` in memory).
// Null where oneDNN cannot.
Peer* peer_create(const char* layer, int op, const int64_t* shape, int channels_last, int bf16) {
  try {
    const auto type = bf16 ? memory::data_type::bf16 : memory::data_type::f32;
    if (std::string(layer) == "layer") {
      const memory::desc data({shape[0], shape[1]}, type, memory::format_tag::ab);
      return MakePeer<dnnl::layer_normalization_forward, dnnl::layer_normalization_backward>(
                 static_cast<Op>(op), data, shape[1], normalization_flags::none)
          .release();
    }
    const auto tag = channels_last ? memory::format_tag::nhwc : memory::format_tag::nchw;
    const memory::desc data({shape[0], shape[1], shape[2], shape[3]}, type, tag);
    const auto flags =
        op == kInference ? normalization_flags::use_global_stats : normalization_flags::none;
    return MakePeer<dnnl::batch_normalization_forward, dnnl::batch_normalization_backward>(
               static_cast<Op>(op), data, shape[1], flags)
        .release();
  } catch (const dnnl::error&) {
    return nullptr;
  }
}

const char* peer_implementation(const Peer* peer) { return peer->implementation.c_str(); }

// scale, shift, mean, variance: f32, null: as they are.
void peer_set(Peer* peer, const float* scale, const float* shift, const float* mean,
              const float* variance) {
  const std::pair<int, const float*> given[] = {{DNNL_ARG_SCALE, scale},
                                                {DNNL_ARG_SHIFT, shift},
                                                {DNNL_ARG_MEAN, mean},
                                                {DNNL_ARG_VARIANCE, variance}};
  for (const auto& [name, values] : given) {
    if (!values || !peer->arguments.contains(name)) continue;
    memory& target = peer->arguments[name];
    std::copy_n(values, target.get_desc().get_size() / sizeof(float),
                static_cast<float*>(target.get_data_handle()));
  }
}

void peer_run(Peer* peer, void* x, void* y, void* dy, void* dx) {
  peer->x.set_data_handle(x);
  if (peer->y) peer->y.set_data_handle(y);
  if (peer->dy) peer->dy.set_data_handle(dy);
  if (peer->dx) peer->dx.set_data_handle(dx);
  peer->primitive.execute(Stream(), peer->arguments);
  Stream().wait();
}

void peer_destroy(Peer* peer) { delete peer; }

void peer_set_threads(int threads) { omp_set_num_threads(threads); }

}  // extern "C"
