#include "ucx/wire.h"

namespace waybill::ucx {

namespace {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "headers are written as they lie in memory");

template <typename Header>
bool ReadHeader(const void* header, size_t header_bytes, uint32_t magic, Header* out) {
  if (header == nullptr || header_bytes != sizeof(Header)) return false;
  std::memcpy(out, header, sizeof(Header));
  return out->magic == magic;
}

}  // namespace

FetchReader::FetchReader(const void* header, size_t header_bytes, const void* body, size_t body_bytes)
    : at_(static_cast<const uint8_t*>(body)), left_(body == nullptr ? 0 : body_bytes) {
  ok_ = ReadHeader(header, header_bytes, kFetchMagic, &header_) && body_bytes <= kMaxFetchBody;
  if (ok_) entries_left_ = header_.count;
}

bool FetchReader::Next(FetchEntry* entry) {
  if (entries_left_ == 0) {
    ok_ = ok_ && left_ == 0;
    return false;
  }
  ok_ = left_ >= sizeof(FetchEntryHead);
  if (ok_) {
    std::memcpy(&entry->head, at_, sizeof(FetchEntryHead));
    at_ += sizeof(FetchEntryHead);
    left_ -= sizeof(FetchEntryHead);
    ok_ = entry->head.capability_bytes <= kMaxCapabilityBytes && entry->head.capability_bytes <= left_;
  }
  if (!ok_) {
    entries_left_ = 0;
    return false;
  }
  entry->capability = at_;
  at_ += entry->head.capability_bytes;
  left_ -= entry->head.capability_bytes;
  entries_left_--;
  return true;
}

bool ReadDataHeader(const void* header, size_t header_bytes, DataHeader* out) {
  return ReadHeader(header, header_bytes, kDataMagic, out);
}

bool ReadCancelHeader(const void* header, size_t header_bytes, CancelHeader* out) {
  return ReadHeader(header, header_bytes, kCancelMagic, out);
}

}  // namespace waybill::ucx
