// The listener and every connection; who is connected to whom, and the end of those that fail.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "ucx/connection.h"

namespace waybill::ucx {

class Endpoints {
 public:
  struct Events {
    virtual ~Events() = default;
    // The connection has just died; nothing of UCX may be called.
    virtual void Died(Connection* connection) = 0;
    // UCX does not come to the end of a dead connection, and the process behind it has ended: nobody reads what was being sent.
    virtual void Orphaned(Connection* connection) = 0;
  };

  Endpoints(const Api& api, ucp_worker_h worker, Events* events) : api_(api), worker_(worker), events_(events) {}

  // Listens; `port` gets the one that was taken.
  ucs_status_t Listen(const sockaddr* address, socklen_t bytes, uint16_t* port);

  void Know(const AddPeer& peer) { peers_[peer.peer] = peer; }
  // The open connection to a peer, made where there is none. Null with `status` set when that fails at once.
  Connection* To(uint32_t peer, uint64_t now_ns, ucs_status_t* status);
  // The connection that a message came by; null for one that is not ours to answer.
  Connection* Of(ucp_ep_h endpoint);

  // Marks a connection dead and tells of it; once.
  void Fail(Connection* connection, ucs_status_t reason);

  // Accepts, closes and deletes what is due, outside of UCX's callbacks. Whether there was something.
  bool Work(uint64_t now_ns);
  bool any() const { return !connections_.empty(); }
  // Whether UCX has something to do that may never be done.
  bool any_lingering() const { return lingering_ > 0; }
  template <typename Fn>
  void ForEach(Fn fn) {
    // Fn may make one dead, which deletes none.
    for (const auto& connection : connections_) fn(connection.get());
  }

  // No more comes in.
  void StopListening();
  // Asks for the end of every connection, flushing what was sent.
  void Flush();

 private:
  static void OnConnection(ucp_conn_request_h request, void* arg);
  static void OnError(void* arg, ucp_ep_h endpoint, ucs_status_t status);
  static void OnClosed(void* request, ucs_status_t status, void* arg);

  Connection* Make(ucp_ep_params_t* params, int64_t peer, uint64_t now_ns, ucs_status_t* status);
  void Accept(ucp_conn_request_h request, uint64_t now_ns);
  void Close(Connection* connection, bool force, uint64_t now_ns);
  void Linger(Connection* connection, uint64_t now_ns);

  const Api& api_;
  ucp_worker_h worker_;
  Events* events_;
  ucp_listener_h listener_ = nullptr;
  std::unordered_map<uint32_t, AddPeer> peers_;
  std::unordered_map<uint32_t, Connection*> to_peer_;
  std::unordered_map<ucp_ep_h, Connection*> by_endpoint_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<ucp_conn_request_h> waiting_;
  size_t dead_ = 0;
  size_t lingering_ = 0;
  size_t accepted_ = 0;
};

}  // namespace waybill::ucx
