#include "ucx/endpoints.h"

#include <netinet/in.h>

#include <algorithm>

namespace waybill::ucx {

namespace {

// Connections that peers may have to us: a stranger can make them.
constexpr size_t kMaxAccepted = 4096;
// A forced close takes milliseconds.
constexpr uint64_t kLingerNs = 500'000'000;
constexpr uint64_t kLookNs = 100'000'000;

}  // namespace

ucs_status_t Endpoints::Listen(const sockaddr* address, socklen_t bytes, uint16_t* port) {
  ucp_listener_params_t params{};
  params.field_mask = UCP_LISTENER_PARAM_FIELD_SOCK_ADDR | UCP_LISTENER_PARAM_FIELD_CONN_HANDLER;
  params.sockaddr.addr = address;
  params.sockaddr.addrlen = bytes;
  params.conn_handler.cb = &Endpoints::OnConnection;
  params.conn_handler.arg = this;
  ucs_status_t status = api_.ucp_listener_create(worker_, &params, &listener_);
  if (status != UCS_OK) return status;
  ucp_listener_attr_t attributes{};
  attributes.field_mask = UCP_LISTENER_ATTR_FIELD_SOCKADDR;
  status = api_.ucp_listener_query(listener_, &attributes);
  if (status != UCS_OK) return status;
  const auto* taken = reinterpret_cast<const sockaddr*>(&attributes.sockaddr);
  *port = ntohs(taken->sa_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6*>(taken)->sin6_port
                                             : reinterpret_cast<const sockaddr_in*>(taken)->sin_port);
  return UCS_OK;
}

Connection* Endpoints::To(uint32_t peer, uint64_t now_ns, ucs_status_t* status) {
  const auto known = to_peer_.find(peer);
  if (known != to_peer_.end()) return known->second;
  const auto address = peers_.find(peer);
  if (address == peers_.end()) {
    *status = UCS_ERR_INVALID_ADDR;
    return nullptr;
  }
  ucp_ep_params_t params{};
  params.field_mask = UCP_EP_PARAM_FIELD_FLAGS | UCP_EP_PARAM_FIELD_SOCK_ADDR;
  params.flags = UCP_EP_PARAMS_FLAGS_CLIENT_SERVER;
  params.sockaddr.addr = reinterpret_cast<const sockaddr*>(&address->second.address);
  params.sockaddr.addrlen = address->second.address_bytes;
  Connection* connection = Make(&params, peer, now_ns, status);
  if (connection != nullptr) to_peer_[peer] = connection;
  return connection;
}

Connection* Endpoints::Of(ucp_ep_h endpoint) {
  const auto found = by_endpoint_.find(endpoint);
  return found == by_endpoint_.end() || found->second->dead ? nullptr : found->second;
}

Connection* Endpoints::Make(ucp_ep_params_t* params, int64_t peer, uint64_t now_ns, ucs_status_t* status) {
  auto connection = std::make_unique<Connection>();
  connection->api = &api_;
  connection->peer = peer;
  connection->made_ns = connection->alive_ns = now_ns;
  // Both sides alike, or UCX refuses the pair: only with this mode does it tell of a peer's death at all.
  params->field_mask |= UCP_EP_PARAM_FIELD_ERR_HANDLING_MODE | UCP_EP_PARAM_FIELD_ERR_HANDLER;
  params->err_mode = UCP_ERR_HANDLING_MODE_PEER;
  params->err_handler.cb = &Endpoints::OnError;
  params->err_handler.arg = this;
  *status = api_.ucp_ep_create(worker_, params, &connection->endpoint);
  if (*status != UCS_OK) return nullptr;
  by_endpoint_[connection->endpoint] = connection.get();
  connections_.push_back(std::move(connection));
  return connections_.back().get();
}

void Endpoints::OnConnection(ucp_conn_request_h request, void* arg) {
  static_cast<Endpoints*>(arg)->waiting_.push_back(request);
}

void Endpoints::Accept(ucp_conn_request_h request, uint64_t now_ns) {
  if (listener_ == nullptr || accepted_ >= kMaxAccepted) {
    if (listener_ != nullptr) api_.ucp_listener_reject(listener_, request);
    return;
  }
  ucp_ep_params_t params{};
  params.field_mask = UCP_EP_PARAM_FIELD_CONN_REQUEST;
  params.conn_request = request;
  ucs_status_t status = UCS_OK;
  Connection* connection = Make(&params, -1, now_ns, &status);
  if (connection == nullptr) return;
  connection->established = true;
  accepted_++;
}

void Endpoints::OnError(void* arg, ucp_ep_h endpoint, ucs_status_t status) {
  auto* self = static_cast<Endpoints*>(arg);
  const auto found = self->by_endpoint_.find(endpoint);
  if (found != self->by_endpoint_.end()) self->Fail(found->second, status);
}

void Endpoints::Fail(Connection* connection, ucs_status_t reason) {
  if (connection->dead) return;
  connection->dead = true;
  connection->reason = reason;
  dead_++;
  if (connection->peer >= 0) {
    to_peer_.erase(static_cast<uint32_t>(connection->peer));
  } else {
    accepted_--;
  }
  events_->Died(connection);
}

void Endpoints::Close(Connection* connection, bool force, uint64_t now_ns) {
  connection->close_asked = true;
  connection->close_asked_ns = now_ns;
  ucp_request_param_t params{};
  params.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA | UCP_OP_ATTR_FIELD_FLAGS;
  params.flags = force ? UCP_EP_CLOSE_FLAG_FORCE : 0;
  params.cb.send = &Endpoints::OnClosed;
  params.user_data = connection;
  by_endpoint_.erase(connection->endpoint);
  const ucs_status_ptr_t request = api_.ucp_ep_close_nbx(connection->endpoint, &params);
  if (!UCS_PTR_IS_PTR(request)) connection->closed = true;
}

void Endpoints::OnClosed(void* request, ucs_status_t /* status */, void* arg) {
  auto* connection = static_cast<Connection*>(arg);
  connection->closed = true;
  connection->api->ucp_request_free(request);
}

bool Endpoints::Work(uint64_t now_ns) {
  if (waiting_.empty() && dead_ == 0) return false;
  bool worked = !waiting_.empty();
  const std::vector<ucp_conn_request_h> waiting = std::move(waiting_);
  waiting_.clear();
  for (ucp_conn_request_h request : waiting) Accept(request, now_ns);
  if (dead_ == 0) return worked;
  for (size_t i = 0; i < connections_.size();) {
    Connection* connection = connections_[i].get();
    if (connection->dead && !connection->close_asked) {
      Close(connection, true, now_ns);
      worked = true;
    }
    if (connection->closed && connection->holders == 0) {
      if (connection->lingers) lingering_--;
      std::swap(connections_[i], connections_.back());
      connections_.pop_back();
      dead_--;
      worked = true;
    } else {
      if (connection->close_asked) Linger(connection, now_ns);
      i++;
    }
  }
  return worked;
}

void Endpoints::Linger(Connection* connection, uint64_t now_ns) {
  if (now_ns < std::max(connection->close_asked_ns + kLingerNs, connection->looked_ns + kLookNs)) return;
  connection->looked_ns = now_ns;
  if (!connection->lingers) {
    connection->lingers = true;
    lingering_++;
  }
  if (connection->process.Ended()) events_->Orphaned(connection);
}

void Endpoints::StopListening() {
  if (listener_ == nullptr) return;
  for (ucp_conn_request_h request : waiting_) api_.ucp_listener_reject(listener_, request);
  waiting_.clear();
  api_.ucp_listener_destroy(listener_);
  listener_ = nullptr;
}

void Endpoints::Flush() {
  for (const auto& connection : connections_) {
    Fail(connection.get(), UCS_ERR_CANCELED);
    if (!connection->close_asked) Close(connection.get(), false, connection->made_ns);
  }
}

}  // namespace waybill::ucx
