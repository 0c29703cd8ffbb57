#include <cstring>
#include <numeric>
#include <thread>

#include "check.h"
#include "fake_ucx/fake_ucx.h"
#include "ucx/library.h"
#include "ucx/node.h"

namespace waybill::test {
namespace {

using ucx::Event;
using ucx::Outcome;

constexpr uint64_t kMiB = 1 << 20;

void Fill(std::vector<uint8_t>* bytes) {
  for (size_t i = 0; i < bytes->size(); i++) (*bytes)[i] = static_cast<uint8_t>(i * 31 + (i >> 12));
}

#ifndef __SANITIZE_THREAD__
/// The real library where the test's environment names one, else nullptr.
const ucx::Api* RealApi() {
  const char* path = getenv("WAYBILL_TEST_UCX");
  if (path == nullptr || *path == 0) return nullptr;
  setenv("UCX_TLS", "tcp,self", 0);
  std::string error;
  const ucx::Library* library = ucx::OpenLibrary({path}, &error);
  if (library == nullptr) printf("  %s\n", error.c_str());
  return library == nullptr ? nullptr : &library->api;
}
#endif

/// Fetches tensors of 8 bytes, in batches.
void FetchMany(const ucx::Api& api, int count) {
  Node owner(api, 1 * kMiB);
  Node reader(api, 1 * kMiB);
  Fill(&owner.memory());
  reader.Know(1, owner.port());
  constexpr int kBatch = 500;
  for (int i = 0; i < kBatch; i++) owner.Publish(static_cast<uint64_t>(i), static_cast<uint64_t>(i) * 64, 8);
  for (int done = 0; done < count; done += kBatch) {
    std::vector<ucx::Fetch> fetches;
    for (uint32_t i = 0; i < kBatch; i++) fetches.push_back(reader.Whole(i, 1, i, 8, uint64_t{i} * 8));
    for (const auto& [token, settled] : reader.FetchAll(std::move(fetches))) CHECK(settled.outcome == Outcome::kDone);
  }
  for (size_t i = 0; i < kBatch; i++) CHECK(memcmp(&reader.memory()[i * 8], &owner.memory()[i * 64], 8) == 0);
}

TEST("tensors of all sizes arrive as they are, many at once and in any order of events") {
  for (int seed = 1; seed <= Times(8, 2); seed++) {
    fake::Seed(static_cast<uint32_t>(seed));
    Node owner(fake::FakeApi(), 8 * kMiB);
    Node reader(fake::FakeApi(), 32 * kMiB);
    Fill(&owner.memory());
    reader.Know(1, owner.port());
    const uint64_t sizes[] = {0, 1, 63, 8191, 8192, 8193, 65'536, kMiB, 2 * kMiB, 2 * kMiB + 1, 5 * kMiB + 3};
    uint32_t token = 0;
    uint64_t destination = 0;
    std::vector<ucx::Fetch> fetches;
    for (const uint64_t size : sizes) {
      owner.Publish(size, size % 4096, size);
      for (int twice = 0; twice < 2; twice++) {
        fetches.push_back(reader.Whole(token++, 1, size, size, destination));
        destination += size;
      }
    }
    const auto settled = reader.FetchAll(fetches);
    for (const ucx::Fetch& fetch : fetches) {
      CHECK(settled.at(fetch.token).outcome == Outcome::kDone);
      const uint8_t* sent = owner.memory().data() + fetch.length % 4096;
      CHECK(memcmp(reader.memory().data() + fetch.destination, sent, fetch.length) == 0);
    }
  }
  CHECK(fake::Left() == 0);
}

TEST("a forged capability, an unknown reference and another's description fail, each for its reason") {
  Node owner(fake::FakeApi(), kMiB);
  Node reader(fake::FakeApi(), kMiB);
  reader.Know(1, owner.port());
  owner.Publish(1, 0, 1000);
  auto forged = reader.Whole(0, 1, 1, 1000, 0);
  forged.capability[20] ^= 1;
  auto other_size = reader.Whole(2, 1, 1, 1000, 2000);
  other_size.tensor_bytes = 999;
  auto other_dtype = reader.Whole(3, 1, 1, 1000, 3000);
  other_dtype.dtype = 4;
  auto beyond = reader.Whole(4, 1, 1, 1000, 4000);
  beyond.offset = 1;
  auto nowhere = reader.Whole(5, 1, 1, 1000, kMiB - 999);
  const auto settled =
      reader.FetchAll({forged, reader.Whole(1, 1, 77, 1000, 1000), other_size, other_dtype, beyond, nowhere});
  CHECK(settled.at(0).outcome == Outcome::kDenied && settled.at(1).outcome == Outcome::kDenied);
  CHECK(settled.at(2).outcome == Outcome::kMismatch && settled.at(3).outcome == Outcome::kMismatch);
  CHECK(settled.at(4).outcome == Outcome::kOutOfRange && settled.at(5).outcome == Outcome::kNoMemory);
}

TEST("an owner that ends fails what is under way, and one that is not there what is asked for") {
  for (int seed = 1; seed <= Times(10, 3); seed++) {
    fake::Seed(static_cast<uint32_t>(seed));
    auto owner = std::make_unique<Node>(fake::FakeApi(), 16 * kMiB);
    Node reader(fake::FakeApi(), 64 * kMiB);
    reader.Know(1, owner->port());
    reader.Know(2, 9999);
    owner->Publish(1, 0, 16 * kMiB);
    std::vector<ucx::Fetch> fetches = {reader.Whole(9, 2, 1, 8, 0)};
    for (uint32_t i = 0; i < 4; i++) fetches.push_back(reader.Whole(i, 1, 1, 16 * kMiB, i * 16 * kMiB));
    std::thread ending([&] {
      std::this_thread::sleep_for(std::chrono::microseconds(seed * 900));
      owner->Stop();
    });
    const auto settled = reader.FetchAll(fetches);
    ending.join();
    CHECK(settled.at(9).outcome == Outcome::kUnavailable);
    for (uint32_t i = 0; i < 4; i++) {
      const Outcome outcome = settled.at(i).outcome;
      CHECK(outcome == Outcome::kDone || outcome == Outcome::kUnavailable || outcome == Outcome::kDenied);
    }
  }
  CHECK(fake::Left() == 0);
}

TEST("four threads fetch, cancel, publish and withdraw at the same time, and memory is used again only when it may be") {
  fake::Seed(7);
  Node owner(fake::FakeApi(), 4 * kMiB);
  Node reader(fake::FakeApi(), 16 * kMiB);
  reader.Know(1, owner.port());
  memset(owner.memory().data(), 1, owner.memory().size());
  std::atomic<bool> done{false};
  std::thread publishing([&] {
    for (uint64_t i = 0; !done; i++) {
      owner.Publish(i % 16, 0, 100'000, static_cast<double>(i));
      owner.leases().Renew(ReferenceOf(i % 7), ucx::UnixMs() + 1000);
      // Where it is pinned still, an event says when it no longer is; the bytes stay the same here.
      owner.leases().Withdraw(ReferenceOf((i + 8) % 16));
    }
  });
  std::thread canceling([&] {
    for (uint32_t i = 0; !done; i++) reader.engine().commands().Post(ucx::Cancel{i % 64});
  });
  std::thread asking([&] {
    for (int i = 0; !done; i++) {
      reader.engine().commands().Post(ucx::Describe{static_cast<double>(i % 3)});
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  for (int round = 0; round < Times(100, 30); round++) {
    memset(reader.memory().data(), 0, 64 * 100'000);
    std::vector<ucx::Fetch> fetches;
    for (uint32_t i = 0; i < 64; i++) fetches.push_back(reader.Whole(i, 1, i % 16, 100'000, uint64_t{i} * 100'000));
    for (const auto& [token, settled] : reader.FetchAll(fetches)) {
      const uint8_t* bytes = reader.memory().data() + uint64_t{token} * 100'000;
      if (settled.outcome == Outcome::kDone) {
        CHECK(bytes[0] == 1 && memcmp(bytes, bytes + 1, 99'999) == 0);
      } else {
        CHECK(settled.outcome == Outcome::kDenied || settled.outcome == Outcome::kCanceled);
      }
    }
  }
  done = true;
  publishing.join();
  canceling.join();
  asking.join();
}

TEST("100,000 fetches leave nothing behind") {
  fake::Seed(3);
  FetchMany(fake::FakeApi(), Times(100'000, 10'000));
  CHECK(fake::Left() == 0);
}

TEST("100,000 fetches by the real library, over TCP, arrive") {
#ifdef __SANITIZE_THREAD__
  // What the library does between its own threads, which were built without the sanitizer, would be reported as races.
  return Skipped("the library was built without the thread sanitizer");
#else
  const ucx::Api* api = RealApi();
  if (api == nullptr) return Skipped("WAYBILL_TEST_UCX names no library that can be opened");
  FetchMany(*api, 100'000);
#endif
}

}  // namespace
}  // namespace waybill::test
