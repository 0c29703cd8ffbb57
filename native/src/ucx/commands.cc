#include "ucx/commands.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <utility>

namespace waybill::ucx {

CommandQueue::CommandQueue() : fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

CommandQueue::~CommandQueue() { close(fd_); }

void CommandQueue::Post(Command command) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    commands_.push_back(std::move(command));
  }
  any_.store(true);
  Signal();
}

void CommandQueue::PostAll(std::vector<Command>* commands) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    commands_.insert(commands_.end(), commands->begin(), commands->end());
  }
  commands->clear();
  any_.store(true);
  Signal();
}

void CommandQueue::Wake() {
  woken_.store(true);
  Signal();
}

bool CommandQueue::Take(std::vector<Command>* commands) {
  commands->clear();
  // Looked at without the lock, since the thread asks far more often than there is something.
  if (!any_.load(std::memory_order_acquire)) return false;
  const std::lock_guard<std::mutex> lock(mutex_);
  any_.store(false);
  commands_.swap(*commands);
  return !commands->empty();
}

bool CommandQueue::AnnounceSleep() {
  sleeping_.store(true);
  if (!any_.load() && !woken_.exchange(false)) return true;
  Awake();
  return false;
}

void CommandQueue::Awake() {
  sleeping_.store(false);
  uint64_t count = 0;
  // Nothing to read where nobody wrote.
  while (read(fd_, &count, sizeof count) > 0) {
  }
}

void CommandQueue::Signal() {
  // Sequentially consistent on both sides: either this sees the sleeper, or the sleeper sees the command.
  if (!sleeping_.exchange(false)) return;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(fd_, &one, sizeof one);
}

}  // namespace waybill::ucx
