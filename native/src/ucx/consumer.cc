#include "ucx/consumer.h"

#include <algorithm>
#include <random>
#include <utility>

#include "ucx/place.h"

namespace waybill::ucx {

namespace {

constexpr uint64_t kTokenBits = 20;
static_assert((1u << kTokenBits) == kMaxTokens);

// How often connections are looked at where no deadline is due before: for peers that keep silent.
constexpr uint64_t kLookNs = 1'000'000'000;
// Silence of a peer that something waits for, after which it is sent something: a reader's connection carries nothing of its own,
// and would not notice that the other host is gone.
constexpr uint64_t kSilentNs = 400'000'000;

double Detail(ucs_status_t status) { return static_cast<double>(static_cast<int>(status)); }

}  // namespace

Consumer::Consumer(Plane* plane, ucp_worker_h worker) : plane_(*plane), worker_(worker), uses_(std::random_device{}()) {}

void Consumer::Start(const Fetch& fetch, uint64_t now_ns) {
  if (fetch.token >= kMaxTokens) return;
  if (fetch.token >= pendings_.size()) pendings_.resize(fetch.token + 1);
  auto& slot = pendings_[fetch.token];
  if (slot == nullptr) slot = std::make_unique<Pending>();
  // The caller broke its promise; the first one goes on.
  if (slot->connection != nullptr) return;
  ucs_status_t status = UCS_OK;
  Memory* memory = plane_.memories.Find(fetch.memory);
  const auto refuse = [&](Outcome outcome) {
    plane_.completions.Push(Event::kSettled, fetch.token, static_cast<double>(outcome), Detail(status), 1);
  };
  if (memory == nullptr || !memory->Holds(fetch.destination, fetch.length)) return refuse(Outcome::kNoMemory);
  Connection* connection = plane_.endpoints.To(fetch.peer, now_ns, &status);
  if (connection == nullptr) return refuse(Outcome::kUnavailable);
  Pending* pending = slot.get();
  *pending = Pending();
  pending->fetch = fetch;
  pending->connection = connection;
  pending->memory = memory;
  pending->wire_token = (++uses_ << kTokenBits) | fetch.token;
  pending->deadline_ns = now_ns + uint64_t{fetch.timeout_ms} * 1'000'000;
  next_deadline_ns_ = std::min(next_deadline_ns_, pending->deadline_ns);
  if (!connection->established) {
    next_deadline_ns_ = std::min(next_deadline_ns_, connection->made_ns + plane_.limits.connect_timeout_ns);
  }
  // Silence counts from when something was asked.
  if (connection->fetches.empty()) connection->alive_ns = now_ns;
  next_deadline_ns_ = std::min(next_deadline_ns_, now_ns + kSilentNs);
  pending->place = connection->fetches.insert(connection->fetches.end(), pending);
  connection->holders++;
  memory->pins++;
  Append(connection, *pending);
}

void Consumer::Append(Connection* connection, const Pending& pending) {
  const Fetch& fetch = pending.fetch;
  const size_t bytes = sizeof(FetchEntryHead) + fetch.capability_bytes;
  if (connection->entries.size() + bytes > kMaxFetchBody) SendEntries(connection);
  if (connection->entry_count == 0) {
    gathered_.push_back(connection);
    connection->holders++;
  }
  FetchEntryHead head{};
  head.token = pending.wire_token;
  head.offset = fetch.offset;
  head.length = fetch.length;
  std::copy(fetch.reference.begin(), fetch.reference.end(), head.reference);
  head.rendezvous_only = pending.memory->on_device() ? 1 : 0;
  head.capability_bytes = fetch.capability_bytes;
  auto& entries = connection->entries;
  const size_t at = entries.size();
  entries.resize(at + bytes);
  std::memcpy(entries.data() + at, &head, sizeof head);
  std::memcpy(entries.data() + at + sizeof head, fetch.capability.data(), fetch.capability_bytes);
  connection->entry_count++;
}

void Consumer::Flush() {
  if (gathered_.empty()) return;
  for (Connection* connection : std::exchange(gathered_, {})) {
    connection->holders--;
    SendEntries(connection);
  }
}

void Consumer::SendEntries(Connection* connection) {
  if (connection->entry_count == 0 || connection->dead) return;
  Request* request = requests_.Get();
  request->consumer = this;
  request->connection = connection;
  request->header = FetchHeader{kFetchMagic, connection->entry_count, 0, plane_.place, plane_.process};
  request->body = std::exchange(connection->entries, {});
  connection->entry_count = 0;
  connection->holders++;
  ucp_request_param_t params{};
  params.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA | UCP_OP_ATTR_FIELD_FLAGS;
  params.flags = UCP_AM_SEND_FLAG_REPLY | UCP_AM_SEND_FLAG_EAGER;
  params.cb.send = &Consumer::OnRequestSent;
  params.user_data = request;
  const ucs_status_ptr_t sent =
      plane_.api.ucp_am_send_nbx(connection->endpoint, kFetchMessage, &request->header, sizeof request->header,
                                 request->body.data(), request->body.size(), &params);
  if (!UCS_PTR_IS_PTR(sent)) RequestSent(request, UCS_PTR_STATUS(sent));
}

void Consumer::OnRequestSent(void* request, ucs_status_t status, void* arg) {
  auto* own = static_cast<Request*>(arg);
  Consumer* consumer = own->consumer;
  consumer->RequestSent(own, status);
  consumer->plane_.api.ucp_request_free(request);
}

void Consumer::RequestSent(Request* request, ucs_status_t status) {
  Connection* connection = request->connection;
  connection->holders--;
  requests_.Put(request);
  if (status == UCS_OK) {
    connection->established = true;
  } else {
    plane_.endpoints.Fail(connection, status);
  }
}

void Consumer::SendCancel(Connection* connection, uint64_t wire_token) {
  if (connection->dead || !connection->established) return;
  CancelSend* send = cancels_.Get();
  send->consumer = this;
  send->connection = connection;
  send->header = CancelHeader{kCancelMagic, 0, wire_token};
  connection->holders++;
  ucp_request_param_t params{};
  params.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA | UCP_OP_ATTR_FIELD_FLAGS;
  params.flags = UCP_AM_SEND_FLAG_REPLY | UCP_AM_SEND_FLAG_EAGER;
  params.cb.send = &Consumer::OnCancelSent;
  params.user_data = send;
  const ucs_status_ptr_t sent = plane_.api.ucp_am_send_nbx(connection->endpoint, kCancelMessage, &send->header,
                                                           sizeof send->header, nullptr, 0, &params);
  if (!UCS_PTR_IS_PTR(sent)) CancelSent(send);
}

void Consumer::OnCancelSent(void* request, ucs_status_t /* status */, void* arg) {
  auto* send = static_cast<CancelSend*>(arg);
  Consumer* consumer = send->consumer;
  consumer->CancelSent(send);
  consumer->plane_.api.ucp_request_free(request);
}

void Consumer::CancelSent(CancelSend* send) {
  send->connection->holders--;
  cancels_.Put(send);
}

Pending* Consumer::Find(Connection* connection, uint64_t wire_token) {
  const uint64_t token = wire_token & (kMaxTokens - 1);
  Pending* pending = token < pendings_.size() ? pendings_[token].get() : nullptr;
  // Only the peer that was asked may answer, and only what was asked this time.
  return pending != nullptr && pending->connection == connection && pending->wire_token == wire_token ? pending : nullptr;
}

Outcome Consumer::Judge(Pending* pending, const DataHeader& header, size_t bytes) {
  const Fetch& fetch = pending->fetch;
  if (header.answer != static_cast<uint8_t>(Answer::kData)) {
    const bool known = header.answer <= static_cast<uint8_t>(Answer::kOutOfRange) && bytes == 0;
    return known ? static_cast<Outcome>(header.answer) : Outcome::kBadAnswer;
  }
  if (header.tensor_bytes != fetch.tensor_bytes || header.dtype != fetch.dtype || header.layout != fetch.layout) {
    return Outcome::kMismatch;
  }
  const uint64_t begin = header.piece_offset;
  if (begin > fetch.length || bytes > fetch.length - begin || (bytes == 0 && fetch.length > 0)) return Outcome::kBadAnswer;
  return pending->announced.Add(begin, begin + bytes) ? Outcome::kDone : Outcome::kBadAnswer;
}

ucs_status_t Consumer::OnData(Connection* connection, const void* raw, size_t header_bytes, void* data, size_t bytes,
                              bool rendezvous) {
  DataHeader header{};
  if (connection == nullptr || !ReadDataHeader(raw, header_bytes, &header)) return UCS_OK;
  connection->alive_ns = NowNs();
  if (LosesWakeUps(plane_.place, header.place)) plane_.wake_ups_lost = true;
  Pending* pending = Find(connection, header.token);
  // Given up, or never asked for. To a rendezvous that is not received UCX says so itself, and its sender ends.
  if (pending == nullptr || pending->settled) return UCS_OK;
  const Outcome outcome = Judge(pending, header, bytes);
  if (outcome != Outcome::kDone) {
    GiveUp(pending, outcome, outcome == Outcome::kMismatch ? static_cast<double>(header.tensor_bytes) : 0);
    return UCS_OK;
  }
  uint8_t* const at = pending->memory->At(pending->fetch.destination + header.piece_offset);
  if (!rendezvous) {
    if (bytes > 0 && pending->memory->on_device()) {
      GiveUp(pending, Outcome::kBadAnswer, 0);
      return UCS_OK;
    }
    if (bytes > 0) std::memcpy(at, data, bytes);
    pending->received += bytes;
    if (pending->received == pending->fetch.length) Settle(pending, Outcome::kDone, 0);
    return UCS_OK;
  }
  Receive* receive = receives_.Get();
  *receive = Receive{this, pending, bytes};
  pending->receiving++;
  ucp_request_param_t params{};
  params.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA;
  params.cb.recv_am = &Consumer::OnReceived;
  params.user_data = receive;
  pending->memory->Describe(&params);
  const ucs_status_ptr_t request = plane_.api.ucp_am_recv_data_nbx(worker_, data, at, bytes, &params);
  if (!UCS_PTR_IS_PTR(request)) Received(receive, UCS_PTR_STATUS(request));
  return UCS_INPROGRESS;
}

void Consumer::OnReceived(void* request, ucs_status_t status, size_t /* bytes */, void* arg) {
  auto* receive = static_cast<Receive*>(arg);
  Consumer* consumer = receive->consumer;
  consumer->Received(receive, status);
  consumer->plane_.api.ucp_request_free(request);
}

void Consumer::Received(Receive* receive, ucs_status_t status) {
  Pending* pending = receive->pending;
  const uint64_t bytes = receive->bytes;
  receives_.Put(receive);
  pending->receiving--;
  if (pending->settled) {
    if (pending->receiving > 0) return;
    plane_.completions.Push(Event::kReusable, pending->fetch.token);
    return Drop(pending);
  }
  if (status != UCS_OK) return GiveUp(pending, Outcome::kUnavailable, Detail(status));
  pending->connection->alive_ns = NowNs();
  pending->received += bytes;
  if (pending->received == pending->fetch.length) Settle(pending, Outcome::kDone, 0);
}

void Consumer::Settle(Pending* pending, Outcome outcome, double detail) {
  pending->settled = true;
  const bool reusable = pending->receiving == 0;
  plane_.completions.Push(Event::kSettled, pending->fetch.token, static_cast<double>(outcome), detail, reusable ? 1 : 0);
  if (reusable) Drop(pending);
}

void Consumer::GiveUp(Pending* pending, Outcome outcome, double detail) {
  const bool owner_sends = outcome != Outcome::kDenied && outcome != Outcome::kBusy && outcome != Outcome::kOutOfRange;
  if (owner_sends) SendCancel(pending->connection, pending->wire_token);
  Settle(pending, outcome, detail);
}

void Consumer::Drop(Pending* pending) {
  Connection* connection = pending->connection;
  connection->fetches.erase(pending->place);
  connection->holders--;
  Memory* memory = pending->memory;
  pending->connection = nullptr;
  pending->memory = nullptr;
  const double id = memory->init.memory;
  if (plane_.memories.Unpin(memory)) plane_.completions.Push(Event::kMemoryRemoved, id);
}

void Consumer::Cancel(uint32_t token) {
  Pending* pending = token < pendings_.size() ? pendings_[token].get() : nullptr;
  if (pending != nullptr && pending->connection != nullptr && !pending->settled) {
    GiveUp(pending, Outcome::kCanceled, 0);
  }
}

void Consumer::Died(Connection* connection) {
  connection->entries.clear();
  connection->entry_count = 0;
  for (auto at = connection->fetches.begin(); at != connection->fetches.end();) {
    // Settling may take it out of the list.
    Pending* pending = *at++;
    if (!pending->settled) Settle(pending, Outcome::kUnavailable, Detail(connection->reason));
  }
}

uint64_t Consumer::CheckDeadlines(uint64_t now_ns) {
  if (now_ns < next_deadline_ns_) return next_deadline_ns_;
  uint64_t next = now_ns + kLookNs;
  plane_.endpoints.ForEach([&](Connection* connection) {
    if (connection->dead) return;
    uint64_t due = UINT64_MAX;
    bool late = false;
    for (auto at = connection->fetches.begin(); at != connection->fetches.end();) {
      Pending* pending = *at++;
      if (!pending->settled && pending->deadline_ns <= now_ns) {
        GiveUp(pending, Outcome::kTimedOut, 0);
      } else if (!pending->settled) {
        due = std::min(due, pending->deadline_ns);
      }
    }
    // What was given up still holds its destination until UCX lets go of it.
    late = std::any_of(connection->fetches.begin(), connection->fetches.end(), [](Pending* p) { return p->settled; });
    if (!connection->established) {
      due = std::min(due, connection->made_ns + plane_.limits.connect_timeout_ns);
      if (now_ns >= connection->made_ns + plane_.limits.connect_timeout_ns) {
        return plane_.endpoints.Fail(connection, UCS_ERR_TIMED_OUT);
      }
    }
    const bool waiting = !connection->fetches.empty() || connection->pieces_sending > 0;
    if (waiting && connection->established) {
      const uint64_t silent_since_ns = std::max(connection->alive_ns, connection->asked_ns);
      if (now_ns >= silent_since_ns + kSilentNs) {
        // No fetch has it. That the network has to carry it to a host that is gone is what UCX notices.
        connection->asked_ns = now_ns;
        SendCancel(connection, 0);
        if (connection->dead) return;
      }
      due = std::min(due, std::max(connection->alive_ns, connection->asked_ns) + kSilentNs);
    }
    if (late || connection->pieces_sending > 0) {
      due = std::min(due, connection->alive_ns + plane_.limits.stall_ns);
      if (now_ns >= connection->alive_ns + plane_.limits.stall_ns) {
        return plane_.endpoints.Fail(connection, UCS_ERR_ENDPOINT_TIMEOUT);
      }
    }
    next = std::min(next, due);
  });
  return next_deadline_ns_ = next;
}

void Consumer::FailAll(Outcome outcome) {
  for (const auto& pending : pendings_) {
    if (pending != nullptr && pending->connection != nullptr && !pending->settled) Settle(pending.get(), outcome, 0);
  }
}

}  // namespace waybill::ucx
