// Network interfaces that are about to work. UCX looks at them when a context is made and never again: one whose cable is in, and
// that the kernel has not declared running yet, as just after a container's start, would stay unknown to it.
#pragma once

#include <atomic>
#include <cstdint>

namespace waybill::ucx {

// Waits until none is about to work, `most_ns` at most, or until `stop` is set.
void WaitForInterfaces(uint64_t most_ns, const std::atomic<bool>& stop);

}  // namespace waybill::ucx
