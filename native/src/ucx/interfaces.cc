#include "ucx/interfaces.h"

#include <ifaddrs.h>
#include <linux/if.h>
#include <sys/socket.h>

#include <chrono>
#include <thread>

namespace waybill::ucx {

namespace {

constexpr std::chrono::milliseconds kPause(10);

bool AnyAboutToWork() {
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return false;
  bool any = false;
  for (const ifaddrs* at = all; at != nullptr && !any; at = at->ifa_next) {
    if (at->ifa_addr == nullptr) continue;
    const int family = at->ifa_addr->sa_family;
    // The carrier is there at once; that the interface runs is declared by a worker of the kernel, once a second at worst.
    constexpr unsigned kCarrier = IFF_UP | IFF_LOWER_UP;
    any = (family == AF_INET || family == AF_INET6) && (at->ifa_flags & kCarrier) == kCarrier &&
          (at->ifa_flags & IFF_RUNNING) == 0;
  }
  freeifaddrs(all);
  return any;
}

}  // namespace

void WaitForInterfaces(uint64_t most_ns, const std::atomic<bool>& stop) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::nanoseconds(most_ns);
  while (!stop.load() && AnyAboutToWork() && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(kPause);
}

}  // namespace waybill::ucx
