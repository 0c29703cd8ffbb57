// The UCX wire's functions.
#include <arpa/inet.h>

#include <cstring>
#include <sstream>

#include "cuda/use_device.h"
#include "node/parts.h"
#include "node/ucx_handle.h"
#include "node/ucx_records.h"
#include "node/values.h"
#include "ucx/library.h"

namespace waybill {
namespace {

/// A numeric address; false for any other.
bool ParseAddress(const std::string& host, uint64_t port, sockaddr_storage* out, socklen_t* bytes) {
  std::memset(out, 0, sizeof *out);
  auto* v4 = reinterpret_cast<sockaddr_in*>(out);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(out);
  if (port > 65535) return false;
  if (inet_pton(AF_INET, host.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(static_cast<uint16_t>(port));
    *bytes = sizeof *v4;
    return true;
  }
  if (inet_pton(AF_INET6, host.c_str(), &v6->sin6_addr) != 1) return false;
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons(static_cast<uint16_t>(port));
  *bytes = sizeof *v6;
  return true;
}

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    if (!line.empty()) lines.push_back(line);
  }
  return lines;
}

napi_value UcxLoad(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  std::string paths;
  if (!arguments.String(0, "paths", &paths)) return nullptr;
  napi_value object = nullptr;
  napi_create_object(env, &object);
  std::string error;
  const ucx::Library* library = ucx::OpenLibrary(Lines(paths), &error);
  if (library == nullptr) {
    SetField(env, object, "unavailable", MakeString(env, error));
  } else {
    SetField(env, object, "path", MakeString(env, library->path));
    SetField(env, object, "version", MakeString(env, library->version));
  }
  return object;
}

napi_value UcxOpen(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  std::string host;
  std::string settings;
  uint64_t port = 0;
  uint64_t piece_bytes = 0;
  uint64_t window_pieces = 0;
  uint64_t spin_us = 0;
  uint64_t connect_ms = 0;
  uint64_t stall_ms = 0;
  const uint8_t* key = nullptr;
  size_t key_bytes = 0;
  if (!arguments.String(2, "host", &host) || !arguments.Integer(3, "port", &port) ||
      !arguments.String(4, "settings", &settings) || !arguments.Bytes(5, "key", &key, &key_bytes) ||
      !arguments.Integer(6, "pieceBytes", &piece_bytes) || !arguments.Integer(7, "windowPieces", &window_pieces) ||
      !arguments.Integer(8, "spinMicros", &spin_us) || !arguments.Integer(9, "connectMs", &connect_ms) ||
      !arguments.Integer(10, "stallMs", &stall_ms)) {
    return nullptr;
  }
  if (key_bytes != 32) return Throw(env, "EINVAL", "Cannot open a UCX wire: key must have 32 bytes");
  std::string error;
  const ucx::Library* library = ucx::OpenLibrary({}, &error);
  if (library == nullptr) return Throw(env, "ERR_NO_UCX", "Cannot open a UCX wire: no UCX library was loaded");
  ucx::EngineOptions options;
  if (!ParseAddress(host, port, &options.bind, &options.bind_bytes)) {
    return Throw(env, "EINVAL", "Cannot open a UCX wire: host must be an IP address and port at most 65535");
  }
  for (const std::string& line : Lines(settings)) {
    const size_t at = line.find('=');
    if (at == std::string::npos) return Throw(env, "EINVAL", "Cannot open a UCX wire: settings must be NAME=value");
    options.settings.emplace_back(line.substr(0, at), line.substr(at + 1));
  }
  options.limits.piece_bytes = piece_bytes;
  options.limits.window_pieces = static_cast<uint32_t>(window_pieces);
  options.limits.connect_timeout_ns = connect_ms * 1'000'000;
  options.limits.stall_ns = stall_ms * 1'000'000;
  options.spin_ns = spin_us * 1'000;
  options.use_device = &cuda::UseDevice;
  UcxHandle* handle =
      UcxHandle::Open(env, library->api, std::move(options), key, arguments[0], arguments[1]);
  return handle == nullptr ? nullptr : MakeUcxHandle(env, handle);
}

napi_value UcxClose(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  UcxHandle* handle = UcxHandleOf(env, arguments);
  if (handle == nullptr) return nullptr;
  handle->engine().AskToStop();
  return MakeUndefined(env);
}

napi_value UcxAwait(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  UcxHandle* handle = UcxHandleOf(env, arguments);
  bool begins = false;
  if (handle == nullptr || !arguments.Boolean(1, "begins", &begins)) return nullptr;
  if (begins) {
    handle->Started(1);
  } else {
    handle->Ended(1);
  }
  return MakeUndefined(env);
}

napi_value UcxRelease(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  UcxHandle* handle = UcxHandleOf(env, arguments);
  if (handle == nullptr) return nullptr;
  ForgetUcxHandle(env, arguments);
  handle->Release();
  return MakeUndefined(env);
}

napi_value UcxAddPeer(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  UcxHandle* handle = UcxHandleOf(env, arguments);
  uint64_t peer = 0;
  uint64_t port = 0;
  std::string host;
  if (handle == nullptr || !arguments.Integer(1, "peer", &peer) || !arguments.String(2, "host", &host) ||
      !arguments.Integer(3, "port", &port)) {
    return nullptr;
  }
  ucx::AddPeer command{static_cast<uint32_t>(peer), {}, 0};
  if (!ParseAddress(host, port, &command.address, &command.address_bytes)) {
    return Throw(env, "EINVAL", "Cannot add a UCX peer: host must be an IP address and port at most 65535");
  }
  handle->engine().commands().Post(command);
  return MakeUndefined(env);
}

napi_value UcxAddMemory(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  UcxHandle* handle = UcxHandleOf(env, arguments);
  uint64_t memory = 0;
  const uint8_t* data = nullptr;
  size_t bytes = 0;
  if (handle == nullptr || !arguments.Integer(1, "memory", &memory) || !arguments.Bytes(2, "bytes", &data, &bytes)) {
    return nullptr;
  }
  const auto id = static_cast<uint32_t>(memory);
  handle->Hold(id, arguments[2]);
  handle->engine().commands().Post(
      ucx::AddMemory{id, const_cast<uint8_t*>(data), bytes, UCS_MEMORY_TYPE_HOST, 0});
  return MakeUndefined(env);
}

napi_value UcxAddDeviceMemory(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  UcxHandle* handle = UcxHandleOf(env, arguments);
  uint64_t memory = 0;
  uint64_t address = 0;
  uint64_t bytes = 0;
  uint64_t device = 0;
  if (handle == nullptr || !arguments.Integer(1, "memory", &memory) || !arguments.Integer(2, "address", &address) ||
      !arguments.Integer(3, "byteLength", &bytes) || !arguments.Integer(4, "device", &device)) {
    return nullptr;
  }
  handle->engine().commands().Post(ucx::AddMemory{static_cast<uint32_t>(memory), reinterpret_cast<void*>(address), bytes,
                                                  UCS_MEMORY_TYPE_CUDA, static_cast<int>(device)});
  return MakeUndefined(env);
}

napi_value UcxRemoveMemory(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  UcxHandle* handle = UcxHandleOf(env, arguments);
  uint64_t memory = 0;
  if (handle == nullptr || !arguments.Integer(1, "memory", &memory)) return nullptr;
  handle->engine().commands().Post(ucx::RemoveMemory{static_cast<uint32_t>(memory)});
  return MakeUndefined(env);
}

napi_value UcxForgetMemory(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  UcxHandle* handle = UcxHandleOf(env, arguments);
  uint64_t memory = 0;
  if (handle == nullptr || !arguments.Integer(1, "memory", &memory)) return nullptr;
  handle->LetGo(static_cast<uint32_t>(memory));
  return MakeUndefined(env);
}

napi_value UcxFetch(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  UcxHandle* handle = UcxHandleOf(env, arguments);
  const uint8_t* records = nullptr;
  size_t bytes = 0;
  uint64_t count = 0;
  if (handle == nullptr || !arguments.Bytes(1, "records", &records, &bytes) || !arguments.Integer(2, "count", &count)) {
    return nullptr;
  }
  if (count > bytes / kUcxFetchRecordBytes) return Throw(env, "EINVAL", "Cannot fetch: there are fewer records than that");
  std::vector<ucx::Command> commands;
  commands.reserve(count);
  for (uint64_t i = 0; i < count; i++) commands.emplace_back(ReadUcxFetch(records + i * kUcxFetchRecordBytes));
  handle->Started(count);
  handle->engine().commands().PostAll(&commands);
  return MakeUndefined(env);
}

napi_value UcxCancel(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  UcxHandle* handle = UcxHandleOf(env, arguments);
  uint64_t token = 0;
  if (handle == nullptr || !arguments.Integer(1, "token", &token)) return nullptr;
  handle->engine().commands().Post(ucx::Cancel{static_cast<uint32_t>(token)});
  return MakeUndefined(env);
}

napi_value UcxPublish(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  UcxHandle* handle = UcxHandleOf(env, arguments);
  const uint8_t* record = nullptr;
  size_t bytes = 0;
  if (handle == nullptr || !arguments.Bytes(1, "record", &record, &bytes)) return nullptr;
  if (bytes < kUcxLeaseRecordBytes) return Throw(env, "EINVAL", "Cannot publish: the record is too short");
  handle->leases().Publish(ReadUcxLease(record));
  return MakeUndefined(env);
}

/// A reference, or false with an exception.
bool ReadReference(napi_env env, const Arguments& arguments, ucx::Reference* out) {
  const uint8_t* data = nullptr;
  size_t bytes = 0;
  if (!arguments.Bytes(1, "reference", &data, &bytes)) return false;
  if (bytes != out->size()) {
    Throw(env, "EINVAL", "reference must have 16 bytes");
    return false;
  }
  std::memcpy(out->data(), data, bytes);
  return true;
}

napi_value UcxRenew(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  UcxHandle* handle = UcxHandleOf(env, arguments);
  ucx::Reference reference;
  uint64_t expires_at_ms = 0;
  if (handle == nullptr || !ReadReference(env, arguments, &reference) ||
      !arguments.Integer(2, "expiresAtMs", &expires_at_ms)) {
    return nullptr;
  }
  handle->leases().Renew(reference, expires_at_ms);
  return MakeUndefined(env);
}

napi_value UcxWithdraw(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  UcxHandle* handle = UcxHandleOf(env, arguments);
  ucx::Reference reference;
  if (handle == nullptr || !ReadReference(env, arguments, &reference)) return nullptr;
  return MakeNumber(env, static_cast<double>(handle->leases().Withdraw(reference)));
}

napi_value UcxDescribe(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  UcxHandle* handle = UcxHandleOf(env, arguments);
  uint64_t question = 0;
  if (handle == nullptr || !arguments.Integer(1, "question", &question)) return nullptr;
  handle->engine().commands().Post(ucx::Describe{static_cast<double>(question)});
  return MakeUndefined(env);
}

napi_value UcxTakeText(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  UcxHandle* handle = UcxHandleOf(env, arguments);
  uint64_t question = 0;
  if (handle == nullptr || !arguments.Integer(1, "question", &question)) return nullptr;
  return MakeString(env, handle->completions().TakeText(static_cast<double>(question)));
}

napi_value UcxStatusText(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  double status = 0;
  if (arguments.size() < 1 || napi_get_value_double(env, arguments[0], &status) != napi_ok) return nullptr;
  std::string error;
  const ucx::Library* library = ucx::OpenLibrary({}, &error);
  if (library == nullptr || !(status > -128 && status < 128)) return MakeString(env, "");
  return MakeString(env, library->api.ucs_status_string(static_cast<ucs_status_t>(static_cast<int>(status))));
}

}  // namespace

