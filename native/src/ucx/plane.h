// What owner and consumer have in common: the library, the tables, and how large a piece may be.
#pragma once

#include <chrono>
#include <cstdint>

#include "ucx/api.h"
#include "ucx/completions.h"
#include "ucx/endpoints.h"
#include "ucx/leases.h"
#include "ucx/memory.h"

namespace waybill::ucx {

struct Limits {
  // Up to so many bytes come in the message itself.
  uint64_t eager_bytes = 8192;
  // Larger answers go in pieces, so many of them at once on one connection: small ones pass between them.
  uint64_t piece_bytes = 1u << 20;
  uint32_t window_pieces = 3;
  uint64_t connect_timeout_ns = 3'000'000'000;
  // Silence of a peer that something waits for: it counts as dead after that.
  uint64_t stall_ns = 10'000'000'000;
  // Answers to one peer that are under way at once.
  uint32_t max_transfers = 65'536;
};

struct Plane {
  const Api& api;
  const Limits& limits;
  LeaseTable& leases;
  Memories& memories;
  Endpoints& endpoints;
  Completions& completions;
  // Of this process.
  uint64_t place;
  uint64_t process;
  // Whether a peer was seen whose wake-ups do not reach this process.
  bool wake_ups_lost = false;
};

inline uint64_t NowNs() {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count());
}

// The clock of leases.
inline uint64_t UnixMs() {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count());
}

}  // namespace waybill::ucx
