#include "core/hmac.h"

#include <cstring>
#include <string>

#include "check.h"

namespace waybill {
namespace {

std::string Hex(const Tag& tag) {
  std::string text;
  char digits[3];
  for (const uint8_t byte : tag) {
    snprintf(digits, sizeof(digits), "%02x", byte);
    text += digits;
  }
  return text;
}

const uint8_t* Bytes(const std::string& text) { return reinterpret_cast<const uint8_t*>(text.data()); }

std::string Sign(const std::string& key, const std::string& message) {
  return Hex(Hmac(Bytes(key), key.size()).Sign(Bytes(message), message.size()));
}

TEST("SHA-256 gives the hashes of FIPS 180-4's examples") {
  const auto hash = [](const std::string& text) { return Hex(Sha256(Bytes(text), text.size())); };
  CHECK(hash("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(hash("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(hash("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(hash(std::string(1'000'000, 'a')) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST("HMAC gives the tags of RFC 4231's test cases") {
  CHECK(Sign(std::string(20, '\x0b'), "Hi There") == "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  CHECK(Sign("Jefe", "what do ya want for nothing?") ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  CHECK(Sign(std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First") ==
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST("tags are equal in all of their bytes or not at all") {
  const Tag tag = Sha256(nullptr, 0);
  CHECK(EqualTags(tag, tag));
  for (size_t i = 0; i < tag.size(); i++) {
    Tag other = tag;
    other[i] ^= 0x80;
    CHECK(!EqualTags(tag, other));
  }
}

}  // namespace
}  // namespace waybill
