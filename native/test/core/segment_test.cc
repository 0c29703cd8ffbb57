#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "check.h"
#include "core/mapping.h"
#include "core/segment_file.h"

namespace waybill {
namespace {

/// An empty folder of its own.
std::string Folder() {
  char path[] = "/tmp/waybill-native-test-XXXXXX";
  CHECK(mkdtemp(path) != nullptr);
  return path;
}

std::unique_ptr<Mapping> Map(int fd, uint64_t bytes, bool writable) {
  std::unique_ptr<Mapping> mapping;
  CHECK(Mapping::Map(fd, bytes, writable, &mapping).ok());
  return mapping;
}

TEST("what is written to a segment is read through another mapping, until it is cleared") {
  const std::string folder = Folder();
  const std::string path = folder + "/a";
  SegmentFile file;
  CHECK(CreateSegmentFile(path, 8192, &file).ok());
  SegmentFile opened;
  CHECK(OpenSegmentFile(path, false, &opened).ok() && opened.byte_length == 8192);
  const auto written = Map(file.fd.get(), 8192, true);
  const auto read = Map(opened.fd.get(), 8192, false);
  written->data()[8191] = 5;
  CHECK(read->data()[8191] == 5);
  CHECK(written->Clear().ok() && written->Clear().ok() && written->cleared());
  CHECK(written->data()[8191] == 0 && read->data()[8191] == 5);
  written->data()[8191] = 6;
  CHECK(read->data()[8191] == 5);
  std::unique_ptr<Mapping> more;
  CHECK(Mapping::Map(opened.fd.get(), 8193, false, &more).error == EINVAL);
  CHECK(Mapping::Map(opened.fd.get(), 0, false, &more).error == EINVAL);
  CHECK(Mapping::Map(opened.fd.get(), 8192, true, &more).error == EACCES);
  CHECK(unlink(path.c_str()) == 0 && rmdir(folder.c_str()) == 0);
}

TEST("a memory segment is sealed, and opened through /proc") {
  SegmentFile file;
  CHECK(CreateMemorySegment("waybill-test", 4096, &file).ok());
  CHECK(ftruncate(file.fd.get(), 8192) != 0 && ftruncate(file.fd.get(), 0) != 0);
  SegmentFile opened;
  const std::string path = "/proc/self/fd/" + std::to_string(file.fd.get());
  CHECK(OpenSegmentFile(path, false, &opened).ok() && opened.byte_length == 4096);
}

TEST("a sweep takes nothing from eight threads that make and drop segments") {
  const std::string folder = Folder();
  std::atomic<bool> done{false};
  std::thread sweeper([&] {
    while (!done) {
      Swept swept;
      CHECK(SweepSegmentFiles(folder, "s", &swept).ok());
    }
  });
  std::vector<std::thread> makers;
  for (int maker = 0; maker < 8; maker++) {
    makers.emplace_back([&, maker] {
      for (int i = 0; i < 200; i++) {
        const std::string path = folder + "/s" + std::to_string(maker) + "-" + std::to_string(i);
        SegmentFile file;
        CHECK(CreateSegmentFile(path, 4096, &file).ok());
        struct stat named {};
        CHECK(stat(path.c_str(), &named) == 0);
      }
    });
  }
  for (auto& maker : makers) maker.join();
  done = true;
  sweeper.join();
  Swept swept;
  CHECK(SweepSegmentFiles(folder, "s", &swept).ok() && swept.kept.empty());
  CHECK(rmdir(folder.c_str()) == 0);
}

TEST("a sweep leaves what is no plain file") {
  const std::string folder = Folder();
  const std::string link = folder + "/s-link";
  const std::string pipe = folder + "/s-pipe";
  CHECK(symlink("/etc/hostname", link.c_str()) == 0 && mkfifo(pipe.c_str(), 0600) == 0);
  Swept swept;
  CHECK(SweepSegmentFiles(folder, "s", &swept).ok());
  CHECK(swept.removed.empty() && swept.kept.size() == 2);
  SegmentFile opened;
  CHECK(OpenSegmentFile(link, false, &opened).error == ELOOP);
  CHECK(OpenSegmentFile(pipe, false, &opened).error == EINVAL);
  CHECK(unlink(link.c_str()) == 0 && unlink(pipe.c_str()) == 0 && rmdir(folder.c_str()) == 0);
}

}  // namespace
}  // namespace waybill
