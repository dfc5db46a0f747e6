#include "src/onednn/primitive.h"

namespace normkit {

dnnl::primitive_attr UserScratchpad() {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attr;
}

PrimitiveCall::PrimitiveCall(dnnl::primitive primitive,
                             std::initializer_list<std::pair<int, dnnl::memory::desc>> arguments)
    : primitive_(std::move(primitive)), stream_(CpuEngine()), arrays_(arguments.size(), nullptr) {
  for (const auto& [id, desc] : arguments) {
    memories_.emplace_back(desc, CpuEngine(), nullptr);
    arguments_.push_back({id, memories_.back().get()});
  }
}

dnnl_status_t PrimitiveCall::Run(std::initializer_list<const void*> arrays) {
  size_t i = 0;
  for (const void* array : arrays) {
    if (arrays_[i] != array) {
      const dnnl_status_t status =
          dnnl_memory_set_data_handle(arguments_[i].memory, const_cast<void*>(array));
      if (status != dnnl_success) return status;
      arrays_[i] = array;
    }
    ++i;
  }
  return dnnl_primitive_execute(primitive_.get(), stream_.get(),
                                static_cast<int>(arguments_.size()), arguments_.data());
}

PrimitiveCall MakeReorder(const dnnl::memory::desc& from, const dnnl::memory::desc& to) {
  const dnnl::reorder::primitive_desc desc(CpuEngine(), from, CpuEngine(), to, UserScratchpad());
  return PrimitiveCall(dnnl::reorder(desc), {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}});
}

Region ScratchLayout::Add(size_t bytes, int64_t count) {
  const Region region{bytes_, (bytes + 63) / 64 * 64};
  bytes_ += region.stride * static_cast<size_t>(count);
  return region;
}

}  // namespace normkit
