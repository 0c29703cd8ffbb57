// One endpoint, ours to a peer's listener or a peer's to ours.
//
// A connection is
// - open from its making on; messages wait in it until the peer is reached. It is established with the first sign of the peer;
// - dead once UCX or a deadline says so: its fetches have failed, nothing more is sent. Its forced close is asked for outside of
//   UCX's callbacks;
// - closing until UCX has let go of it and of every request in it. One that lingers may never come to its end: the close of a lane
//   over shared memory waits for room in the inbox of the other process, which is full for ever when that was killed;
// - gone.
#pragma once

#include <deque>
#include <list>
#include <vector>

#include "ucx/api.h"
#include "ucx/commands.h"
#include "ucx/leases.h"
#include "ucx/memory.h"
#include "ucx/process.h"
#include "ucx/ranges.h"

namespace waybill::ucx {

struct Connection;

// A fetch of ours that is under way.
struct Pending {
  Fetch fetch;
  Connection* connection = nullptr;
  Memory* memory = nullptr;
  // As the owner knows it: unlike the caller's token never used twice.
  uint64_t wire_token = 0;
  uint64_t deadline_ns = 0;
  // What a message has come for, and how many bytes are there.
  Ranges announced;
  uint64_t received = 0;
  // Receives that write to the destination.
  uint32_t receiving = 0;
  bool settled = false;
  std::list<Pending*>::iterator place;
};

// A large answer of ours that is under way, piece by piece.
struct Transfer {
  Connection* connection = nullptr;
  uint64_t wire_token = 0;
  Lease* lease = nullptr;
  Memory* memory = nullptr;
  // Within the memory.
  uint64_t begin = 0;
  uint64_t end = 0;
  uint64_t next = 0;
  uint32_t sending = 0;
  bool ended = false;
};

struct Connection {
  const Api* api = nullptr;
  ucp_ep_h endpoint = nullptr;
  // Ours to this peer; -1 for a peer's to ours.
  int64_t peer = -1;
  uint64_t made_ns = 0;
  // When something came of it last.
  uint64_t alive_ns = 0;
  // When it was asked last for a sign of life.
  uint64_t asked_ns = 0;
  bool established = false;
  bool dead = false;
  bool close_asked = false;
  uint64_t close_asked_ns = 0;
  bool lingers = false;
  // When it was last looked at whether a lingering one's process has ended.
  uint64_t looked_ns = 0;
  bool closed = false;
  ProcessWatch process;
  ucs_status_t reason = UCS_OK;
  // Requests, transfers and fetches that point here.
  uint32_t holders = 0;
  std::list<Pending*> fetches;
  // Round robin of what has pieces left to send.
  std::deque<Transfer*> transfers;
  uint64_t pieces_sending = 0;
  bool pumping = false;
  // Entries that go with the next FETCH.
  std::vector<uint8_t> entries;
  uint16_t entry_count = 0;
};

}  // namespace waybill::ucx
