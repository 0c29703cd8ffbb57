// HMAC-SHA-256 (RFC 2104).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace waybill {

using Tag = std::array<uint8_t, 32>;

/// A key, made ready: each message costs two blocks of SHA-256 less.
class Hmac {
 public:
  Hmac(const uint8_t* key, size_t length);

  Tag Sign(const uint8_t* message, size_t length) const;

 private:
  struct State {
    uint32_t words[8];
  };

  static Tag Finish(const State& start, const uint8_t* message, size_t length);

  State inner_;
  State outer_;
};

/// SHA-256 of a message.
Tag Sha256(const uint8_t* message, size_t length);

/// Whether two tags are equal, in a time that does not depend on where they differ.
bool EqualTags(const Tag& a, const Tag& b);

}  // namespace waybill
