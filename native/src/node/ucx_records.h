// What JavaScript writes for calls that are made often: records in a byte array, little-endian. src/sidecar/ucx/records.ts is the
// other side.
#ifndef WAYBILL_NODE_UCX_RECORDS_H_
#define WAYBILL_NODE_UCX_RECORDS_H_

#include "ucx/commands.h"
#include "ucx/leases.h"

namespace waybill {

constexpr size_t kUcxFetchRecordBytes = 128;
constexpr size_t kUcxLeaseRecordBytes = 88;

ucx::Fetch ReadUcxFetch(const uint8_t* record);
ucx::LeaseInit ReadUcxLease(const uint8_t* record);

}  // namespace waybill

#endif
