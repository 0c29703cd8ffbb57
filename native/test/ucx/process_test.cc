#include "ucx/process.h"

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

namespace waybill::test {
namespace {

using ucx::ProcessWatch;
using ucx::ThisProcess;

TEST("the end of a process is noticed, and that of one that cannot be watched is never claimed") {
  const uint64_t self = ThisProcess();
  CHECK(static_cast<pid_t>(self & UINT32_MAX) == getpid());
  char name[] = "sleep";
  char time[] = "60";
  char* arguments[] = {name, time, nullptr};
  pid_t pid = 0;
  CHECK(posix_spawnp(&pid, name, nullptr, nullptr, arguments, environ) == 0);
  const uint64_t process = (self >> 32 << 32) | static_cast<uint32_t>(pid);
  ProcessWatch watch;
  watch.Watch(process, self);
  CHECK(!watch.Ended());
  ProcessWatch elsewhere;
  elsewhere.Watch(process ^ (uint64_t{1} << 40), self);
  ProcessWatch unknown;
  unknown.Watch(0, self);
  kill(pid, SIGKILL);
  siginfo_t info;
  // Not reaped: the number stays its own.
  CHECK(waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT) == 0);
  CHECK(watch.Ended());
  CHECK(!elsewhere.Ended());
  CHECK(!unknown.Ended());
  waitpid(pid, nullptr, 0);
}

}  // namespace
}  // namespace waybill::test
