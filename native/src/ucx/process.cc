#include "ucx/process.h"

#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace waybill::ucx {

namespace {

#ifdef SYS_pidfd_open
constexpr long kPidfdOpen = SYS_pidfd_open;
#else
constexpr long kPidfdOpen = 434;
#endif

}  // namespace

uint64_t ThisProcess() {
  struct stat ids {};
  if (stat("/proc/self/ns/pid", &ids) != 0) return 0;
  return (static_cast<uint64_t>(ids.st_ino) << 32) | static_cast<uint32_t>(getpid());
}

ProcessWatch::~ProcessWatch() {
  if (fd_ >= 0) close(fd_);
}

void ProcessWatch::Watch(uint64_t process, uint64_t self) {
  if (asked_) return;
  asked_ = true;
  if (process == 0 || self == 0 || (process >> 32) != (self >> 32)) return;
  fd_ = static_cast<int>(syscall(kPidfdOpen, static_cast<pid_t>(process & UINT32_MAX), 0));
}

bool ProcessWatch::Ended() const {
  if (fd_ < 0) return false;
  pollfd ended{fd_, POLLIN, 0};
  return poll(&ended, 1, 0) == 1 && (ended.revents & POLLIN) != 0;
}

}  // namespace waybill::ucx
