// How the progress thread makes its context, worker and listener, and how it lets go of them.
#include <stdlib.h>

#include <cstdio>

#include "ucx/engine.h"
#include "ucx/interfaces.h"
#include "ucx/place.h"
#include "ucx/process.h"

namespace waybill::ucx {

namespace {

// The oldest API that has what is used; asking for more makes older libraries warn.
constexpr unsigned kApiMajor = 1;
constexpr unsigned kApiMinor = 13;

constexpr uint64_t kFlushNs = 300'000'000;
constexpr uint64_t kInterfacesNs = 2'000'000'000;

// What each is for stands in docs/ucx.md.
constexpr const char* const kSettings[][2] = {
    {"MM_ERROR_HANDLING", "y"}, {"KEEPALIVE_INTERVAL", "500ms"}, {"TCP_USER_TIMEOUT", "2s"}, {"TCP_KEEPIDLE", "1s"},
    {"TCP_KEEPINTVL", "1s"},    {"TCP_KEEPCNT", "3"},          {"MAX_RNDV_RAILS", "1"},
};

bool InEnvironment(const std::string& name) { return getenv(("UCX_" + name).c_str()) != nullptr; }

template <typename Print>
std::string Printed(Print print) {
  char* text = nullptr;
  size_t bytes = 0;
  std::FILE* file = open_memstream(&text, &bytes);
  if (file == nullptr) return {};
  print(file);
  std::fclose(file);
  std::string result(text, bytes);
  free(text);
  return result;
}

}  // namespace

ucs_status_t Engine::Open(uint16_t* port, std::string* failed) {
  ucp_config_t* config = nullptr;
  *failed = "reading the settings";
  ucs_status_t status = api_.ucp_config_read(nullptr, nullptr, &config);
  if (status != UCS_OK) return status;
  for (const auto& [name, value] : kSettings) {
    // A version that does not know one does without it.
    if (!InEnvironment(name)) api_.ucp_config_modify(config, name, value);
  }
  for (const auto& [name, value] : options_.settings) {
    if (InEnvironment(name)) continue;
    status = api_.ucp_config_modify(config, name.c_str(), value.c_str());
    if (status != UCS_OK) {
      *failed = "the setting " + name + "=" + value;
      api_.ucp_config_release(config);
      return status;
    }
  }
  ucp_params_t params{};
  params.field_mask = UCP_PARAM_FIELD_FEATURES;
  params.features = UCP_FEATURE_AM | UCP_FEATURE_WAKEUP;
  *failed = "making a context";
  WaitForInterfaces(kInterfacesNs, stopping_);
  status = api_.ucp_init_version(kApiMajor, kApiMinor, &params, config, &context_);
  api_.ucp_config_release(config);
  if (status != UCS_OK) return status;

  *failed = "making a worker";
  ucp_worker_params_t worker{};
  worker.field_mask = UCP_WORKER_PARAM_FIELD_THREAD_MODE;
  worker.thread_mode = UCS_THREAD_MODE_SINGLE;
  status = api_.ucp_worker_create(context_, &worker, &worker_);
  if (status != UCS_OK) return status;
  status = api_.ucp_worker_get_efd(worker_, &worker_fd_);
  if (status != UCS_OK) return status;

  memories_ = std::make_unique<Memories>(api_, context_, options_.use_device);
  endpoints_ = std::make_unique<Endpoints>(api_, worker_, static_cast<Endpoints::Events*>(this));
  plane_ = std::make_unique<Plane>(
      Plane{api_, options_.limits, leases_, *memories_, *endpoints_, completions_, ThisPlace(), ThisProcess()});
  owner_ = std::make_unique<Owner>(plane_.get());
  consumer_ = std::make_unique<Consumer>(plane_.get(), worker_);
  if ((status = SetHandler(kFetchMessage, &Engine::OnFetch)) != UCS_OK) return status;
  if ((status = SetHandler(kDataMessage, &Engine::OnData)) != UCS_OK) return status;
  if ((status = SetHandler(kCancelMessage, &Engine::OnCancel)) != UCS_OK) return status;
  *failed = "listening";
  if (options_.bind_bytes == 0) return UCS_OK;
  return endpoints_->Listen(reinterpret_cast<const sockaddr*>(&options_.bind), options_.bind_bytes, port);
}

ucs_status_t Engine::SetHandler(unsigned id, ucp_am_recv_callback_t handler) {
  ucp_am_handler_param_t params{};
  params.field_mask = UCP_AM_HANDLER_PARAM_FIELD_ID | UCP_AM_HANDLER_PARAM_FIELD_FLAGS | UCP_AM_HANDLER_PARAM_FIELD_CB |
                      UCP_AM_HANDLER_PARAM_FIELD_ARG;
  params.id = id;
  params.flags = UCP_AM_FLAG_WHOLE_MSG;
  params.cb = handler;
  params.arg = this;
  return api_.ucp_worker_set_am_recv_handler(worker_, &params);
}

void Engine::Close() {
  if (endpoints_ != nullptr) {
    consumer_->FailAll(Outcome::kCanceled);
    endpoints_->StopListening();
    endpoints_->Flush();
    // What a flush does not end in time goes with the worker.
    const uint64_t begin_ns = NowNs();
    while (endpoints_->any() && NowNs() - begin_ns < kFlushNs) {
      api_.ucp_worker_progress(worker_);
      endpoints_->Work(NowNs());
    }
    if (leases_.any_used()) TellUsed();
  }
  if (memories_ != nullptr) memories_->Clear();
  if (worker_ != nullptr) api_.ucp_worker_destroy(worker_);
  if (context_ != nullptr) api_.ucp_cleanup(context_);
}

std::string Engine::DescribeAll() {
  std::string text = "@context\n" + Printed([&](std::FILE* file) { api_.ucp_context_print_info(context_, file); });
  endpoints_->ForEach([&](Connection* connection) {
    if (connection->dead) return;
    text += "@endpoint " + std::to_string(connection->peer) + (connection->established ? " established\n" : " open\n");
    text += Printed([&](std::FILE* file) { api_.ucp_ep_print_info(connection->endpoint, file); });
  });
  if (plane_->wake_ups_lost) text += "@wake-ups-lost\n";
  return text;
}

}  // namespace waybill::ucx
