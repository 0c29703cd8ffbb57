// Mapped segments: one external ArrayBuffer each, over all of it.
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "core/mapping.h"
#include "node/parts.h"
#include "node/values.h"

namespace waybill {
namespace {

/// An environment's mappings by their address, so that unmapping finds them. Finalizers take them out, on any thread.
class Mappings {
 public:
  void Add(std::unique_ptr<Mapping> mapping) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const void* data = mapping->data();
    by_address_[data] = std::move(mapping);
  }
  void Remove(const void* data) {
    const std::lock_guard<std::mutex> lock(mutex_);
    by_address_.erase(data);
  }
  Status Clear(const void* data) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = by_address_.find(data);
    return found == by_address_.end() ? Status{EINVAL, "unmap"} : found->second->Clear();
  }

 private:
  std::mutex mutex_;
  std::map<const void*, std::unique_ptr<Mapping>> by_address_;
};

void Forget(napi_env, void* data, void* hint) { static_cast<Mappings*>(hint)->Remove(data); }

napi_value MapSegment(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  uint64_t fd = 0;
  uint64_t byte_length = 0;
  bool writable = false;
  if (!arguments.Integer(0, "fd", &fd) || !arguments.Integer(1, "byteLength", &byte_length) ||
      !arguments.Boolean(2, "writable", &writable)) {
    return nullptr;
  }
  std::unique_ptr<Mapping> mapping;
  const Status status = Mapping::Map(static_cast<int>(fd), byte_length, writable, &mapping);
  if (!status.ok()) return ThrowStatus(env, "Cannot map a segment", status);
  auto* mappings = static_cast<Mappings*>(arguments.data());
  void* data = mapping->data();
  // First, since the buffer's finalizer may run as soon as it exists.
  mappings->Add(std::move(mapping));
  napi_value buffer = nullptr;
  const napi_status made = napi_create_external_arraybuffer(env, data, byte_length, Forget, mappings, &buffer);
  if (made == napi_ok) return buffer;
  mappings->Remove(data);
  if (made == napi_no_external_buffers_allowed) {
    return Throw(env, "ERR_NO_EXTERNAL_BUFFERS", "Cannot map a segment: this runtime allows no buffers over memory of others");
  }
  return Throw(env, "ERR_EXTERNAL_BUFFER", "Cannot map a segment: the runtime made no buffer over it");
}

napi_value UnmapSegment(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  void* data = nullptr;
  size_t length = 0;
  if (arguments.size() < 1 || napi_get_arraybuffer_info(env, arguments[0], &data, &length) != napi_ok) {
    napi_throw_type_error(env, nullptr, "buffer must be an ArrayBuffer");
    return nullptr;
  }
  const Status status = static_cast<Mappings*>(arguments.data())->Clear(data);
  if (!status.ok()) return ThrowStatus(env, "Cannot unmap a segment", status);
  return MakeUndefined(env);
}

}  // namespace

void DefineMappings(napi_env env, napi_value exports) {
  // Stays for as long as the process: no runtime promises that finalizers run before an environment's end.
  auto* mappings = new Mappings();
  DefineFunction(env, exports, "mapSegment", MapSegment, mappings);
  DefineFunction(env, exports, "unmapSegment", UnmapSegment, mappings);
}

}  // namespace waybill
