#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "iclk/core/curve_file.hpp"
#include "message_of.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

using namespace iclk;
using namespace iclk::test;
namespace fs = std::filesystem;

namespace {

std::size_t n_entries(const fs::path& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

}  // namespace

TEST_CASE("atomic write: the file holds the contents and nothing is left beside it", "[core]") {
  const TemporaryFolder folder;
  const auto path = folder / "a.txt";
  write_file_atomically(path, "first");
  REQUIRE(read_file(path) == "first");
  write_file_atomically(path, std::string(3 << 20, 'x'));
  REQUIRE(read_file(path).size() == 3U << 20);
  write_file_atomically(path, "");
  REQUIRE(read_file(path).empty());
  REQUIRE(n_entries(folder.path()) == 1);
}

TEST_CASE("atomic write: skips the leftovers of a killed process", "[core]") {
  const TemporaryFolder folder;
  folder.write(".iclk-" + std::to_string(::getpid()) + "-0.tmp", "leftover");
  write_file_atomically(folder / "a.txt", "new");
  REQUIRE(read_file(folder / "a.txt") == "new");
  REQUIRE(n_entries(folder.path()) == 2);
}

TEST_CASE("atomic write: replaces the file behind a link and keeps its mode", "[core]") {
  const TemporaryFolder folder;
  folder.write("target.txt", "old");
  fs::permissions(folder / "target.txt", fs::perms::owner_read | fs::perms::owner_write);
  fs::create_symlink(folder / "target.txt", folder / "link.txt");
  write_file_atomically(folder / "link.txt", "new");
  REQUIRE(fs::is_symlink(folder / "link.txt"));
  REQUIRE(read_file(folder / "target.txt") == "new");
  REQUIRE(fs::status(folder / "target.txt").permissions() == (fs::perms::owner_read | fs::perms::owner_write));
}

TEST_CASE("atomic write: failures name the path and the reason and leave nothing", "[core][errors]") {
  const TemporaryFolder folder;
  const auto no_folder = folder / "none/a.txt";
  CHECK(message_of([&] { write_file_atomically(no_folder, "x"); }) ==
        no_folder.string() + ": cannot write: No such file or directory");
  CHECK(message_of([&] { write_file_atomically(folder.path(), "x"); }) ==
        folder.path().string() + ": cannot write: it is a folder");
  CHECK_THAT(message_of([] { write_file_atomically("", "x"); }), EndsWith("cannot write: expected the name of a file"));
  const auto below_file = folder.write("file", "x") / "a.txt";
  CHECK(message_of([&] { write_file_atomically(below_file, "x"); }) ==
        below_file.string() + ": cannot write: Not a directory");
  const auto long_name = folder / std::string(300, 'a');
  CHECK(message_of([&] { write_file_atomically(long_name, "x"); }) ==
        long_name.string() + ": cannot write: File name too long");
  CHECK(n_entries(folder.path()) == 1);
}

TEST_CASE("atomic write: a full disk is noticed", "[core][errors]") {
  if (!fs::exists("/dev/full")) return;  // a device of Linux that is always full
  CHECK(message_of([] { write_file_atomically("/dev/full", "x"); }) ==
        "/dev/full: cannot write: No space left on device");
}

TEST_CASE("atomic write: devices and pipes are written and not replaced", "[core]") {
  write_file_atomically("/dev/null", "x");
  REQUIRE(fs::is_character_file("/dev/null"));
  const TemporaryFolder folder;
  const auto pipe = folder / "pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  const int reader = ::open(pipe.c_str(), O_RDONLY | O_NONBLOCK);
  REQUIRE(reader >= 0);
  write_file_atomically(pipe, "hello");
  char buffer[8] = {};
  REQUIRE(::read(reader, buffer, sizeof buffer) == 5);
  REQUIRE(std::string(buffer) == "hello");
  ::close(reader);
  REQUIRE(fs::is_fifo(pipe));
}
