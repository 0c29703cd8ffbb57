#include "node/ucx_records.h"

#include <algorithm>
#include <cstring>

namespace waybill {

namespace {

#pragma pack(push, 1)
struct FetchRecord {
  uint32_t token;
  uint32_t peer;
  uint32_t memory;
  uint32_t timeout_ms;
  double destination;
  double offset;
  double length;
  double tensor_bytes;
  uint64_t layout;
  uint8_t dtype;
  uint8_t capability_bytes;
  uint8_t reference[kReferenceBytes];
  uint8_t capability[kMaxCapabilityBytes];
  uint8_t reserved[3];
};

struct LeaseRecord {
  double id;
  double offset;
  double bytes;
  double expires_at_ms;
  double not_after_ms;
  double lease_ms;
  uint64_t layout;
  uint32_t memory;
  uint8_t dtype;
  uint8_t reserved[11];
  uint8_t reference[kReferenceBytes];
};
#pragma pack(pop)

static_assert(sizeof(FetchRecord) == kUcxFetchRecordBytes);
static_assert(sizeof(LeaseRecord) == kUcxLeaseRecordBytes);

/// What is no integer from 0 becomes one that fits nothing.
uint64_t Integer(double number) {
  return number >= 0 && number <= 9007199254740991.0 ? static_cast<uint64_t>(number) : UINT64_MAX;
}

}  // namespace

ucx::Fetch ReadUcxFetch(const uint8_t* bytes) {
  FetchRecord record;
  std::memcpy(&record, bytes, sizeof record);
  ucx::Fetch fetch{};
  fetch.token = record.token;
  fetch.peer = record.peer;
  fetch.memory = record.memory;
  fetch.timeout_ms = record.timeout_ms;
  fetch.destination = Integer(record.destination);
  fetch.offset = Integer(record.offset);
  fetch.length = Integer(record.length);
  fetch.tensor_bytes = Integer(record.tensor_bytes);
  fetch.layout = record.layout;
  fetch.dtype = record.dtype;
  fetch.capability_bytes = std::min<uint8_t>(record.capability_bytes, kMaxCapabilityBytes);
  std::copy_n(record.reference, kReferenceBytes, fetch.reference.begin());
  std::copy_n(record.capability, kMaxCapabilityBytes, fetch.capability.begin());
  return fetch;
}

ucx::LeaseInit ReadUcxLease(const uint8_t* bytes) {
  LeaseRecord record;
  std::memcpy(&record, bytes, sizeof record);
  ucx::LeaseInit lease{};
  lease.id = record.id;
  std::copy_n(record.reference, kReferenceBytes, lease.reference.begin());
  lease.memory = record.memory;
  lease.offset = Integer(record.offset);
  lease.bytes = Integer(record.bytes);
  lease.layout = record.layout;
  lease.dtype = record.dtype;
  lease.expires_at_ms = Integer(record.expires_at_ms);
  lease.not_after_ms = Integer(record.not_after_ms);
  lease.lease_ms = Integer(record.lease_ms);
  return lease;
}

}  // namespace waybill
