// Values to and from JavaScript. What does not fit throws a TypeError there and returns false here.
#pragma once

#include <node_api.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/status.h"

namespace waybill {

/// The arguments of a call.
class Arguments {
 public:
  Arguments(napi_env env, napi_callback_info info);

  size_t size() const { return count_; }
  napi_value operator[](size_t index) const { return values_[index]; }
  /// What the function was defined with.
  void* data() const { return data_; }

  /// `name` is what the message calls it.
  bool String(size_t index, const char* name, std::string* out) const;
  /// An integer from 0 to 2^53 - 1.
  bool Integer(size_t index, const char* name, uint64_t* out) const;
  bool Boolean(size_t index, const char* name, bool* out) const;
  /// A Uint8Array's bytes, which live as long as the call.
  bool Bytes(size_t index, const char* name, const uint8_t** data, size_t* length) const;
  /// Whether it was left out, or null.
  bool Missing(size_t index) const;

 private:
  static constexpr size_t kMost = 12;

  bool Refuse(const char* name, const char* wanted) const;

  napi_env env_;
  size_t count_ = kMost;
  napi_value values_[kMost] = {};
  void* data_ = nullptr;
};

/// Adds a function to an object.
void DefineFunction(napi_env env, napi_value object, const char* name, napi_callback callback, void* data = nullptr);

napi_value MakeString(napi_env env, const std::string& text);
napi_value MakeNumber(napi_env env, double number);
napi_value MakeBoolean(napi_env env, bool value);
napi_value MakeStrings(napi_env env, const std::vector<std::string>& texts);
napi_value MakeUndefined(napi_env env);
void SetField(napi_env env, napi_value object, const char* name, napi_value value);

/// Throws an Error with a code, and returns what a callback returns then.
napi_value Throw(napi_env env, const char* code, const std::string& message);

/// Throws an Error with the errno's name as its code, such as `ENOSPC`: "<what>: open failed: No space left on device".
napi_value ThrowStatus(napi_env env, const std::string& what, const Status& status);

}  // namespace waybill
