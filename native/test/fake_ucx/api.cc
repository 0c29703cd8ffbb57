#include <sys/eventfd.h>

#include <cstdio>

#include "fake_ucx/parts.h"

namespace waybill::fake {
namespace {

struct WorkerHandle {
  std::shared_ptr<Worker> worker;
};

template <typename Handle>
ucs_status_t Make(Handle* out) {
  *out = reinterpret_cast<Handle>(new char);
  left++;
  return UCS_OK;
}

template <typename Handle>
void Drop(Handle handle) {
  delete reinterpret_cast<char*>(handle);
  left--;
}

ucs_status_t CreateWorker(ucp_context_h, const ucp_worker_params_t*, ucp_worker_h* out) {
  auto worker = std::make_shared<Worker>();
  worker->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  *out = reinterpret_cast<ucp_worker_h>(new WorkerHandle{worker});
  left++;
  return UCS_OK;
}

void DestroyWorker(ucp_worker_h handle) {
  const std::shared_ptr<Worker> worker = WorkerOf(handle);
  for (Endpoint* endpoint : worker->endpoints) {
    CloseSide(endpoint->link, endpoint->side, UCS_ERR_CANCELED);
    delete endpoint;
    left--;
  }
  worker->endpoints.clear();
  worker->End();
  for (Request* request : worker->requests) delete request;
  worker->requests.clear();
  delete reinterpret_cast<WorkerHandle*>(handle);
  left--;
}

ucs_status_t SetHandler(ucp_worker_h handle, const ucp_am_handler_param_t* params) {
  WorkerOf(handle)->handlers[params->id] = *params;
  return UCS_OK;
}

const char* StatusText(ucs_status_t status) {
  switch (status) {
    case UCS_OK: return "Success";
    case UCS_ERR_CONNECTION_RESET: return "Connection reset by remote peer";
    case UCS_ERR_UNREACHABLE: return "Destination is unreachable";
    default: return "Some error";
  }
}

ucx::Api MakeApi() {
  ucx::Api api;
  api.ucp_am_recv_data_nbx = ReceiveNbx;
  api.ucp_am_send_nbx = SendNbx;
  api.ucp_cleanup = [](ucp_context_h context) { Drop(context); };
  api.ucp_config_modify = [](ucp_config_t*, const char*, const char*) { return UCS_OK; };
  api.ucp_config_read = [](const char*, const char*, ucp_config_t** out) { return Make(out); };
  api.ucp_config_release = [](ucp_config_t* config) { Drop(config); };
  api.ucp_context_print_info = [](const ucp_context_h, FILE* file) { fprintf(file, "# fake context\n"); };
  api.ucp_ep_close_nbx = CloseEndpoint;
  api.ucp_ep_create = CreateEndpoint;
  api.ucp_ep_print_info = [](ucp_ep_h, FILE* file) { fprintf(file, "# fake endpoint\n"); };
  api.ucp_get_version_string = []() -> const char* { return "1.22.0"; };
  api.ucp_init_version = [](unsigned, unsigned, const ucp_params_t*, const ucp_config_t*, ucp_context_h* out) { return Make(out); };
  api.ucp_listener_create = CreateListener;
  api.ucp_listener_destroy = DestroyListener;
  api.ucp_listener_query = QueryListener;
  api.ucp_listener_reject = Reject;
  api.ucp_mem_map = [](ucp_context_h, const ucp_mem_map_params_t*, ucp_mem_h* out) { return Make(out); };
  api.ucp_mem_unmap = [](ucp_context_h, ucp_mem_h memory) {
    Drop(memory);
    return UCS_OK;
  };
  api.ucp_request_free = FreeRequest;
  api.ucp_worker_arm = [](ucp_worker_h handle) { return WorkerOf(handle)->Empty() ? UCS_OK : UCS_ERR_BUSY; };
  api.ucp_worker_create = CreateWorker;
  api.ucp_worker_destroy = DestroyWorker;
  api.ucp_worker_get_efd = [](ucp_worker_h handle, int* fd) {
    *fd = WorkerOf(handle)->fd;
    return UCS_OK;
  };
  api.ucp_worker_progress = [](ucp_worker_h handle) -> unsigned { return WorkerOf(handle)->RunOne() ? 1 : 0; };
  api.ucp_worker_set_am_recv_handler = SetHandler;
  api.ucs_status_string = StatusText;
  return api;
}

}  // namespace

std::shared_ptr<Worker>& WorkerOf(ucp_worker_h handle) { return reinterpret_cast<WorkerHandle*>(handle)->worker; }

const ucx::Api& FakeApi() {
  static const ucx::Api* api = new ucx::Api(MakeApi());
  return *api;
}

}  // namespace waybill::fake
