// What the fake's workers, connections and operations are made of.
#pragma once

#include <sys/socket.h>

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <unordered_set>
#include <vector>

#include "fake_ucx/fake_ucx.h"

namespace waybill::fake {

struct Endpoint;

struct Worker;

/// What a caller got a pointer to; deleted once it is completed and freed. Of one worker's thread.
struct Request {
  Worker* worker;
  bool completed = false;
  bool freed = false;
};

/// A worker's inbox takes work from any thread; the rest is its own thread's.
struct Worker {
  /// Runs on the worker's thread, in order, or before the last that was posted. Nothing happens once the worker is gone.
  void Post(std::function<void()> work, bool overtakes = false);
  bool RunOne();
  bool Empty();
  void End();

  std::map<unsigned, ucp_am_handler_param_t> handlers;
  std::unordered_set<Endpoint*> endpoints;
  /// A worker that ends takes those that are under way along, without a word.
  std::unordered_set<Request*> requests;
  int fd = -1;

 private:
  std::mutex mutex_;
  std::deque<std::function<void()>> inbox_;
  bool ended_ = false;
};

struct SendOp {
  unsigned id;
  const void* header;
  size_t header_bytes;
  const void* body;
  size_t body_bytes;
  bool rendezvous;
  bool reply;
  /// Copies, where the send completed at once.
  std::vector<uint8_t> early_header;
  std::vector<uint8_t> early_body;
  bool early = false;
  Request* request = nullptr;
  ucp_send_nbx_callback_t callback = nullptr;
  void* user_data = nullptr;
  /// Guarded by the link: neither memory of the sender's may be read afterwards.
  bool finished = false;
};

/// Two endpoints that are connected. All of it is guarded by its mutex.
struct Link {
  std::mutex mutex;
  struct Side {
    std::weak_ptr<Worker> worker;
    Endpoint* endpoint = nullptr;
    bool closed = false;
    std::vector<std::shared_ptr<SendOp>> outstanding;
  } sides[2];
  /// Of the side that has not accepted yet.
  std::vector<std::function<void()>> waiting;
  bool accepted = false;
};

struct Endpoint {
  std::shared_ptr<Worker> worker;
  std::shared_ptr<Link> link;
  int side = 0;
  ucp_err_handler_t handler{};
  bool failed = false;
};

struct Listener {
  std::shared_ptr<Worker> worker;
  ucp_listener_conn_handler_t handler{};
  sockaddr_storage address{};
};

struct ConnectionRequest {
  std::shared_ptr<Link> link;
};

/// A rendezvous that waits to be received.
struct Descriptor {
  std::shared_ptr<Link> link;
  int sender = 0;
  std::shared_ptr<SendOp> op;
};

struct Registry {
  std::mutex mutex;
  std::map<uint16_t, Listener*> listeners;
  uint16_t next_port = 1;
};

Registry& Listeners();

/// What messages go through; may be empty.
Spoil CurrentSpoil();

/// True in one of `n` cases.
bool Chance(uint32_t n);

/// Where memory of a caller's may be touched.
void* Touch(const void* pointer, size_t bytes);

extern std::atomic<uint64_t> left;

std::shared_ptr<Worker>& WorkerOf(ucp_worker_h handle);

/// Tells a side's error handler, once, unless it closed.
void FailSide(const std::shared_ptr<Link>& link, int side, ucs_status_t status);
/// Ends a send with a status, on its sender's thread. The link must be locked.
void Finish(const std::shared_ptr<Link>& link, int side, const std::shared_ptr<SendOp>& op, ucs_status_t status);
/// Closes a side: its sends end, the other side fails.
void CloseSide(const std::shared_ptr<Link>& link, int side, ucs_status_t status);

Request* NewRequest(const std::shared_ptr<Worker>& worker);
void FreeRequest(void* request);
void Complete(Request* request, const std::function<void()>& callback);

ucs_status_ptr_t SendNbx(ucp_ep_h, unsigned, const void*, size_t, const void*, size_t, const ucp_request_param_t*);
ucs_status_ptr_t ReceiveNbx(ucp_worker_h, void*, void*, size_t, const ucp_request_param_t*);
ucs_status_t CreateEndpoint(ucp_worker_h, const ucp_ep_params_t*, ucp_ep_h*);
ucs_status_ptr_t CloseEndpoint(ucp_ep_h, const ucp_request_param_t*);
ucs_status_t CreateListener(ucp_worker_h, const ucp_listener_params_t*, ucp_listener_h*);
void DestroyListener(ucp_listener_h);
ucs_status_t QueryListener(ucp_listener_h, ucp_listener_attr_t*);
ucs_status_t Reject(ucp_listener_h, ucp_conn_request_h);

}  // namespace waybill::fake
