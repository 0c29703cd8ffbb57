#include "node/values.h"

#include <cstring>

namespace waybill {

Arguments::Arguments(napi_env env, napi_callback_info info) : env_(env) {
  if (napi_get_cb_info(env, info, &count_, values_, nullptr, &data_) != napi_ok) count_ = 0;
}

bool Arguments::Refuse(const char* name, const char* wanted) const {
  napi_throw_type_error(env_, nullptr, (std::string(name) + " must be " + wanted).c_str());
  return false;
}

bool Arguments::String(size_t index, const char* name, std::string* out) const {
  size_t length = 0;
  if (index >= count_ || napi_get_value_string_utf8(env_, values_[index], nullptr, 0, &length) != napi_ok) {
    return Refuse(name, "a string");
  }
  out->resize(length);
  napi_get_value_string_utf8(env_, values_[index], out->data(), length + 1, &length);
  // Such a path would mean another file to the system than to JavaScript.
  return out->find('\0') == std::string::npos || Refuse(name, "a string without NUL");
}

bool Arguments::Integer(size_t index, const char* name, uint64_t* out) const {
  double number = -1;
  const bool is_number = index < count_ && napi_get_value_double(env_, values_[index], &number) == napi_ok;
  if (!is_number || !(number >= 0 && number <= 9007199254740991.0) || number != static_cast<double>(static_cast<uint64_t>(number))) {
    return Refuse(name, "an integer from 0");
  }
  *out = static_cast<uint64_t>(number);
  return true;
}

bool Arguments::Boolean(size_t index, const char* name, bool* out) const {
  if (index >= count_ || napi_get_value_bool(env_, values_[index], out) != napi_ok) return Refuse(name, "true or false");
  return true;
}

bool Arguments::Bytes(size_t index, const char* name, const uint8_t** data, size_t* length) const {
  napi_typedarray_type type = napi_int8_array;
  void* bytes = nullptr;
  bool is_array = false;
  if (index < count_) napi_is_typedarray(env_, values_[index], &is_array);
  if (!is_array ||
      napi_get_typedarray_info(env_, values_[index], &type, length, &bytes, nullptr, nullptr) != napi_ok ||
      type != napi_uint8_array) {
    return Refuse(name, "a Uint8Array");
  }
  *data = static_cast<const uint8_t*>(bytes);
  return true;
}

bool Arguments::Missing(size_t index) const {
  napi_valuetype type = napi_undefined;
  if (index < count_) napi_typeof(env_, values_[index], &type);
  return type == napi_undefined || type == napi_null;
}

void DefineFunction(napi_env env, napi_value object, const char* name, napi_callback callback, void* data) {
  napi_value function = nullptr;
  if (napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, data, &function) != napi_ok) return;
  SetField(env, object, name, function);
}

napi_value MakeString(napi_env env, const std::string& text) {
  napi_value value = nullptr;
  napi_create_string_utf8(env, text.data(), text.size(), &value);
  return value;
}

napi_value MakeNumber(napi_env env, double number) {
  napi_value value = nullptr;
  napi_create_double(env, number, &value);
  return value;
}

napi_value MakeBoolean(napi_env env, bool boolean) {
  napi_value value = nullptr;
  napi_get_boolean(env, boolean, &value);
  return value;
}

napi_value MakeStrings(napi_env env, const std::vector<std::string>& texts) {
  napi_value array = nullptr;
  napi_create_array_with_length(env, texts.size(), &array);
  for (size_t i = 0; i < texts.size(); i++) napi_set_element(env, array, static_cast<uint32_t>(i), MakeString(env, texts[i]));
  return array;
}

napi_value MakeUndefined(napi_env env) {
  napi_value value = nullptr;
  napi_get_undefined(env, &value);
  return value;
}

void SetField(napi_env env, napi_value object, const char* name, napi_value value) {
  napi_set_named_property(env, object, name, value);
}

napi_value Throw(napi_env env, const char* code, const std::string& message) {
  napi_throw_error(env, code, message.c_str());
  return nullptr;
}

napi_value ThrowStatus(napi_env env, const std::string& what, const Status& status) {
  const char* code = strerrorname_np(status.error);
  const std::string reason = std::string(status.call) + " failed: " + strerrordesc_np(status.error);
  return Throw(env, code == nullptr ? "EUNKNOWN" : code, what + ": " + reason);
}

}  // namespace waybill
