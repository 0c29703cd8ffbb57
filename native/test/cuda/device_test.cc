#include <cstring>
#include <thread>
#include <vector>

#include "check.h"
#include "cuda/device.h"
#include "cuda/device_arena.h"
#include "fake_driver.h"

namespace waybill::cuda {
namespace {

constexpr uint64_t kMiB = 1 << 20;

const auto Open = test::OpenFakeDriver;

uint64_t Allocations() { return test::FakeDriverFunction<uint64_t (*)()>("waybill_fake_cuda_allocations")(); }

std::unique_ptr<DeviceArena> Allocate(const std::shared_ptr<const Driver>& driver, int device, uint64_t bytes) {
  std::shared_ptr<PrimaryContext> primary;
  CHECK(PrimaryContext::Retain(driver, device, &primary).ok());
  std::unique_ptr<DeviceArena> arena;
  CHECK(DeviceArena::Allocate(primary, bytes, &arena).ok());
  return arena;
}

TEST("a machine without CUDA is told of, and so is a library that is none") {
  std::string fault;
  CHECK(OpenDriver("/nonexistent/libcuda.so.1", &fault) == nullptr && fault.find("nonexistent") != std::string::npos);
  CHECK(OpenDriver("libm.so.6", &fault) == nullptr && fault.find("cuInit") != std::string::npos);
}

TEST("GPUs are listed with their memory, and nothing of them stays held") {
  const auto driver = Open();
  std::vector<DeviceFacts> devices;
  CHECK(ListDevices(driver, &devices).ok() && devices.size() == 2);
  CHECK(devices[1].name == "Fake GPU 1" && devices[1].total_bytes == 64 * kMiB && devices[1].free_bytes == 64 * kMiB);
  CHECK(test::FakeDriverFunction<int (*)(int)>("waybill_fake_cuda_retained")(1) == 0);
}

TEST("bytes go to a GPU, between two, within one, and back") {
  const auto driver = Open();
  {
    const auto first = Allocate(driver, 0, 4 * kMiB);
    const auto second = Allocate(driver, 1, 4 * kMiB);
    std::vector<uint8_t> sent(kMiB);
    for (size_t i = 0; i < sent.size(); i++) sent[i] = static_cast<uint8_t>(i * 7);
    CHECK(first->Write(3 * kMiB, sent.data(), kMiB).ok());
    CHECK(second->CopyFrom(*first, 3 * kMiB, kMiB, kMiB).ok());
    CHECK(second->CopyFrom(*second, kMiB, 0, kMiB).ok());
    std::vector<uint8_t> got(kMiB);
    CHECK(second->Read(0, got.data(), kMiB).ok() && got == sent);
  }
  CHECK(Allocations() == 0);
}

TEST("a GPU's memory ends where it ends, and there is only so much of it") {
  const auto driver = Open();
  const auto arena = Allocate(driver, 0, kMiB);
  uint8_t byte = 1;
  CHECK(arena->Write(kMiB, &byte, 0).ok());
  CHECK(arena->Write(kMiB, &byte, 1).result == kInvalidValue);
  CHECK(arena->Read(~uint64_t{0}, &byte, 2).result == kInvalidValue);
  CHECK(arena->Read(2, &byte, ~uint64_t{0}).result == kInvalidValue);
  CHECK(arena->CopyFrom(*arena, kMiB - 1, 0, 2).result == kInvalidValue);
  std::unique_ptr<DeviceArena> more;
  std::shared_ptr<PrimaryContext> primary;
  CHECK(PrimaryContext::Retain(driver, 0, &primary).ok());
  const Outcome outcome = DeviceArena::Allocate(primary, 64 * kMiB, &more);
  CHECK(outcome.result == kOutOfMemory && ResultName(*driver, outcome.result) == "CUDA_ERROR_OUT_OF_MEMORY");
  CHECK(PrimaryContext::Retain(driver, 2, &primary).result == kInvalidDevice);
}

TEST("every thread makes the GPU current that it works with") {
  const auto driver = Open();
  const auto first = Allocate(driver, 0, kMiB);
  const auto second = Allocate(driver, 1, kMiB);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; i++) {
    threads.emplace_back([&, i] {
      std::vector<uint8_t> bytes(1024, static_cast<uint8_t>(i + 1));
      std::vector<uint8_t> read(1024);
      DeviceArena& arena = i % 2 == 0 ? *first : *second;
      for (int round = 0; round < 200; round++) {
        CHECK(arena.Write(static_cast<uint64_t>(i) * 1024, bytes.data(), 1024).ok());
        CHECK(arena.Read(static_cast<uint64_t>(i) * 1024, read.data(), 1024).ok() && read == bytes);
      }
    });
  }
  for (auto& thread : threads) thread.join();
}

}  // namespace
}  // namespace waybill::cuda
