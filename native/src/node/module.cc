// The addon's door. It keeps nothing of its own: several environments (worker threads) load it side by side.
#include <node_api.h>

#include "node/parts.h"
#include "node/values.h"

NAPI_MODULE_INIT(/* napi_env env, napi_value exports */) {
  waybill::SetField(env, exports, "version", waybill::MakeString(env, WAYBILL_VERSION));
  waybill::DefineSegments(env, exports);
  waybill::DefineMappings(env, exports);
  waybill::DefineCapabilities(env, exports);
  waybill::DefineUcx(env, exports);
  waybill::DefineCuda(env, exports);
  return exports;
}
