// The check of capabilities, for tests that compare it with the one in JavaScript.
#include "core/capability.h"

#include <cstring>

#include "node/parts.h"
#include "node/values.h"

namespace waybill {
namespace {

napi_value HmacSha256(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  const uint8_t* key = nullptr;
  const uint8_t* message = nullptr;
  size_t key_length = 0;
  size_t length = 0;
  if (!arguments.Bytes(0, "key", &key, &key_length) || !arguments.Bytes(1, "message", &message, &length)) return nullptr;
  const Tag tag = Hmac(key, key_length).Sign(message, length);
  void* bytes = nullptr;
  napi_value buffer = nullptr;
  napi_value array = nullptr;
  napi_create_arraybuffer(env, tag.size(), &bytes, &buffer);
  memcpy(bytes, tag.data(), tag.size());
  napi_create_typedarray(env, napi_uint8_array, tag.size(), buffer, 0, &array);
  return array;
}

napi_value VerifyCapability(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  const uint8_t* key = nullptr;
  const uint8_t* reference = nullptr;
  const uint8_t* capability = nullptr;
  size_t key_length = 0;
  size_t reference_length = 0;
  size_t length = 0;
  if (!arguments.Bytes(0, "key", &key, &key_length) ||
      !arguments.Bytes(1, "reference", &reference, &reference_length) ||
      !arguments.Bytes(2, "capability", &capability, &length)) {
    return nullptr;
  }
  if (key_length != 32) return Throw(env, "EINVAL", "Cannot check a capability: key must have 32 bytes");
  ReferenceId id{};
  VerifiedCapability verified;
  if (reference_length != id.size()) return MakeUndefined(env);
  memcpy(id.data(), reference, id.size());
  if (!CapabilityChecker(key).Verify(id, capability, length, &verified)) return MakeUndefined(env);
  napi_value object = nullptr;
  napi_create_object(env, &object);
  SetField(env, object, "rights", MakeNumber(env, verified.rights));
  SetField(env, object, "notAfterMs", MakeNumber(env, static_cast<double>(verified.not_after_ms)));
  return object;
}

}  // namespace

void DefineCapabilities(napi_env env, napi_value exports) {
  DefineFunction(env, exports, "hmacSha256", HmacSha256);
  DefineFunction(env, exports, "verifyCapability", VerifyCapability);
}

}  // namespace waybill
