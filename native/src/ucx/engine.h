// The progress thread: the one thread that calls UCX, from the context's making to its end.
#pragma once

#include <netinet/in.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "ucx/commands.h"
#include "ucx/completions.h"
#include "ucx/consumer.h"
#include "ucx/endpoints.h"
#include "ucx/leases.h"
#include "ucx/memory.h"
#include "ucx/owner.h"
#include "ucx/plane.h"
#include "ucx/spin.h"

namespace waybill::ucx {

struct EngineOptions {
  // Where to listen; port 0 takes a free one.
  sockaddr_storage bind{};
  socklen_t bind_bytes = 0;
  // Settings of UCX without their prefix. The environment's go first.
  std::vector<std::pair<std::string, std::string>> settings;
  Limits limits;
  // How long to look for work before sleeping.
  uint64_t spin_ns = 50'000;
  UseDevice use_device = nullptr;
};

class Engine : private Endpoints::Events {
 public:
  // Starts the thread, which tells kOpened. `completions` and `leases` have to live until Stop has returned.
  Engine(const Api& api, EngineOptions options, LeaseTable* leases, Completions* completions);
  ~Engine() override { Stop(); }
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  CommandQueue& commands() { return commands_; }
  // Has the thread end, which tells kClosed.
  void AskToStop();
  // Fails what is under way, closes everything and ends the thread. Takes a second at most.
  void Stop();

 private:
  void Run();
  ucs_status_t Open(uint16_t* port, std::string* failed);
  ucs_status_t SetHandler(unsigned id, ucp_am_recv_callback_t handler);
  void Loop();
  void Close();
  bool RunCommands(uint64_t now_ns);
  void Execute(const Command& command, uint64_t now_ns);
  void Sleep(uint64_t now_ns);
  void TellUsed();
  std::string DescribeAll();
  void Died(Connection* connection) override;
  void Orphaned(Connection* connection) override { owner_->Abandon(connection); }
  Connection* ConnectionOf(const ucp_am_recv_param_t* param);

  static ucs_status_t OnFetch(void* arg, const void* header, size_t header_bytes, void* data, size_t bytes,
                              const ucp_am_recv_param_t* param);
  static ucs_status_t OnData(void* arg, const void* header, size_t header_bytes, void* data, size_t bytes,
                             const ucp_am_recv_param_t* param);
  static ucs_status_t OnCancel(void* arg, const void* header, size_t header_bytes, void* data, size_t bytes,
                               const ucp_am_recv_param_t* param);

  const Api& api_;
  const EngineOptions options_;
  LeaseTable& leases_;
  Completions& completions_;
  CommandQueue commands_;
  std::vector<Command> taken_;
  std::atomic<bool> stopping_{false};

  // The thread's own.
  ucp_context_h context_ = nullptr;
  ucp_worker_h worker_ = nullptr;
  int worker_fd_ = -1;
  Spin spin_;
  uint64_t told_used_ns_ = 0;
  std::unique_ptr<Memories> memories_;
  std::unique_ptr<Endpoints> endpoints_;
  std::unique_ptr<Plane> plane_;
  std::unique_ptr<Owner> owner_;
  std::unique_ptr<Consumer> consumer_;

  std::thread thread_;
};

}  // namespace waybill::ucx
