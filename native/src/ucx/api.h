// The functions of libucp that are used, as pointers: the library is opened at run time, and tests put a fake in its place.
#pragma once

#include <ucp/api/ucp.h>

namespace waybill::ucx {

#define WAYBILL_UCP_FUNCTIONS(X) \
  X(ucp_am_recv_data_nbx)        \
  X(ucp_am_send_nbx)             \
  X(ucp_cleanup)                 \
  X(ucp_config_modify)           \
  X(ucp_config_read)             \
  X(ucp_config_release)          \
  X(ucp_context_print_info)      \
  X(ucp_ep_close_nbx)            \
  X(ucp_ep_create)               \
  X(ucp_ep_print_info)           \
  X(ucp_get_version_string)      \
  X(ucp_init_version)            \
  X(ucp_listener_create)         \
  X(ucp_listener_destroy)        \
  X(ucp_listener_query)          \
  X(ucp_listener_reject)         \
  X(ucp_mem_map)                 \
  X(ucp_mem_unmap)               \
  X(ucp_request_free)            \
  X(ucp_worker_arm)              \
  X(ucp_worker_create)           \
  X(ucp_worker_destroy)          \
  X(ucp_worker_get_efd)          \
  X(ucp_worker_progress)         \
  X(ucp_worker_set_am_recv_handler) \
  X(ucs_status_string)

struct Api {
#define WAYBILL_UCP_POINTER(name) decltype(&::name) name = nullptr;
  WAYBILL_UCP_FUNCTIONS(WAYBILL_UCP_POINTER)
#undef WAYBILL_UCP_POINTER
};

}  // namespace waybill::ucx
