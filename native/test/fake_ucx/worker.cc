#include <sys/eventfd.h>
#include <unistd.h>

#include <utility>

#include "fake_ucx/parts.h"

namespace waybill::fake {

std::atomic<uint64_t> left{0};

namespace {

std::atomic<uint32_t> seed{1};
std::mutex spoil_mutex;
Spoil spoil;
std::atomic<void* (*)(uint64_t, uint64_t)> touchable{nullptr};

}  // namespace

void SpoilMessages(Spoil value) {
  const std::lock_guard<std::mutex> lock(spoil_mutex);
  spoil = std::move(value);
}

Spoil CurrentSpoil() {
  const std::lock_guard<std::mutex> lock(spoil_mutex);
  return spoil;
}

void Seed(uint32_t value) { seed.store(value); }

void SetTouchable(void* (*function)(uint64_t, uint64_t)) { touchable.store(function); }

uint64_t Left() { return left.load(); }

bool Chance(uint32_t n) {
  // A small generator that any thread may turn.
  const uint32_t drawn = seed.fetch_add(0x9e3779b9) * 0x85ebca6b;
  return (drawn >> 16) % n == 0;
}

void* Touch(const void* pointer, size_t bytes) {
  const auto function = touchable.load();
  void* found = function == nullptr || bytes == 0 ? nullptr : function(reinterpret_cast<uint64_t>(pointer), bytes);
  return found == nullptr ? const_cast<void*>(pointer) : found;
}

void Worker::Post(std::function<void()> work, bool overtakes) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (ended_) return;
  inbox_.insert(overtakes && !inbox_.empty() ? inbox_.end() - 1 : inbox_.end(), std::move(work));
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(fd, &one, sizeof one);
}

bool Worker::RunOne() {
  std::function<void()> work;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (inbox_.empty()) return false;
    work = std::move(inbox_.front());
    inbox_.pop_front();
  }
  work();
  return true;
}

bool Worker::Empty() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!inbox_.empty()) return false;
  uint64_t count = 0;
  [[maybe_unused]] const ssize_t taken = read(fd, &count, sizeof count);
  return true;
}

void Worker::End() {
  std::deque<std::function<void()>> dropped;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ended_ = true;
    dropped.swap(inbox_);
    close(fd);
  }
}

Request* NewRequest(const std::shared_ptr<Worker>& worker) {
  auto* request = new Request{worker.get()};
  worker->requests.insert(request);
  return request;
}

namespace {

void Delete(Request* request) {
  request->worker->requests.erase(request);
  delete request;
}

}  // namespace

void Complete(Request* request, const std::function<void()>& callback) {
  callback();
  request->completed = true;
  if (request->freed) Delete(request);
}

void FreeRequest(void* pointer) {
  auto* request = static_cast<Request*>(pointer);
  request->freed = true;
  if (request->completed) Delete(request);
}

}  // namespace waybill::fake
