#include "node/ucx_handle.h"

#include <utility>

namespace waybill {

namespace {

constexpr napi_type_tag kTag = {0x77617962696c6c75, 0x63782d68616e646c};

struct Box {
  UcxHandle* handle;
};

Box* BoxOf(napi_env env, const Arguments& arguments) {
  napi_valuetype type = napi_undefined;
  bool ours = false;
  void* data = nullptr;
  if (arguments.size() > 0) napi_typeof(env, arguments[0], &type);
  if (type == napi_external) napi_check_object_type_tag(env, arguments[0], &kTag, &ours);
  if (ours) napi_get_value_external(env, arguments[0], &data);
  return static_cast<Box*>(data);
}

}  // namespace

UcxHandle* UcxHandleOf(napi_env env, const Arguments& arguments) {
  const Box* box = BoxOf(env, arguments);
  if (box != nullptr && box->handle != nullptr) return box->handle;
  napi_throw_type_error(env, nullptr, "wire must be an open one");
  return nullptr;
}

napi_value MakeUcxHandle(napi_env env, UcxHandle* handle) {
  napi_value external = nullptr;
  auto* box = new Box{handle};
  napi_create_external(env, box, [](napi_env, void* data, void*) { delete static_cast<Box*>(data); }, nullptr, &external);
  napi_type_tag_object(env, external, &kTag);
  return external;
}

void ForgetUcxHandle(napi_env env, const Arguments& arguments) {
  if (Box* box = BoxOf(env, arguments)) box->handle = nullptr;
}

UcxHandle::UcxHandle(napi_env env, const uint8_t* key) : env_(env), leases_(key), completions_([this] { Notify(); }) {}

UcxHandle* UcxHandle::Open(napi_env env, const ucx::Api& api, ucx::EngineOptions options, const uint8_t* key,
                           napi_value records, napi_value told) {
  auto* handle = new UcxHandle(env, key);
  const napi_value name = MakeString(env, "waybill-ucx");
  if (napi_create_reference(env, records, 1, &handle->records_) != napi_ok ||
      napi_create_threadsafe_function(env, told, nullptr, name, 0, 1, handle, &UcxHandle::Finalize, handle, &UcxHandle::Tell,
                                      &handle->tell_) != napi_ok) {
    delete handle;
    napi_throw_type_error(env, nullptr, "told must be a function, records a Float64Array");
    return nullptr;
  }
  napi_unref_threadsafe_function(env, handle->tell_);
  // After the threadsafe function's own: the last one is called first.
  napi_add_env_cleanup_hook(env, &UcxHandle::OnEnvironmentEnd, handle);
  handle->engine_ = std::make_unique<ucx::Engine>(api, std::move(options), &handle->leases_, &handle->completions_);
  return handle;
}

void UcxHandle::OnEnvironmentEnd(void* data) {
  auto* handle = static_cast<UcxHandle*>(data);
  handle->mute_.store(true);
  // Not deleted: a call that JavaScript has not seen yet may still come.
  handle->engine_->Stop();
}

void UcxHandle::Release() {
  released_ = true;
  mute_.store(true);
  napi_remove_env_cleanup_hook(env_, &UcxHandle::OnEnvironmentEnd, this);
  engine_->Stop();
  for (const auto& [memory, reference] : buffers_) napi_delete_reference(env_, reference);
  napi_delete_reference(env_, records_);
  records_ = nullptr;
  // The one that was told last may still be on its way to JavaScript: this is deleted with the function.
  napi_release_threadsafe_function(tell_, napi_tsfn_release);
}

void UcxHandle::Finalize(napi_env /* env */, void* data, void* /* hint */) {
  auto* handle = static_cast<UcxHandle*>(data);
  // At the environment's end its hook comes as well, before or after this.
  if (handle->released_) delete handle;
}

void UcxHandle::Notify() {
  if (!mute_.load()) napi_call_threadsafe_function(tell_, nullptr, napi_tsfn_nonblocking);
}

void UcxHandle::Tell(napi_env env, napi_value told, void* context, void* /* data */) {
  auto* handle = static_cast<UcxHandle*>(context);
  if (env != nullptr && !handle->mute_.load()) handle->TellAll(told);
}

void UcxHandle::TellAll(napi_value told) {
  napi_value self = nullptr;
  napi_get_undefined(env_, &self);
  while (records_ != nullptr) {
    napi_handle_scope scope = nullptr;
    napi_open_handle_scope(env_, &scope);
    napi_value array = nullptr;
    napi_typedarray_type type = napi_float64_array;
    size_t length = 0;
    void* data = nullptr;
    napi_get_reference_value(env_, records_, &array);
    size_t count = 0;
    if (napi_get_typedarray_info(env_, array, &type, &length, &data, nullptr, nullptr) == napi_ok) {
      count = completions_.Drain(static_cast<double*>(data), length / ucx::Completions::kStride);
    }
    size_t settled = 0;
    for (size_t i = 0; i < count; i++) {
      const double kind = static_cast<double*>(data)[i * ucx::Completions::kStride];
      if (kind == static_cast<double>(ucx::Event::kSettled)) settled++;
    }
    if (settled > 0) Ended(settled);
    napi_status called = napi_ok;
    if (count > 0) {
      napi_value argument = MakeNumber(env_, static_cast<double>(count));
      called = napi_call_function(env_, self, told, 1, &argument, nullptr);
    }
    napi_close_handle_scope(env_, scope);
    if (count == 0 || called != napi_ok) return;
  }
}

void UcxHandle::Started(size_t count) {
  if (under_way_ == 0 && count > 0) napi_ref_threadsafe_function(env_, tell_);
  under_way_ += count;
}

void UcxHandle::Ended(size_t count) {
  if (under_way_ == 0) return;
  under_way_ -= count < under_way_ ? count : under_way_;
  if (under_way_ == 0) napi_unref_threadsafe_function(env_, tell_);
}

void UcxHandle::Hold(uint32_t memory, napi_value buffer) {
  napi_ref reference = nullptr;
  napi_create_reference(env_, buffer, 1, &reference);
  buffers_[memory] = reference;
}

void UcxHandle::LetGo(uint32_t memory) {
  const auto found = buffers_.find(memory);
  if (found == buffers_.end()) return;
  napi_delete_reference(env_, found->second);
  buffers_.erase(found);
}

}  // namespace waybill
