// The process behind a connection from this host, watched for its end. UCX does not always let go of what it was sending to a
// process that was killed; the kernel knows that nobody reads it any more.
#pragma once

#include <cstdint>

namespace waybill::ucx {

// The process ids' namespace in the upper half, the id in the lower; 0 where it cannot be told.
uint64_t ThisProcess();

class ProcessWatch {
 public:
  ProcessWatch() = default;
  ~ProcessWatch();
  ProcessWatch(const ProcessWatch&) = delete;
  ProcessWatch& operator=(const ProcessWatch&) = delete;

  // Watches a process, the first that is named, where it shares the namespace of `self`.
  void Watch(uint64_t process, uint64_t self);
  // Whether it is certain that it has ended.
  bool Ended() const;

 private:
  int fd_ = -1;
  bool asked_ = false;
};

}  // namespace waybill::ucx
