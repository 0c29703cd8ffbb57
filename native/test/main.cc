// Runs the cases whose names contain an argument, all of them without one; the last line is `N passed`.
#include <chrono>
#include <cstring>

#include "check.h"

namespace waybill::test {

std::vector<Case>& Cases() {
  static std::vector<Case> cases;
  return cases;
}

}  // namespace waybill::test

int main(int count, char** arguments) {
  int passed = 0;
  for (const auto& test : waybill::test::Cases()) {
    bool wanted = count == 1;
    for (int i = 1; i < count; i++) wanted = wanted || strstr(test.name, arguments[i]) != nullptr;
    if (!wanted) continue;
    const auto start = std::chrono::steady_clock::now();
    printf("%s\n", test.name);
    fflush(stdout);
    test.run();
    const auto took = std::chrono::steady_clock::now() - start;
    printf("  ok (%lld ms)\n", static_cast<long long>(std::chrono::duration_cast<std::chrono::milliseconds>(took).count()));
    passed++;
  }
  printf("%d passed\n", passed);
  return passed == 0 ? 1 : 0;
}
