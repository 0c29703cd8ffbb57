#include "ucx/place.h"

#include <sys/stat.h>

#include <cstdio>

namespace waybill::ucx {

uint64_t ThisPlace() {
  uint32_t boot = 2166136261u;
  std::FILE* file = std::fopen("/proc/sys/kernel/random/boot_id", "r");
  if (file == nullptr) return 0;
  for (int letter = std::fgetc(file); letter != EOF; letter = std::fgetc(file)) {
    boot = (boot ^ static_cast<uint32_t>(letter)) * 16777619u;
  }
  std::fclose(file);
  struct stat network {};
  if (stat("/proc/self/ns/net", &network) != 0) return 0;
  return (static_cast<uint64_t>(boot) << 32) | static_cast<uint32_t>(network.st_ino);
}

}  // namespace waybill::ucx