void DefineUcx(napi_env env, napi_value exports) {
  DefineFunction(env, exports, "ucxLoad", UcxLoad);
  DefineFunction(env, exports, "ucxOpen", UcxOpen);
  DefineFunction(env, exports, "ucxClose", UcxClose);
  DefineFunction(env, exports, "ucxAwait", UcxAwait);
  DefineFunction(env, exports, "ucxRelease", UcxRelease);
  DefineFunction(env, exports, "ucxAddPeer", UcxAddPeer);
  DefineFunction(env, exports, "ucxAddMemory", UcxAddMemory);
  DefineFunction(env, exports, "ucxAddDeviceMemory", UcxAddDeviceMemory);
  DefineFunction(env, exports, "ucxRemoveMemory", UcxRemoveMemory);
  DefineFunction(env, exports, "ucxForgetMemory", UcxForgetMemory);
  DefineFunction(env, exports, "ucxFetch", UcxFetch);
  DefineFunction(env, exports, "ucxCancel", UcxCancel);
  DefineFunction(env, exports, "ucxPublish", UcxPublish);
  DefineFunction(env, exports, "ucxRenew", UcxRenew);
  DefineFunction(env, exports, "ucxWithdraw", UcxWithdraw);
  DefineFunction(env, exports, "ucxDescribe", UcxDescribe);
  DefineFunction(env, exports, "ucxTakeText", UcxTakeText);
  DefineFunction(env, exports, "ucxStatusText", UcxStatusText);
}

}  // namespace waybill
