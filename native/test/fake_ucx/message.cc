#include <cstring>

#include "fake_ucx/parts.h"

namespace waybill::fake {
namespace {

std::vector<uint8_t> CopyOf(const void* bytes, size_t length) {
  if (length == 0) return {};
  const auto* from = static_cast<const uint8_t*>(Touch(bytes, length));
  return {from, from + length};
}

/// Hands a message to the receiver's handler, on its thread.
void Deliver(const std::shared_ptr<Worker>& worker, const std::shared_ptr<Link>& link, int sender, const std::shared_ptr<SendOp>& op) {
  std::vector<uint8_t> header;
  std::vector<uint8_t> body;
  ucp_am_recv_param_t params{};
  {
    const std::lock_guard<std::mutex> lock(link->mutex);
    const auto& own = link->sides[1 - sender];
    if (own.closed || own.endpoint == nullptr || own.endpoint->failed) return Finish(link, sender, op, UCS_ERR_CONNECTION_RESET);
    if (op->finished && !op->early) return;
    header = op->early ? op->early_header : CopyOf(op->header, op->header_bytes);
    if (!op->rendezvous) body = op->early ? op->early_body : CopyOf(op->body, op->body_bytes);
    if (const Spoil spoil = CurrentSpoil()) spoil(&header, &body);
    if (op->reply) {
      params.recv_attr |= UCP_AM_RECV_ATTR_FIELD_REPLY_EP;
      params.reply_ep = reinterpret_cast<ucp_ep_h>(own.endpoint);
    }
  }
  const auto handler = worker->handlers.find(op->id);
  const bool known = handler != worker->handlers.end();
  ucs_status_t taken = UCS_OK;
  if (op->rendezvous) {
    params.recv_attr |= UCP_AM_RECV_ATTR_FLAG_RNDV;
    auto* descriptor = new Descriptor{link, sender, op};
    if (known) {
      taken = handler->second.cb(handler->second.arg, header.data(), header.size(), descriptor, op->body_bytes, &params);
    }
    if (taken == UCS_INPROGRESS) return;
    delete descriptor;
  } else if (known) {
    handler->second.cb(handler->second.arg, header.data(), header.size(), body.data(), body.size(), &params);
  }
  const std::lock_guard<std::mutex> lock(link->mutex);
  Finish(link, sender, op, UCS_OK);
}

}  // namespace

ucs_status_ptr_t SendNbx(ucp_ep_h handle, unsigned id, const void* header, size_t header_bytes, const void* body, size_t body_bytes,
                         const ucp_request_param_t* params) {
  auto* endpoint = reinterpret_cast<Endpoint*>(handle);
  const std::shared_ptr<Link> link = endpoint->link;
  const int side = endpoint->side;
  if (endpoint->failed) return UCS_STATUS_PTR(UCS_ERR_CONNECTION_RESET);
  auto op = std::make_shared<SendOp>();
  op->id = id;
  op->header = header;
  op->header_bytes = header_bytes;
  op->body = body;
  op->body_bytes = body_bytes;
  op->rendezvous = (params->flags & UCP_AM_SEND_FLAG_RNDV) != 0;
  op->reply = (params->flags & UCP_AM_SEND_FLAG_REPLY) != 0;
  op->callback = params->cb.send;
  op->user_data = params->user_data;
  const std::lock_guard<std::mutex> lock(link->mutex);
  op->early = !op->rendezvous && link->accepted && Chance(3);
  if (op->early) {
    op->early_header = CopyOf(header, header_bytes);
    op->early_body = CopyOf(body, body_bytes);
    op->finished = true;
  } else {
    op->request = NewRequest(endpoint->worker);
    link->sides[side].outstanding.push_back(op);
  }
  std::function<void()> deliver = [link, side, op] {
    if (const auto worker = link->sides[1 - side].worker.lock()) Deliver(worker, link, side, op);
  };
  if (side == 0 && !link->accepted) {
    link->waiting.push_back(std::move(deliver));
  } else if (const auto peer = link->sides[1 - side].worker.lock()) {
    peer->Post(std::move(deliver), Chance(5));
  }
  return op->early ? nullptr : op->request;
}

ucs_status_ptr_t ReceiveNbx(ucp_worker_h handle, void* data, void* buffer, size_t count, const ucp_request_param_t* params) {
  const std::shared_ptr<Worker> worker = WorkerOf(handle);
  const std::unique_ptr<Descriptor> descriptor(static_cast<Descriptor*>(data));
  const auto receive = [worker, link = descriptor->link, sender = descriptor->sender, op = descriptor->op, buffer, count] {
    const std::lock_guard<std::mutex> lock(link->mutex);
    if (op->finished || link->sides[1 - sender].closed) return UCS_ERR_CONNECTION_RESET;
    if (op->body_bytes > count) return UCS_ERR_MESSAGE_TRUNCATED;
    memcpy(Touch(buffer, op->body_bytes), Touch(op->body, op->body_bytes), op->body_bytes);
    Finish(link, sender, op, UCS_OK);
    return UCS_OK;
  };
  if (Chance(4)) {
    const ucs_status_t status = receive();
    return status == UCS_OK ? nullptr : UCS_STATUS_PTR(status);
  }
  Request* request = NewRequest(worker);
  const auto callback = params->cb.recv_am;
  void* user_data = params->user_data;
  worker->Post([receive, request, callback, user_data, count] {
    const ucs_status_t status = receive();
    Complete(request, [&] { callback(request, status, count, user_data); });
  });
  return request;
}

}  // namespace waybill::fake
