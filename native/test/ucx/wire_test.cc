#include <random>
#include <vector>

#include "check.h"
#include "ucx/wire.h"

namespace waybill::ucx {
namespace {

TEST("100,000 mutated FETCH messages are read to their end and not beyond") {
  std::mt19937 random(5);
  for (int i = 0; i < test::Times(100'000, 5'000); i++) {
    // True messages of up to five entries, then changed, cut or lengthened.
    const auto count = static_cast<uint16_t>(random() % 6);
    const FetchHeader header{kFetchMagic, count, 0, 0, 0};
    std::vector<uint8_t> head(reinterpret_cast<const uint8_t*>(&header), reinterpret_cast<const uint8_t*>(&header + 1));
    std::vector<uint8_t> body;
    for (int entry = 0; entry < count; entry++) {
      const auto capability = static_cast<uint8_t>(random() % (kMaxCapabilityBytes + 1));
      std::vector<uint8_t> bytes(sizeof(FetchEntryHead) + capability);
      for (auto& byte : bytes) byte = static_cast<uint8_t>(random());
      bytes[sizeof(FetchEntryHead) - 1] = capability;
      body.insert(body.end(), bytes.begin(), bytes.end());
    }
    const size_t whole = body.size();
    switch (random() % 4) {
      case 0: break;
      case 1: body.resize(random() % (body.size() + 1)); break;
      case 2: body.resize(body.size() + random() % 100); break;
      default:
        if (!body.empty()) body[random() % body.size()] ^= static_cast<uint8_t>(1 << random() % 8);
        if (random() % 3 == 0) head[random() % head.size()] ^= static_cast<uint8_t>(1 << random() % 8);
        if (random() % 5 == 0) head.resize(random() % head.size());
    }
    const std::vector<uint8_t> exact_head(head);
    const std::vector<uint8_t> exact(body);
    FetchReader reader(exact_head.data(), exact_head.size(), exact.data(), exact.size());
    FetchEntry entry{};
    unsigned sum = 0;
    int entries = 0;
    while (reader.Next(&entry)) {
      for (size_t at = 0; at < entry.head.capability_bytes; at++) sum += entry.capability[at];
      entries++;
      CHECK(entry.head.capability_bytes <= kMaxCapabilityBytes);
    }
    CHECK(sum < 1u << 24 && entries <= 65'535);
    if (reader.ok()) CHECK(body.size() <= whole + 100);
  }
}

TEST("headers of another size or beginning are none") {
  DataHeader data{};
  CancelHeader cancel{};
  std::vector<uint8_t> bytes(sizeof(DataHeader) + 1);
  for (size_t length = 0; length <= bytes.size(); length++) {
    const std::vector<uint8_t> exact(bytes.begin(), bytes.begin() + static_cast<long>(length));
    CHECK(!ReadDataHeader(exact.data(), exact.size(), &data) && !ReadCancelHeader(exact.data(), exact.size(), &cancel));
  }
  CHECK(!ReadDataHeader(nullptr, 0, &data));
  data.magic = kDataMagic;
  CHECK(ReadDataHeader(&data, sizeof data, &data) && !ReadDataHeader(&data, sizeof data - 1, &data));
}

}  // namespace
}  // namespace waybill::ucx
