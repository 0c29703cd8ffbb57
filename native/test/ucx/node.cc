#include "ucx/node.h"

namespace waybill::test {

Node::Node(const ucx::Api& api, size_t memory_bytes, ucx::UseDevice use_device)
    : memory_(memory_bytes), completions_([this] {
        const std::lock_guard<std::mutex> lock(mutex_);
        any_ = true;
        told_.notify_one();
      }) {
  ucx::EngineOptions options;
  auto* address = reinterpret_cast<sockaddr_in*>(&options.bind);
  address->sin_family = AF_INET;
  address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  options.bind_bytes = sizeof(sockaddr_in);
  options.use_device = use_device;
  engine_ = std::make_unique<ucx::Engine>(api, std::move(options), &leases_, &completions_);
  CHECK(Await(ucx::Event::kOpened) == 0);
  engine_->commands().Post(ucx::AddMemory{1, memory_.data(), memory_.size(), UCS_MEMORY_TYPE_HOST, 0});
  Await(ucx::Event::kMemoryAdded);
}

void Node::Stop() { engine_->Stop(); }

void Node::Know(uint32_t peer, uint16_t port) {
  ucx::AddPeer command{peer, {}, sizeof(sockaddr_in)};
  auto* address = reinterpret_cast<sockaddr_in*>(&command.address);
  address->sin_family = AF_INET;
  address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address->sin_port = htons(port);
  engine_->commands().Post(command);
}

double Node::AddDeviceMemory(uint32_t memory, uint64_t address, uint64_t bytes, int device) {
  engine_->commands().Post(
      ucx::AddMemory{memory, reinterpret_cast<void*>(address), bytes, UCS_MEMORY_TYPE_CUDA, device});
  Await(ucx::Event::kMemoryAdded);
  return memory_status_;
}

void Node::Publish(uint64_t number, uint64_t offset, uint64_t bytes, double id, uint32_t memory) {
  const uint64_t never = ucx::UnixMs() + 3'600'000;
  leases_.Publish({id, ReferenceOf(number), memory, offset, bytes, 7, 3, never, never, 60'000});
}

ucx::Fetch Node::Whole(uint32_t token, uint32_t peer, uint64_t number, uint64_t bytes, uint64_t destination) const {
  ucx::Fetch fetch{};
  fetch.token = token;
  fetch.peer = peer;
  fetch.memory = 1;
  fetch.timeout_ms = 60'000;
  fetch.destination = destination;
  fetch.length = fetch.tensor_bytes = bytes;
  fetch.layout = 7;
  fetch.dtype = 3;
  fetch.reference = ReferenceOf(number);
  const auto capability = ReadCapability(fetch.reference);
  fetch.capability_bytes = static_cast<uint8_t>(capability.size());
  std::copy(capability.begin(), capability.end(), fetch.capability.begin());
  return fetch;
}

std::map<uint32_t, Settled> Node::FetchAll(std::vector<ucx::Fetch> fetches) {
  const size_t count = fetches.size();
  std::vector<ucx::Command> commands(fetches.begin(), fetches.end());
  engine_->commands().PostAll(&commands);
  const auto done = [&] {
    if (settled_.size() < count) return false;
    for (const auto& [token, settled] : settled_) {
      if (!settled.reusable) return false;
    }
    return true;
  };
  while (!done()) Drain();
  return std::exchange(settled_, {});
}

double Node::Await(ucx::Event event) {
  while (others_[event].empty()) Drain();
  const double value = others_[event].front();
  others_[event].erase(others_[event].begin());
  return value;
}

void Node::Drain() {
  {
    std::unique_lock<std::mutex> lock(mutex_);
    CHECK(told_.wait_for(lock, std::chrono::seconds(60), [this] { return any_; }));
    any_ = false;
  }
  double records[ucx::Completions::kStride * 256];
  while (const size_t count = completions_.Drain(records, 256)) {
    for (size_t i = 0; i < count; i++) {
      const double* record = records + i * ucx::Completions::kStride;
      const auto event = static_cast<ucx::Event>(static_cast<int>(record[0]));
      const auto token = static_cast<uint32_t>(record[1]);
      if (event == ucx::Event::kSettled) {
        CHECK(settled_.count(token) == 0);
        settled_[token] = {static_cast<ucx::Outcome>(static_cast<int>(record[2])), record[4] != 0};
      } else if (event == ucx::Event::kReusable) {
        CHECK(settled_.count(token) == 1 && !settled_[token].reusable);
        settled_[token].reusable = true;
      } else if (event == ucx::Event::kOpened) {
        port_ = static_cast<uint16_t>(record[2]);
        others_[event].push_back(record[1]);
      } else if (event != ucx::Event::kUsed) {
        if (event == ucx::Event::kMemoryAdded) memory_status_ = record[2];
        others_[event].push_back(record[1]);
      }
    }
  }
}

}  // namespace waybill::test
