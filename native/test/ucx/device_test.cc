// Tensors on GPUs over UCX: by the fake of both, which share device memory as the real ones do.
#include <cstring>

#include "check.h"
#include "cuda/device_arena.h"
#include "cuda/use_device.h"
#include "fake_driver.h"
#include "fake_ucx/fake_ucx.h"
#include "ucx/node.h"

namespace waybill::test {
namespace {

using ucx::Outcome;

constexpr uint64_t kMiB = 1 << 20;
constexpr uint32_t kDevice = 2;

std::unique_ptr<cuda::DeviceArena> Allocate(const std::shared_ptr<const cuda::Driver>& driver, int device, uint64_t bytes) {
  std::shared_ptr<cuda::PrimaryContext> primary;
  std::unique_ptr<cuda::DeviceArena> arena;
  CHECK(cuda::PrimaryContext::Retain(driver, device, &primary).ok());
  CHECK(cuda::DeviceArena::Allocate(primary, bytes, &arena).ok());
  return arena;
}

TEST("tensors go from GPU to GPU, to the host and from it, of sizes that would come in a message too") {
  const auto driver = OpenFakeDriver();
  cuda::KeepDriver(driver);
  fake::SetTouchable(FakeDriverFunction<void* (*)(uint64_t, uint64_t)>("waybill_fake_cuda_touchable"));
  for (int seed = 1; seed <= Times(5, 1); seed++) {
    fake::Seed(static_cast<uint32_t>(seed));
    const auto sent = Allocate(driver, 0, 8 * kMiB);
    const auto got = Allocate(driver, 1, 8 * kMiB);
    Node owner(fake::FakeApi(), 8 * kMiB, &cuda::UseDevice);
    Node reader(fake::FakeApi(), 8 * kMiB, &cuda::UseDevice);
    CHECK(owner.AddDeviceMemory(kDevice, sent->address(), 8 * kMiB, 0) == 0);
    CHECK(reader.AddDeviceMemory(kDevice, got->address(), 8 * kMiB, 1) == 0);
    reader.Know(1, owner.port());
    std::vector<uint8_t> bytes(8 * kMiB);
    for (size_t i = 0; i < bytes.size(); i++) bytes[i] = static_cast<uint8_t>(i * 13 + seed);
    CHECK(sent->Write(0, bytes.data(), bytes.size()).ok());
    owner.memory() = bytes;
    const uint64_t sizes[] = {0, 1, 100, 8192, 8193, 3 * kMiB};
    uint32_t token = 0;
    uint64_t at = 0;
    std::vector<ucx::Fetch> fetches;
    for (const uint64_t size : sizes) {
      owner.Publish(size, at, size, 0, kDevice);
      owner.Publish(size + 1'000'000'000, at, size, 0, 1);
      auto device_to_device = reader.Whole(token++, 1, size, size, at);
      device_to_device.memory = kDevice;
      fetches.push_back(device_to_device);
      fetches.push_back(reader.Whole(token++, 1, size, size, at));
      auto host_to_device = reader.Whole(token++, 1, size + 1'000'000'000, size, 4 * kMiB + at);
      host_to_device.memory = kDevice;
      fetches.push_back(host_to_device);
      at += size;
    }
    for (const auto& [done, settled] : reader.FetchAll(fetches)) CHECK(settled.outcome == Outcome::kDone);
    std::vector<uint8_t> back(8 * kMiB);
    CHECK(got->Read(0, back.data(), back.size()).ok());
    CHECK(memcmp(reader.memory().data(), bytes.data(), at) == 0);
    CHECK(memcmp(back.data(), bytes.data(), at) == 0);
    CHECK(memcmp(back.data() + 4 * kMiB, bytes.data(), at) == 0);
  }
  fake::SetTouchable(nullptr);
  CHECK(fake::Left() == 0);
  CHECK(FakeDriverFunction<uint64_t (*)()>("waybill_fake_cuda_allocations")() == 0);
}

TEST("memory of a GPU that is not there, or that nobody can make current, is not registered") {
  cuda::KeepDriver(OpenFakeDriver());
  Node able(fake::FakeApi(), 4096, &cuda::UseDevice);
  CHECK(able.AddDeviceMemory(kDevice, 4096, 4096, 9) == UCS_ERR_NO_DEVICE);
  Node unable(fake::FakeApi(), 4096);
  CHECK(unable.AddDeviceMemory(kDevice, 4096, 4096, 0) == UCS_ERR_NO_DEVICE);
}

}  // namespace
}  // namespace waybill::test
