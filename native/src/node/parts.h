// The parts of the addon. Each adds its functions to the module's exports.
#pragma once

#include <node_api.h>

namespace waybill {

void DefineSegments(napi_env env, napi_value exports);
void DefineMappings(napi_env env, napi_value exports);
void DefineCapabilities(napi_env env, napi_value exports);
void DefineUcx(napi_env env, napi_value exports);
void DefineCuda(napi_env env, napi_value exports);

}  // namespace waybill
