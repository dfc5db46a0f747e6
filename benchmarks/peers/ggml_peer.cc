// Norms of ggml, the library below llama.cpp, with C linkage on the caller's arrays, for
// measure.py: its norm, then a product with gamma and a sum with beta over what the norm wrote
// (product and RMS norm are one pass, by ggml's own fusion).
#include <ggml-cpu.h>
#include <ggml.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace {

constexpr float kEpsilon = 1e-5f;

struct FreeContext {
  void operator()(ggml_context* context) const { ggml_free(context); }
};

}  // namespace

// One operation; the arrays of x and y change from call to call.
struct Peer {
  std::unique_ptr<ggml_context, FreeContext> context;
  ggml_cgraph* graph;
  ggml_cplan plan;
  std::vector<uint8_t> work;
  ggml_tensor* x;
  std::vector<ggml_tensor*> results;  // the norm and what follows it, all in y
};

extern "C" {

const char* ggml_peer_version() { return ggml_version(); }

// layer: "layer", "rms" (shape [rows, channels, 1, 1]), "group" or "instance" ([B,C,H,W]). Null
// where ggml has no such norm.
Peer* ggml_peer_create(const char* name, const int64_t* shape, int num_groups, float* gamma,
                       float* beta, int threads) {
  const std::string layer = name;
  const bool rows = layer == "layer" || layer == "rms";
  if (!rows && layer != "group" && layer != "instance") return nullptr;
  auto peer = std::make_unique<Peer>();
  // As many descriptions of tensors as a graph of this size may have.
  peer->context.reset(
      ggml_init({ggml_tensor_overhead() * 16 + ggml_graph_overhead(), nullptr, true}));
  ggml_context* context = peer->context.get();
  peer->x =
      rows ? ggml_new_tensor_2d(context, GGML_TYPE_F32, shape[1], shape[0])
           : ggml_new_tensor_4d(context, GGML_TYPE_F32, shape[3], shape[2], shape[1], shape[0]);
  ggml_tensor* y =
      layer == "layer" ? ggml_norm(context, peer->x, kEpsilon)
      : layer == "rms"
          ? ggml_rms_norm(context, peer->x, kEpsilon)
          : ggml_group_norm(context, peer->x, layer == "group" ? num_groups : shape[1], kEpsilon);
  peer->results.push_back(y);
  for (float* values : {gamma, beta}) {
    if (!values) continue;
    ggml_tensor* parameter = rows ? ggml_new_tensor_1d(context, GGML_TYPE_F32, shape[1])
                                  : ggml_new_tensor_3d(context, GGML_TYPE_F32, 1, 1, shape[1]);
    parameter->data = values;
    y = values == gamma ? ggml_mul(context, y, parameter) : ggml_add(context, y, parameter);
    peer->results.push_back(y);
  }
  peer->graph = ggml_new_graph(context);
  ggml_build_forward_expand(peer->graph, y);
  peer->plan = ggml_graph_plan(peer->graph, threads, nullptr);
  peer->work.resize(peer->plan.work_size);
  peer->plan.work_data = peer->work.data();
  return peer.release();
}

void ggml_peer_run(Peer* peer, float* x, float* y) {
  peer->x->data = x;
  for (ggml_tensor* result : peer->results) result->data = y;
  ggml_graph_compute(peer->graph, &peer->plan);
}

void ggml_peer_destroy(Peer* peer) { delete peer; }

}  // extern "C"
