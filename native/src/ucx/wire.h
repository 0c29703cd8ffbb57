// The active messages between a consumer and an owner, little-endian. What arrives is a stranger's: nothing is read that is not
// there.
//
// FETCH, consumer to owner: FetchHeader, then `count` entries in the body, each FetchEntry's fixed part and its capability.
// DATA, owner to consumer: DataHeader, then a piece of the bytes. One or more for each entry, in any order.
// CANCEL, consumer to owner: CancelHeader. No further piece of that entry has to be sent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "core/capability.h"

namespace waybill::ucx {

constexpr unsigned kFetchMessage = 1;
constexpr unsigned kDataMessage = 2;
constexpr unsigned kCancelMessage = 3;

// Bytes of a FETCH body at most, so that it goes eagerly.
constexpr size_t kMaxFetchBody = 7168;

enum class Answer : uint8_t { kData = 0, kDenied = 1, kBusy = 2, kOutOfRange = 3 };

#pragma pack(push, 1)

struct FetchHeader {
  uint32_t magic;
  uint16_t count;
  uint16_t reserved;
  // Where the sender is, and which process: see place.h and process.h.
  uint64_t place;
  uint64_t process;
};

struct FetchEntryHead {
  uint64_t token;
  uint64_t offset;
  uint64_t length;
  uint8_t reference[kReferenceBytes];
  // 1: the destination is no host memory, so the bytes must not come in the message itself.
  uint8_t rendezvous_only;
  uint8_t capability_bytes;
};

struct DataHeader {
  uint32_t magic;
  uint8_t answer;
  uint8_t dtype;
  uint16_t reserved;
  uint64_t token;
  // Where this piece begins, from the first byte that was asked for.
  uint64_t piece_offset;
  // The whole tensor's bytes, and what its shape is told apart by.
  uint64_t tensor_bytes;
  uint64_t layout;
  uint64_t place;
};

struct CancelHeader {
  uint32_t magic;
  uint32_t reserved;
  uint64_t token;
};

#pragma pack(pop)

constexpr uint32_t kFetchMagic = 0x32464257;
constexpr uint32_t kDataMagic = 0x31444257;
constexpr uint32_t kCancelMagic = 0x31434257;

struct FetchEntry {
  FetchEntryHead head;
  const uint8_t* capability;
};

// Reads the entries of a FETCH one after the other.
class FetchReader {
 public:
  FetchReader(const void* header, size_t header_bytes, const void* body, size_t body_bytes);

  // Whether the message was whole so far.
  bool ok() const { return ok_; }
  uint64_t place() const { return header_.place; }
  uint64_t process() const { return header_.process; }
  // The next entry; false at the end, or where the message is not what it says.
  bool Next(FetchEntry* entry);

 private:
  FetchHeader header_{};
  const uint8_t* at_;
  size_t left_;
  uint16_t entries_left_ = 0;
  bool ok_ = false;
};

// Each reads a header of exactly its size and magic; false for any other.
bool ReadDataHeader(const void* header, size_t header_bytes, DataHeader* out);
bool ReadCancelHeader(const void* header, size_t header_bytes, CancelHeader* out);

}  // namespace waybill::ucx
