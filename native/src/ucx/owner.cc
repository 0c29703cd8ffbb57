#include "ucx/owner.h"

#include <algorithm>
#include <utility>

#include "ucx/place.h"

namespace waybill::ucx {

void Owner::OnFetch(Connection* connection, const void* header, size_t header_bytes, const void* body, size_t body_bytes) {
  FetchReader reader(header, header_bytes, body, body_bytes);
  if (reader.ok() && LosesWakeUps(plane_.place, reader.place())) plane_.wake_ups_lost = true;
  if (reader.ok() && SameHost(plane_.place, reader.place())) connection->process.Watch(reader.process(), plane_.process);
  FetchEntry entry{};
  while (!connection->dead && reader.Next(&entry)) Reply(connection, entry);
  // No answer to what cannot be read: there is nothing to tell a stranger.
}

void Owner::Reply(Connection* connection, const FetchEntry& entry) {
  const FetchEntryHead& head = entry.head;
  if (connection->holders >= plane_.limits.max_transfers) {
    return Post(NewSend(connection, head.token, Answer::kBusy), nullptr, 0, nullptr, false);
  }
  Reference reference;
  std::copy_n(head.reference, kReferenceBytes, reference.begin());
  Lease* lease = plane_.leases.Pin(reference, entry.capability, head.capability_bytes, UnixMs(), head.length);
  if (lease == nullptr) return Post(NewSend(connection, head.token, Answer::kDenied), nullptr, 0, nullptr, false);
  Memory* memory = plane_.memories.Find(lease->memory);
  // A lease whose memory is gone is as good as none.
  const bool there = memory != nullptr && memory->Holds(lease->offset, lease->bytes);
  const bool inside = head.length <= lease->bytes && head.offset <= lease->bytes - head.length;
  if (!there || !inside) {
    Unpin(lease);
    const Answer answer = there ? Answer::kOutOfRange : Answer::kDenied;
    return Post(NewSend(connection, head.token, answer), nullptr, 0, nullptr, false);
  }
  memory->pins++;
  const bool whole = head.length <= plane_.limits.eager_bytes;
  const bool rendezvous = head.length > 0 && (!whole || head.rendezvous_only != 0 || memory->on_device());
  if (whole) {
    Send* send = NewSend(connection, head.token, Answer::kData);
    send->lease = lease;
    send->memory = memory;
    send->header.dtype = lease->dtype;
    send->header.tensor_bytes = lease->bytes;
    send->header.layout = lease->layout;
    return Post(send, memory->At(lease->offset + head.offset), head.length, memory, rendezvous);
  }
  Transfer* transfer = transfers_.Get();
  transfer->connection = connection;
  transfer->wire_token = head.token;
  transfer->lease = lease;
  transfer->memory = memory;
  transfer->begin = transfer->next = lease->offset + head.offset;
  transfer->end = transfer->begin + head.length;
  connection->holders++;
  connection->transfers.push_back(transfer);
  Pump(connection);
}

void Owner::Pump(Connection* connection) {
  // A send may complete at once, and then comes here again.
  if (connection->pumping) return;
  connection->pumping = true;
  while (!connection->dead && !connection->transfers.empty() &&
         connection->pieces_sending < plane_.limits.window_pieces) {
    Transfer* transfer = connection->transfers.front();
    connection->transfers.pop_front();
    SendPiece(connection, transfer);
  }
  connection->pumping = false;
}

void Owner::SendPiece(Connection* connection, Transfer* transfer) {
  const uint64_t left = transfer->end - transfer->next;
  // A tail that would fit a message of its own goes with the last piece.
  const uint64_t bytes =
      left <= plane_.limits.piece_bytes + plane_.limits.eager_bytes ? left : plane_.limits.piece_bytes;
  Send* send = NewSend(connection, transfer->wire_token, Answer::kData);
  send->transfer = transfer;
  send->header.dtype = transfer->lease->dtype;
  send->header.tensor_bytes = transfer->lease->bytes;
  send->header.layout = transfer->lease->layout;
  send->header.piece_offset = transfer->next - transfer->begin;
  const uint8_t* at = transfer->memory->At(transfer->next);
  transfer->next += bytes;
  transfer->sending++;
  connection->pieces_sending++;
  if (transfer->next < transfer->end) {
    connection->transfers.push_back(transfer);
  } else {
    transfer->ended = true;
  }
  Post(send, at, bytes, transfer->memory, true);
}

Owner::Send* Owner::NewSend(Connection* connection, uint64_t token, Answer answer) {
  Send* send = sends_.Get();
  send->owner = this;
  send->connection = connection;
  send->header = DataHeader{kDataMagic, static_cast<uint8_t>(answer), 0, 0, token, 0, 0, 0, plane_.place};
  connection->holders++;
  return send;
}

void Owner::Post(Send* send, const void* bytes, uint64_t length, const Memory* memory, bool rendezvous) {
  ucp_request_param_t params{};
  params.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA | UCP_OP_ATTR_FIELD_FLAGS;
  // With REPLY the receiver learns by which connection it came.
  params.flags = UCP_AM_SEND_FLAG_REPLY | (rendezvous ? UCP_AM_SEND_FLAG_RNDV : UCP_AM_SEND_FLAG_EAGER);
  params.cb.send = &Owner::OnSent;
  params.user_data = send;
  if (memory != nullptr && length > 0) memory->Describe(&params);
  const ucs_status_ptr_t request = plane_.api.ucp_am_send_nbx(send->connection->endpoint, kDataMessage, &send->header,
                                                              sizeof send->header, bytes, length, &params);
  if (!UCS_PTR_IS_PTR(request)) Sent(send, UCS_PTR_STATUS(request));
}

void Owner::OnSent(void* request, ucs_status_t status, void* arg) {
  auto* send = static_cast<Send*>(arg);
  Owner* owner = send->owner;
  owner->Sent(send, status);
  owner->plane_.api.ucp_request_free(request);
}

void Owner::Sent(Send* send, ucs_status_t status) {
  Connection* connection = send->connection;
  connection->holders--;
  if (status == UCS_OK) {
    connection->alive_ns = NowNs();
  } else {
    // The peer would wait for what was not sent.
    plane_.endpoints.Fail(connection, status);
  }
  if (Transfer* transfer = send->transfer) {
    connection->pieces_sending--;
    transfer->sending--;
    if (transfer->ended && transfer->sending == 0) End(transfer);
  } else {
    Unpin(send->lease);
    Unpin(send->memory);
  }
  sends_.Put(send);
  Pump(connection);
}

void Owner::OnCancel(Connection* connection, const void* header, size_t header_bytes) {
  CancelHeader cancel{};
  if (!ReadCancelHeader(header, header_bytes, &cancel)) return;
  auto& waiting = connection->transfers;
  const auto found = std::find_if(waiting.begin(), waiting.end(),
                                  [&](const Transfer* transfer) { return transfer->wire_token == cancel.token; });
  if (found == waiting.end()) return;
  Transfer* transfer = *found;
  waiting.erase(found);
  transfer->ended = true;
  if (transfer->sending == 0) End(transfer);
}

void Owner::Died(Connection* connection) {
  for (Transfer* transfer : std::exchange(connection->transfers, {})) {
    transfer->ended = true;
    if (transfer->sending == 0) End(transfer);
  }
}

void Owner::Abandon(Connection* connection) {
  transfers_.ForEach([&](Transfer* transfer) {
    if (transfer->connection == connection) Unpin(std::exchange(transfer->lease, nullptr));
  });
  sends_.ForEach([&](Send* send) {
    if (send->connection == connection) Unpin(std::exchange(send->lease, nullptr));
  });
}

void Owner::End(Transfer* transfer) {
  transfer->connection->holders--;
  Unpin(transfer->lease);
  Unpin(transfer->memory);
  transfers_.Put(transfer);
}

void Owner::Unpin(Lease* lease) {
  double freed = 0;
  if (lease != nullptr && plane_.leases.Unpin(lease, &freed)) plane_.completions.Push(Event::kFreed, freed);
}

void Owner::Unpin(Memory* memory) {
  if (memory == nullptr) return;
  const double id = memory->init.memory;
  if (plane_.memories.Unpin(memory)) plane_.completions.Push(Event::kMemoryRemoved, id);
}

}  // namespace waybill::ucx
