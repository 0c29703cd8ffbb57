// The smallest thing that a test program needs: cases with names, and checks that say where they failed.
#pragma once

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>
#include <vector>

namespace waybill::test {

struct Case {
  const char* name;
  void (*run)();
};

std::vector<Case>& Cases();

struct Registration {
  Registration(const char* name, void (*run)()) { Cases().push_back({name, run}); }
};

/// Ends the program: what comes after a failed check could not be trusted.
[[noreturn]] inline void Fail(const char* file, int line, const char* what) {
  fflush(stdout);
  fprintf(stderr, "%s:%d: CHECK(%s) failed\n", file, line, what);
  fflush(stderr);
  abort();
}

/// Waits until a condition holds, for at most half a minute: sanitizers make everything slow.
inline bool Eventually(const std::function<bool()>& condition) {
  for (int i = 0; i < 30'000; i++) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

/// How often something is repeated: under ThreadSanitizer everything takes ten times as long, and races show earlier.
#ifdef __SANITIZE_THREAD__
constexpr int Times(int, int few) { return few; }
#else
constexpr int Times(int many, int) { return many; }
#endif

/// Leaves the case where something that it needs is missing.
inline void Skipped(const char* reason) { printf("  skipped: %s\n", reason); }

}  // namespace waybill::test

#define CHECK(condition) \
  if (!(condition)) waybill::test::Fail(__FILE__, __LINE__, #condition)

#define WAYBILL_PASTE(a, b) a##b
#define WAYBILL_JOIN(a, b) WAYBILL_PASTE(a, b)
#define WAYBILL_CASE(function, registration, text)                     \
  static void function();                                              \
  static const waybill::test::Registration registration(text, function); \
  static void function()
#define TEST(text) WAYBILL_CASE(WAYBILL_JOIN(Case, __LINE__), WAYBILL_JOIN(Registered, __LINE__), text)
