// Where a process is, as far as UCX's shared memory cares: its reachability is decided by the host, its wake-ups cross no border
// of network namespaces.
#pragma once

#include <cstdint>

namespace waybill::ucx {

// The host's boot in the upper half, the network namespace in the lower; 0 where neither can be told.
uint64_t ThisPlace();

inline bool SameHost(uint64_t a, uint64_t b) { return a != 0 && b != 0 && (a >> 32) == (b >> 32); }

// Whether two places are one host with different network namespaces: shared memory connects there, and never wakes a sleeper.
inline bool LosesWakeUps(uint64_t a, uint64_t b) {
  return SameHost(a, b) && a != b;
}

}  // namespace waybill::ucx
