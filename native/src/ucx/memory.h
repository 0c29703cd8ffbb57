// The memories that tensors are read from and written to: a few large segments, each registered with UCX once.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>

#include "ucx/api.h"
#include "ucx/commands.h"

namespace waybill::ucx {

// Makes a device current on the calling thread before its memory is touched. Null where there are no devices.
using UseDevice = bool (*)(int device);

struct Memory {
  AddMemory init;
  ucp_mem_h handle = nullptr;
  // Sends and receives that are under way.
  uint32_t pins = 0;
  bool removed = false;

  uint8_t* At(uint64_t offset) const { return static_cast<uint8_t*>(init.address) + offset; }
  bool Holds(uint64_t offset, uint64_t bytes) const { return bytes <= init.bytes && offset <= init.bytes - bytes; }
  bool on_device() const { return init.type != UCS_MEMORY_TYPE_HOST && init.type != UCS_MEMORY_TYPE_CUDA_MANAGED; }
  // Adds what the operation has to know about a buffer in it.
  void Describe(ucp_request_param_t* param) const;
};

class Memories {
 public:
  Memories(const Api& api, ucp_context_h context, UseDevice use_device)
      : api_(api), context_(context), use_device_(use_device) {}

  ucs_status_t Add(const AddMemory& init);
  // Null when there is none, or it is being removed.
  Memory* Find(uint32_t memory);
  // Whether it is gone now; else it is once its last pin ends, which Unpin tells.
  bool Remove(uint32_t memory);
  // True when the memory is gone with this.
  bool Unpin(Memory* memory);
  void Clear();

 private:
  void Unmap(uint32_t memory);

  const Api& api_;
  ucp_context_h context_;
  UseDevice use_device_;
  std::unordered_map<uint32_t, std::unique_ptr<Memory>> memories_;
};

}  // namespace waybill::ucx
