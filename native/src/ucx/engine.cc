#include "ucx/engine.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <type_traits>

#include "ucx/place.h"

namespace waybill::ucx {

namespace {

// Calls of progress in a row before commands are looked at again.
constexpr int kProgressBurst = 32;
// How often uses are told while the thread is busy: JavaScript renews leases of minutes by them.
constexpr uint64_t kTellUsedNs = 20'000'000;
// The longest sleep with connections, where wake-ups can be relied on and where they cannot.
constexpr uint64_t kMaxSleepMs = 1'000;
constexpr uint64_t kMaxSleepDeafMs = 1;

}  // namespace

Engine::Engine(const Api& api, EngineOptions options, LeaseTable* leases, Completions* completions)
    : api_(api),
      options_(std::move(options)),
      leases_(*leases),
      completions_(*completions),
      spin_(options_.spin_ns),
      thread_([this] { Run(); }) {}

void Engine::AskToStop() {
  stopping_.store(true);
  commands_.Wake();
}

void Engine::Stop() {
  AskToStop();
  if (thread_.joinable()) thread_.join();
}

void Engine::Run() {
  // Signals are the program's: a handler of the runtime must not run here.
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  pthread_setname_np(pthread_self(), "waybill-ucx");
  uint16_t port = 0;
  std::string failed;
  const ucs_status_t status = Open(&port, &failed);
  if (status != UCS_OK) completions_.PutText(0, failed + ": " + api_.ucs_status_string(status));
  completions_.Push(Event::kOpened, static_cast<double>(static_cast<int>(status)), port);
  if (status == UCS_OK) Loop();
  Close();
  completions_.Push(Event::kClosed);
}

void Engine::Loop() {
  while (!stopping_.load(std::memory_order_relaxed)) {
    uint64_t now_ns = NowNs();
    bool worked = RunCommands(now_ns);
    for (int i = 0; i < kProgressBurst && api_.ucp_worker_progress(worker_) != 0; i++) worked = true;
    worked |= endpoints_->Work(now_ns);
    if (worked) {
      if (leases_.any_used() && now_ns - told_used_ns_ > kTellUsedNs) TellUsed();
      spin_.Worked(now_ns);
    } else if (spin_.Again(now_ns)) {
      Pause();
    } else {
      Sleep(now_ns);
    }
    consumer_->CheckDeadlines(now_ns);
  }
}

void Engine::Sleep(uint64_t now_ns) {
  if (leases_.any_used()) TellUsed();
  if (!commands_.AnnounceSleep()) return;
  const bool armed = api_.ucp_worker_arm(worker_) == UCS_OK;
  // With something to do that may never be done UCX is always busy, and its descriptor always ready.
  const bool deaf = !armed && endpoints_->any_lingering() && api_.ucp_worker_progress(worker_) == 0;
  if (!armed && !deaf) return commands_.Awake();
  int timeout_ms = -1;
  if (endpoints_->any()) {
    const uint64_t due_ns = consumer_->CheckDeadlines(now_ns);
    const uint64_t longest_ms = plane_->wake_ups_lost || deaf ? kMaxSleepDeafMs : kMaxSleepMs;
    timeout_ms = due_ns <= now_ns
                     ? 0
                     : static_cast<int>(std::min<uint64_t>((due_ns - now_ns + 999'999) / 1'000'000, longest_ms));
  }
  pollfd fds[2] = {{commands_.fd(), POLLIN, 0}, {worker_fd_, POLLIN, 0}};
  poll(fds, deaf ? 1 : 2, timeout_ms);
  commands_.Awake();
}

bool Engine::RunCommands(uint64_t now_ns) {
  if (!commands_.Take(&taken_)) return false;
  for (const Command& command : taken_) Execute(command, now_ns);
  consumer_->Flush();
  return true;
}

void Engine::Execute(const Command& command, uint64_t now_ns) {
  std::visit(
      [&](const auto& asked) {
        using Asked = std::decay_t<decltype(asked)>;
        if constexpr (std::is_same_v<Asked, Fetch>) {
          consumer_->Start(asked, now_ns);
        } else if constexpr (std::is_same_v<Asked, Cancel>) {
          // What was asked for before goes first: it may be what is canceled.
          consumer_->Flush();
          consumer_->Cancel(asked.token);
        } else if constexpr (std::is_same_v<Asked, AddPeer>) {
          endpoints_->Know(asked);
        } else if constexpr (std::is_same_v<Asked, AddMemory>) {
          const ucs_status_t status = memories_->Add(asked);
          completions_.Push(Event::kMemoryAdded, asked.memory, static_cast<double>(static_cast<int>(status)));
        } else if constexpr (std::is_same_v<Asked, RemoveMemory>) {
          if (memories_->Remove(asked.memory)) completions_.Push(Event::kMemoryRemoved, asked.memory);
        } else {
          completions_.PutText(asked.question, DescribeAll());
          completions_.Push(Event::kDescribed, asked.question);
        }
      },
      command);
}

void Engine::TellUsed() {
  told_used_ns_ = NowNs();
  leases_.TakeUsed([this](double id, uint64_t reads, uint64_t bytes) {
    completions_.Push(Event::kUsed, id, static_cast<double>(reads), static_cast<double>(bytes));
  });
}

void Engine::Died(Connection* connection) {
  consumer_->Died(connection);
  owner_->Died(connection);
}

Connection* Engine::ConnectionOf(const ucp_am_recv_param_t* param) {
  if ((param->recv_attr & UCP_AM_RECV_ATTR_FIELD_REPLY_EP) == 0) return nullptr;
  return endpoints_->Of(param->reply_ep);
}

ucs_status_t Engine::OnFetch(void* arg, const void* header, size_t header_bytes, void* data, size_t bytes,
                             const ucp_am_recv_param_t* param) {
  auto* self = static_cast<Engine*>(arg);
  Connection* connection = self->ConnectionOf(param);
  // Entries that do not come with the message are none of ours: UCX tells their sender.
  if (connection == nullptr || (param->recv_attr & UCP_AM_RECV_ATTR_FLAG_RNDV) != 0) return UCS_OK;
  self->owner_->OnFetch(connection, header, header_bytes, data, bytes);
  return UCS_OK;
}

ucs_status_t Engine::OnData(void* arg, const void* header, size_t header_bytes, void* data, size_t bytes,
                            const ucp_am_recv_param_t* param) {
  auto* self = static_cast<Engine*>(arg);
  const bool rendezvous = (param->recv_attr & UCP_AM_RECV_ATTR_FLAG_RNDV) != 0;
  return self->consumer_->OnData(self->ConnectionOf(param), header, header_bytes, data, bytes, rendezvous);
}

ucs_status_t Engine::OnCancel(void* arg, const void* header, size_t header_bytes, void* /* data */, size_t /* bytes */,
                              const ucp_am_recv_param_t* param) {
  auto* self = static_cast<Engine*>(arg);
  if (Connection* connection = self->ConnectionOf(param)) self->owner_->OnCancel(connection, header, header_bytes);
  return UCS_OK;
}

}  // namespace waybill::ucx
