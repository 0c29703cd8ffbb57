// The consumer's half: asks owners for tensors and receives them into registered memory. The owner's word is not trusted: nothing
// is received that is not what the descriptor says, where it was reserved.
#pragma once

#include <memory>
#include <vector>

#include "ucx/connection.h"
#include "ucx/plane.h"
#include "ucx/pool.h"
#include "ucx/wire.h"

namespace waybill::ucx {

class Consumer {
 public:
  Consumer(Plane* plane, ucp_worker_h worker);

  void Start(const Fetch& fetch, uint64_t now_ns);
  // Sends the entries that were gathered.
  void Flush();
  void Cancel(uint32_t token);
  ucs_status_t OnData(Connection* connection, const void* header, size_t header_bytes, void* data, size_t bytes,
                      bool rendezvous);
  // Fails the fetches of a connection.
  void Died(Connection* connection);
  // Fails what is past its time, and connections that keep silent; returns when to look again.
  uint64_t CheckDeadlines(uint64_t now_ns);
  uint64_t next_deadline_ns() const { return next_deadline_ns_; }
  void FailAll(Outcome outcome);

 private:
  struct Request {
    FetchHeader header;
    std::vector<uint8_t> body;
    Consumer* consumer = nullptr;
    Connection* connection = nullptr;
  };
  struct CancelSend {
    CancelHeader header;
    Consumer* consumer = nullptr;
    Connection* connection = nullptr;
  };
  struct Receive {
    Consumer* consumer = nullptr;
    Pending* pending = nullptr;
    uint64_t bytes = 0;
  };

  void Append(Connection* connection, const Pending& pending);
  void SendEntries(Connection* connection);
  void SendCancel(Connection* connection, uint64_t wire_token);
  static void OnRequestSent(void* request, ucs_status_t status, void* arg);
  void RequestSent(Request* request, ucs_status_t status);
  static void OnCancelSent(void* request, ucs_status_t status, void* arg);
  void CancelSent(CancelSend* send);
  static void OnReceived(void* request, ucs_status_t status, size_t bytes, void* arg);
  void Received(Receive* receive, ucs_status_t status);
  Pending* Find(Connection* connection, uint64_t wire_token);
  // Why a message is not what was asked for; kDone when it is.
  static Outcome Judge(Pending* pending, const DataHeader& header, size_t bytes);
  void Settle(Pending* pending, Outcome outcome, double detail);
  // Settles it, and tells the owner to stop.
  void GiveUp(Pending* pending, Outcome outcome, double detail);
  void Drop(Pending* pending);

  Plane& plane_;
  ucp_worker_h worker_;
  // By the caller's token.
  std::vector<std::unique_ptr<Pending>> pendings_;
  uint64_t uses_;
  uint64_t next_deadline_ns_ = 0;
  std::vector<Connection*> gathered_;
  Pool<Request> requests_;
  Pool<CancelSend> cancels_;
  Pool<Receive> receives_;
};

}  // namespace waybill::ucx
