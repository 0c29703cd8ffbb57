#include <netinet/in.h>

#include <algorithm>

#include "fake_ucx/parts.h"

namespace waybill::fake {

Registry& Listeners() {
  static auto* registry = new Registry();
  return *registry;
}

namespace {

uint16_t PortOf(const sockaddr* address) { return ntohs(reinterpret_cast<const sockaddr_in*>(address)->sin_port); }

Endpoint* Add(const std::shared_ptr<Worker>& worker, const std::shared_ptr<Link>& link, int side, const ucp_ep_params_t* params) {
  auto* endpoint = new Endpoint{worker, link, side, params->err_handler, false};
  worker->endpoints.insert(endpoint);
  left++;
  return endpoint;
}

}  // namespace

ucs_status_t CreateEndpoint(ucp_worker_h handle, const ucp_ep_params_t* params, ucp_ep_h* out) {
  const std::shared_ptr<Worker> worker = WorkerOf(handle);
  if ((params->field_mask & UCP_EP_PARAM_FIELD_CONN_REQUEST) != 0) {
    auto* request = reinterpret_cast<ConnectionRequest*>(params->conn_request);
    const std::shared_ptr<Link> link = request->link;
    delete request;
    const std::lock_guard<std::mutex> lock(link->mutex);
    Endpoint* endpoint = Add(worker, link, 1, params);
    link->sides[1].endpoint = endpoint;
    link->accepted = true;
    for (auto& waiting : link->waiting) worker->Post(std::move(waiting));
    link->waiting.clear();
    if (link->sides[0].closed) worker->Post([link] { FailSide(link, 1, UCS_ERR_CONNECTION_RESET); });
    *out = reinterpret_cast<ucp_ep_h>(endpoint);
    return UCS_OK;
  }
  auto link = std::make_shared<Link>();
  Endpoint* endpoint = Add(worker, link, 0, params);
  link->sides[0].worker = worker;
  link->sides[0].endpoint = endpoint;
  *out = reinterpret_cast<ucp_ep_h>(endpoint);
  Registry& registry = Listeners();
  const std::lock_guard<std::mutex> lock(registry.mutex);
  const auto found = registry.listeners.find(PortOf(params->sockaddr.addr));
  if (found == registry.listeners.end()) {
    worker->Post([link] { FailSide(link, 0, UCS_ERR_UNREACHABLE); });
    return UCS_OK;
  }
  Listener* listener = found->second;
  link->sides[1].worker = listener->worker;
  listener->worker->Post([link, port = found->first] {
    Registry& listeners = Listeners();
    ucp_listener_conn_handler_t handler{};
    {
      const std::lock_guard<std::mutex> guard(listeners.mutex);
      const auto still = listeners.listeners.find(port);
      if (still != listeners.listeners.end()) handler = still->second->handler;
    }
    if (handler.cb != nullptr) return handler.cb(reinterpret_cast<ucp_conn_request_h>(new ConnectionRequest{link}), handler.arg);
    if (const auto dialing = link->sides[0].worker.lock()) dialing->Post([link] { FailSide(link, 0, UCS_ERR_REJECTED); });
  });
  return UCS_OK;
}

void FailSide(const std::shared_ptr<Link>& link, int side, ucs_status_t status) {
  Endpoint* endpoint = nullptr;
  {
    const std::lock_guard<std::mutex> lock(link->mutex);
    if (link->sides[side].closed) return;
    endpoint = link->sides[side].endpoint;
    if (endpoint == nullptr || endpoint->failed) return;
    endpoint->failed = true;
    const auto outstanding = link->sides[side].outstanding;
    for (const auto& op : outstanding) Finish(link, side, op, status);
  }
  endpoint->handler.cb(endpoint->handler.arg, reinterpret_cast<ucp_ep_h>(endpoint), status);
}

void Finish(const std::shared_ptr<Link>& link, int side, const std::shared_ptr<SendOp>& op, ucs_status_t status) {
  if (op->finished) return;
  op->finished = true;
  auto& outstanding = link->sides[side].outstanding;
  outstanding.erase(std::remove(outstanding.begin(), outstanding.end(), op), outstanding.end());
  const auto worker = link->sides[side].worker.lock();
  if (worker == nullptr || op->request == nullptr) return;
  worker->Post([op, status] {
    Complete(op->request, [&] { op->callback(op->request, status, op->user_data); });
  });
}

void CloseSide(const std::shared_ptr<Link>& link, int side, ucs_status_t status) {
  const std::lock_guard<std::mutex> lock(link->mutex);
  auto& own = link->sides[side];
  if (own.closed) return;
  own.closed = true;
  own.endpoint = nullptr;
  // They hold the link themselves.
  link->waiting.clear();
  const auto outstanding = own.outstanding;
  for (const auto& op : outstanding) Finish(link, side, op, status);
  if (const auto peer = link->sides[1 - side].worker.lock()) {
    peer->Post([link, other = 1 - side] { FailSide(link, other, UCS_ERR_CONNECTION_RESET); });
  }
}

ucs_status_ptr_t CloseEndpoint(ucp_ep_h handle, const ucp_request_param_t* params) {
  auto* endpoint = reinterpret_cast<Endpoint*>(handle);
  const std::shared_ptr<Worker> worker = endpoint->worker;
  const std::shared_ptr<Link> link = endpoint->link;
  const int side = endpoint->side;
  const bool force = (params->flags & UCP_EP_CLOSE_FLAG_FORCE) != 0;
  const auto end = [endpoint, worker, link, side] {
    CloseSide(link, side, UCS_ERR_CANCELED);
    worker->endpoints.erase(endpoint);
    delete endpoint;
    left--;
  };
  if (force && Chance(3)) {
    end();
    return nullptr;
  }
  Request* request = NewRequest(worker);
  const auto callback = params->cb.send;
  void* user_data = params->user_data;
  worker->Post([end, worker, request, callback, user_data] {
    end();
    // After the ends of its sends.
    worker->Post([request, callback, user_data] {
      Complete(request, [&] { callback(request, UCS_OK, user_data); });
    });
  });
  return request;
}

ucs_status_t CreateListener(ucp_worker_h handle, const ucp_listener_params_t* params, ucp_listener_h* out) {
  Registry& registry = Listeners();
  const std::lock_guard<std::mutex> lock(registry.mutex);
  auto* listener = new Listener{WorkerOf(handle), params->conn_handler, {}};
  auto* address = reinterpret_cast<sockaddr_in*>(&listener->address);
  address->sin_family = AF_INET;
  address->sin_port = htons(registry.next_port);
  registry.listeners[registry.next_port++] = listener;
  *out = reinterpret_cast<ucp_listener_h>(listener);
  return UCS_OK;
}

void DestroyListener(ucp_listener_h handle) {
  auto* listener = reinterpret_cast<Listener*>(handle);
  Registry& registry = Listeners();
  const std::lock_guard<std::mutex> lock(registry.mutex);
  registry.listeners.erase(PortOf(reinterpret_cast<sockaddr*>(&listener->address)));
  delete listener;
}

ucs_status_t QueryListener(ucp_listener_h handle, ucp_listener_attr_t* out) {
  out->sockaddr = reinterpret_cast<Listener*>(handle)->address;
  return UCS_OK;
}

ucs_status_t Reject(ucp_listener_h, ucp_conn_request_h handle) {
  auto* request = reinterpret_cast<ConnectionRequest*>(handle);
  if (const auto dialing = request->link->sides[0].worker.lock()) {
    dialing->Post([link = request->link] { FailSide(link, 0, UCS_ERR_REJECTED); });
  }
  delete request;
  return UCS_OK;
}

}  // namespace waybill::fake
