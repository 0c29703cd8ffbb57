// One wire as JavaScript holds it.
#ifndef WAYBILL_NODE_UCX_HANDLE_H_
#define WAYBILL_NODE_UCX_HANDLE_H_

#include <node_api.h>

#include <atomic>
#include <memory>
#include <unordered_map>

#include "node/values.h"
#include "ucx/completions.h"
#include "ucx/engine.h"
#include "ucx/leases.h"

namespace waybill {

/// Lives from ucxOpen to ucxRelease, or to the environment's end, which stops its thread.
class UcxHandle {
 public:
  /// `records` is a Float64Array, which `told` finds filled; it is called with their number. Null, with an exception in JavaScript,
  /// where that cannot be.
  static UcxHandle* Open(napi_env env, const ucx::Api& api, ucx::EngineOptions options, const uint8_t* key,
                         napi_value records, napi_value told);
  /// Stops the thread and deletes it.
  void Release();

  ucx::Engine& engine() { return *engine_; }
  ucx::LeaseTable& leases() { return leases_; }
  ucx::Completions& completions() { return completions_; }
  /// Keeps the runtime alive while something is under way.
  void Started(size_t count);
  void Ended(size_t count);
  /// Keeps a memory's buffer from being collected.
  void Hold(uint32_t memory, napi_value buffer);
  void LetGo(uint32_t memory);

 private:
  UcxHandle(napi_env env, const uint8_t* key);
  ~UcxHandle() = default;
  static void OnEnvironmentEnd(void* handle);
  static void Finalize(napi_env env, void* data, void* hint);
  static void Tell(napi_env env, napi_value told, void* context, void* data);
  void TellAll(napi_value told);
  void Notify();

  napi_env env_;
  napi_ref records_ = nullptr;
  napi_threadsafe_function tell_ = nullptr;
  std::atomic<bool> mute_{false};
  size_t under_way_ = 0;
  bool released_ = false;
  std::unordered_map<uint32_t, napi_ref> buffers_;
  ucx::LeaseTable leases_;
  ucx::Completions completions_;
  std::unique_ptr<ucx::Engine> engine_;
};

/// The functions that act on a wire take it as their first argument. Null, with an exception in JavaScript, for what is none.
UcxHandle* UcxHandleOf(napi_env env, const Arguments& arguments);
napi_value MakeUcxHandle(napi_env env, UcxHandle* handle);
/// What was made of it is none from now on.
void ForgetUcxHandle(napi_env env, const Arguments& arguments);

}  // namespace waybill

#endif
