// What JavaScript asks of the progress thread.
#pragma once

#include <sys/socket.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <variant>
#include <vector>

#include <ucs/memory/memory_type.h>

#include "ucx/wire.h"

namespace waybill::ucx {

// Makes a number of a peer known: where its listener is.
struct AddPeer {
  uint32_t peer;
  sockaddr_storage address;
  socklen_t address_bytes;
};

struct Fetch {
  // The caller's, below kMaxTokens; not used again before its destination may be.
  uint32_t token;
  uint32_t peer;
  uint32_t memory;
  uint32_t timeout_ms;
  // Of the destination, within the memory.
  uint64_t destination;
  // The range, within the tensor.
  uint64_t offset;
  uint64_t length;
  // What the descriptor says: bytes, dtype, and what its shape is told apart by.
  uint64_t tensor_bytes;
  uint64_t layout;
  uint8_t dtype;
  uint8_t capability_bytes;
  std::array<uint8_t, kReferenceBytes> reference;
  std::array<uint8_t, kMaxCapabilityBytes> capability;
};

struct Cancel {
  uint32_t token;
};

struct AddMemory {
  uint32_t memory;
  void* address;
  uint64_t bytes;
  ucs_memory_type_t type;
  int device;
};

struct RemoveMemory {
  uint32_t memory;
};

struct Describe {
  double question;
};

constexpr uint32_t kMaxTokens = 1u << 20;

using Command = std::variant<Fetch, Cancel, AddPeer, AddMemory, RemoveMemory, Describe>;

class CommandQueue {
 public:
  CommandQueue();
  ~CommandQueue();
  CommandQueue(const CommandQueue&) = delete;
  CommandQueue& operator=(const CommandQueue&) = delete;

  void Post(Command command);
  // Posts all of them, which leaves `commands` empty.
  void PostAll(std::vector<Command>* commands);
  // Wakes the thread without a command.
  void Wake();

  // The rest is the progress thread's. Takes what is there into `commands`, which is cleared; false when there is nothing.
  bool Take(std::vector<Command>* commands);
  int fd() const { return fd_; }
  // Says that the thread is about to sleep. False when there is something to do instead.
  bool AnnounceSleep();
  void Awake();

 private:
  void Signal();

  std::mutex mutex_;
  std::vector<Command> commands_;
  std::atomic<bool> any_{false};
  std::atomic<bool> sleeping_{false};
  std::atomic<bool> woken_{false};
  int fd_;
};

}  // namespace waybill::ucx
