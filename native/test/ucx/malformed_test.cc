// Messages that were changed on their way: no crash, nothing read or written outside of what there is, and whatever is left whole
// goes on.
#include <cstring>
#include <random>

#include "check.h"
#include "fake_ucx/fake_ucx.h"
#include "ucx/node.h"
#include "ucx/ranges.h"

namespace waybill::test {
namespace {

using ucx::Event;
using ucx::Outcome;

#ifdef __SANITIZE_THREAD__
// Reads beyond buffers are AddressSanitizer's to find, and this one is slower.
constexpr size_t kMutated = 5'000;
#else
constexpr size_t kMutated = 100'000;
#endif
constexpr uint32_t kAtOnce = 512;
constexpr uint64_t kDestination = 4096;
constexpr uint64_t kLarge = 1'200'000;

void Mutate(std::mt19937_64* random, std::vector<uint8_t>* bytes) {
  switch ((*random)() % 6) {
    case 0:
      bytes->resize((*random)() % (bytes->size() + 1));
      break;
    case 1:
      bytes->resize(bytes->size() + (*random)() % 64, 0xff);
      break;
    case 2:
      if (!bytes->empty()) (*bytes)[(*random)() % bytes->size()] = (*random)() % 2 == 0 ? 0 : 0xff;
      break;
    default:
      if (!bytes->empty()) (*bytes)[(*random)() % bytes->size()] ^= static_cast<uint8_t>(1u << (*random)() % 8);
  }
}

TEST("100,000 mutated messages harm nobody") {
  fake::Seed(11);
  Node owner(fake::FakeApi(), 2 << 20);
  Node reader(fake::FakeApi(), 4 << 20);
  reader.Know(1, owner.port());
  owner.Publish(1, 100, 64);
  owner.Publish(2, 0, kLarge);
  std::mutex mutex;
  std::mt19937_64 random(3);
  size_t mutated = 0;
  fake::SpoilMessages([&](std::vector<uint8_t>* header, std::vector<uint8_t>* body) {
    const std::lock_guard<std::mutex> lock(mutex);
    if (random() % 4 == 0) return;
    Mutate(&random, random() % 2 == 0 && !body->empty() ? body : header);
    mutated++;
  });
  memset(reader.memory().data(), 0xee, reader.memory().size());
  const auto enough = [&] {
    const std::lock_guard<std::mutex> lock(mutex);
    return mutated >= kMutated;
  };
  while (!enough()) {
    std::vector<ucx::Fetch> fetches;
    for (uint32_t token = 0; token < kAtOnce; token++) {
      fetches.push_back(token % 64 == 0 ? reader.Whole(token, 1, 2, kLarge, kDestination)
                                        : reader.Whole(token, 1, 1, 64, kDestination));
      fetches.back().timeout_ms = 20;
    }
    reader.FetchAll(std::move(fetches));
  }
  fake::SpoilMessages(nullptr);
  const std::vector<uint8_t>& memory = reader.memory();
  for (size_t i = 0; i < kDestination; i++) CHECK(memory[i] == 0xee);
  for (size_t i = kDestination + kLarge; i < memory.size(); i++) CHECK(memory[i] == 0xee);
  // Both go on.
  CHECK(reader.FetchAll({reader.Whole(0, 1, 2, kLarge, kDestination)}).at(0).outcome == Outcome::kDone);
}

TEST("what is withdrawn while it is being sent is free after the last of it, and not before") {
  fake::Seed(5);
  constexpr uint64_t kBytes = 8 << 20;
  Node owner(fake::FakeApi(), kBytes);
  Node reader(fake::FakeApi(), kBytes);
  reader.Know(1, owner.port());
  for (uint32_t round = 1; round <= 12; round++) {
    owner.Publish(round, 0, kBytes, round);
    memset(owner.memory().data(), static_cast<int>(round), kBytes);
    std::thread withdrawing([&] {
      std::this_thread::sleep_for(std::chrono::microseconds(150 * round));
      if (owner.leases().Withdraw(ReferenceOf(round)) == ucx::LeaseTable::Withdrawn::kPinned) {
        while (owner.Await(Event::kFreed) != round) {
        }
      }
      memset(owner.memory().data(), 0xaa, kBytes);
    });
    const Outcome outcome = reader.FetchAll({reader.Whole(0, 1, round, kBytes, 0)}).at(0).outcome;
    withdrawing.join();
    CHECK(outcome == Outcome::kDone || outcome == Outcome::kDenied);
    const uint8_t* bytes = reader.memory().data();
    if (outcome == Outcome::kDone) CHECK(bytes[0] == round && memcmp(bytes, bytes + 1, kBytes - 1) == 0);
  }
}

TEST("ranges take each byte once, in any order") {
  ucx::Ranges ranges;
  CHECK(ranges.Add(10, 20) && ranges.Add(30, 40) && ranges.Add(20, 30) && ranges.size() == 1);
  CHECK(!ranges.Add(10, 11) && !ranges.Add(0, 11) && !ranges.Add(39, 50) && !ranges.Add(0, 100) && !ranges.Add(5, 4));
  CHECK(ranges.Add(0, 10) && ranges.Add(40, 41) && ranges.size() == 1 && ranges.Add(7, 7));
  std::mt19937_64 random(1);
  std::vector<bool> taken(512);
  ucx::Ranges others;
  for (int i = 0; i < 20'000; i++) {
    const uint64_t begin = random() % 500;
    const uint64_t end = begin + 1 + random() % 12;
    bool free = true;
    for (uint64_t at = begin; at < end; at++) free = free && !taken[at];
    CHECK(others.Add(begin, end) == free);
    if (free) std::fill(taken.begin() + static_cast<long>(begin), taken.begin() + static_cast<long>(end), true);
  }
}

}  // namespace
}  // namespace waybill::test
