// The owner's half: answers FETCH from the registered memories, on the progress thread, asking nobody.
#pragma once

#include "ucx/connection.h"
#include "ucx/plane.h"
#include "ucx/pool.h"
#include "ucx/wire.h"

namespace waybill::ucx {

class Owner {
 public:
  explicit Owner(Plane* plane) : plane_(*plane) {}

  void OnFetch(Connection* connection, const void* header, size_t header_bytes, const void* body, size_t body_bytes);
  void OnCancel(Connection* connection, const void* header, size_t header_bytes);
  // Drops what waits to be sent on a dead connection.
  void Died(Connection* connection);
  // Lets go of the leases that are being sent on a dead connection: the process that read them has ended. Their memory stays
  // registered, since UCX holds on to the sends.
  void Abandon(Connection* connection);

 private:
  // One message that is being sent; its header has to live until it is.
  struct Send {
    DataHeader header;
    Owner* owner = nullptr;
    Connection* connection = nullptr;
    // A piece of this, or a whole answer with pins of its own.
    Transfer* transfer = nullptr;
    Lease* lease = nullptr;
    Memory* memory = nullptr;
  };

  void Reply(Connection* connection, const FetchEntry& entry);
  Send* NewSend(Connection* connection, uint64_t token, Answer answer);
  void Post(Send* send, const void* bytes, uint64_t length, const Memory* memory, bool rendezvous);
  static void OnSent(void* request, ucs_status_t status, void* arg);
  void Sent(Send* send, ucs_status_t status);
  void Pump(Connection* connection);
  void SendPiece(Connection* connection, Transfer* transfer);
  void End(Transfer* transfer);
  void Unpin(Lease* lease);
  void Unpin(Memory* memory);

  Plane& plane_;
  Pool<Send> sends_;
  Pool<Transfer> transfers_;
};

}  // namespace waybill::ucx
