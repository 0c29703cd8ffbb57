#include "ucx/memory.h"

namespace waybill::ucx {

void Memory::Describe(ucp_request_param_t* param) const {
  param->op_attr_mask |= UCP_OP_ATTR_FIELD_MEMORY_TYPE | UCP_OP_ATTR_FIELD_MEMH;
  param->memory_type = init.type;
  param->memh = handle;
}

ucs_status_t Memories::Add(const AddMemory& init) {
  if (memories_.count(init.memory) > 0) return UCS_ERR_ALREADY_EXISTS;
  if (init.type == UCS_MEMORY_TYPE_CUDA && (use_device_ == nullptr || !use_device_(init.device))) return UCS_ERR_NO_DEVICE;
  auto memory = std::make_unique<Memory>();
  memory->init = init;
  ucp_mem_map_params_t params{};
  params.field_mask =
      UCP_MEM_MAP_PARAM_FIELD_ADDRESS | UCP_MEM_MAP_PARAM_FIELD_LENGTH | UCP_MEM_MAP_PARAM_FIELD_MEMORY_TYPE;
  params.address = init.address;
  params.length = init.bytes;
  params.memory_type = init.type;
  const ucs_status_t status = api_.ucp_mem_map(context_, &params, &memory->handle);
  if (status == UCS_OK) memories_[init.memory] = std::move(memory);
  return status;
}

Memory* Memories::Find(uint32_t memory) {
  const auto found = memories_.find(memory);
  return found == memories_.end() || found->second->removed ? nullptr : found->second.get();
}

bool Memories::Remove(uint32_t memory) {
  const auto found = memories_.find(memory);
  if (found == memories_.end()) return true;
  found->second->removed = true;
  if (found->second->pins > 0) return false;
  Unmap(memory);
  return true;
}

bool Memories::Unpin(Memory* memory) {
  if (--memory->pins > 0 || !memory->removed) return false;
  Unmap(memory->init.memory);
  return true;
}

void Memories::Unmap(uint32_t memory) {
  const auto found = memories_.find(memory);
  api_.ucp_mem_unmap(context_, found->second->handle);
  memories_.erase(found);
}

void Memories::Clear() {
  while (!memories_.empty()) Unmap(memories_.begin()->first);
}

}  // namespace waybill::ucx
