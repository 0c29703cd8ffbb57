// What happened, for JavaScript: records of doubles, read in batches.
#pragma once

#include <cstddef>
#include <functional>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

namespace waybill::ucx {

// The first double of a record; the others depend on it.
enum class Event : int {
  // token, Outcome, detail (UCX's status, or the tensor's bytes where they differ), 1 when the destination may be reused now
  kSettled = 1,
  // token: the destination of a fetch that failed before may be reused now
  kReusable = 2,
  // lease, reads, bytes
  kUsed = 3,
  // lease: withdrawn, and its last send is over
  kFreed = 4,
  // memory, UCX's status
  kMemoryAdded = 5,
  // memory
  kMemoryRemoved = 6,
  // question: its text can be taken
  kDescribed = 7,
  // UCX's status, port; the text of what failed is that of question 0
  kOpened = 8,
  kClosed = 9,
};

// How a fetch ended. 0 to 3 are the owner's answers.
enum class Outcome : int {
  kDone = 0,
  kDenied = 1,
  kBusy = 2,
  kOutOfRange = 3,
  kUnavailable = 4,
  kTimedOut = 5,
  kCanceled = 6,
  // The bytes, the dtype or the shape are not those of the descriptor.
  kMismatch = 7,
  // The owner's message breaks the protocol.
  kBadAnswer = 8,
  kNoMemory = 9,
};

class Completions {
 public:
  static constexpr size_t kStride = 5;

  // Called when there is something after there was nothing; from any thread.
  explicit Completions(std::function<void()> notify) : notify_(std::move(notify)) {}

  void Push(Event event, double a = 0, double b = 0, double c = 0, double d = 0);

  // Moves as many records as fit; returns how many.
  size_t Drain(double* out, size_t records);

  void PutText(double question, std::string text);
  // Takes a text, once; empty when there is none.
  std::string TakeText(double question);

 private:
  std::mutex mutex_;
  std::vector<double> records_;
  size_t read_ = 0;
  bool told_ = false;
  std::unordered_map<double, std::string> texts_;
  std::function<void()> notify_;
};

}  // namespace waybill::ucx
