// A node of the tests: an engine with its table, its memory and what it tells.
#pragma once

#include <arpa/inet.h>

#include <chrono>
#include <condition_variable>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "check.h"
#include "core/capability.h"
#include "ucx/engine.h"

namespace waybill::test {

constexpr uint8_t kKey[32] = {1, 2, 3};

/// How a fetch ended.
struct Settled {
  ucx::Outcome outcome;
  bool reusable;
};

/// A capability to read, without an end.
inline std::vector<uint8_t> ReadCapability(const ucx::Reference& reference, const uint8_t* key = kKey) {
  std::vector<uint8_t> bytes = {1, kRead, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
  const char context[] = "waybill.v1.capability";
  std::vector<uint8_t> message(context, context + sizeof context);
  message.insert(message.end(), reference.begin(), reference.end());
  message.insert(message.end(), bytes.begin(), bytes.end());
  const Tag tag = Hmac(key, 32).Sign(message.data(), message.size());
  bytes.push_back(0);
  bytes.insert(bytes.end(), tag.begin(), tag.end());
  return bytes;
}

inline ucx::Reference ReferenceOf(uint64_t number) {
  ucx::Reference reference{};
  memcpy(reference.data(), &number, sizeof number);
  reference[15] = 1;
  return reference;
}

class Node {
 public:
  /// @param use_device as the engine takes it, for a node that is given device memory later
  explicit Node(const ucx::Api& api, size_t memory_bytes, ucx::UseDevice use_device = nullptr);
  ~Node() { Stop(); }

  /// Closes the engine; what is under way fails.
  void Stop();
  uint16_t port() const { return port_; }
  ucx::Engine& engine() { return *engine_; }
  ucx::LeaseTable& leases() { return leases_; }
  std::vector<uint8_t>& memory() { return memory_; }

  /// Makes another node known by a number.
  void Know(uint32_t peer, uint16_t port);
  /// Registers memory of a GPU, by a number other than 1; returns UCX's status.
  double AddDeviceMemory(uint32_t memory, uint64_t address, uint64_t bytes, int device);
  /// Makes a lease on a part of a memory.
  void Publish(uint64_t number, uint64_t offset, uint64_t bytes, double id = 0, uint32_t memory = 1);
  /// A fetch of a whole lease, to be posted.
  ucx::Fetch Whole(uint32_t token, uint32_t peer, uint64_t number, uint64_t bytes, uint64_t destination) const;
  /// Posts fetches and waits for all of them, and until each destination may be reused.
  std::map<uint32_t, Settled> FetchAll(std::vector<ucx::Fetch> fetches);
  /// Waits for an event of a kind, which it takes; returns its first value.
  double Await(ucx::Event event);

 private:
  void Drain();

  std::vector<uint8_t> memory_;
  ucx::LeaseTable leases_{kKey};
  std::mutex mutex_;
  std::condition_variable told_;
  bool any_ = false;
  ucx::Completions completions_;
  std::unique_ptr<ucx::Engine> engine_;
  uint16_t port_ = 0;
  double memory_status_ = 0;

  // What was drained, of the testing thread.
  std::map<uint32_t, Settled> settled_;
  std::map<ucx::Event, std::vector<double>> others_;
};

}  // namespace waybill::test
