#include "iclk/core/checkpoint_file.hpp"

#include "message_of.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

using namespace iclk;
using namespace iclk::test;
namespace fs = std::filesystem;

namespace {

constexpr std::string_view kMagic = "iclk-test 1\n";

RunInfo settings(const std::string& lr) {
  RunInfo info;
  info.add("lr", lr);
  info.add("seed", std::string("3"));
  return info;
}

fs::path write_one(const TemporaryFolder& folder) {
  CheckpointWriter writer(kMagic, settings("0.1"));
  writer.count(7);
  writer.number(-0.5);
  writer.text("w and beta");
  writer.array(std::vector<double>{1, 2, 3});
  writer.array(std::vector<double>{});
  const fs::path path = folder / "a.checkpoint";
  writer.write(path);
  return path;
}

}  // namespace

TEST_CASE("checkpoint: everything comes back in its order", "[core][format]") {
  const TemporaryFolder folder;
  const fs::path path = write_one(folder);
  auto reader = CheckpointReader::open(path, kMagic, settings("0.1"));
  REQUIRE(reader);
  CHECK(reader->count() == 7);
  CHECK(reader->number() == -0.5);
  CHECK(reader->text() == "w and beta");
  std::vector<double> three(3);
  reader->array(three);
  CHECK(three == std::vector<double>{1, 2, 3});
  CHECK(reader->array().empty());
  CHECK_THROWS_WITH(reader->count(), path.string() + ": damaged checkpoint; remove it to start this run again");
}

TEST_CASE("checkpoint: no file is no checkpoint", "[core]") {
  const TemporaryFolder folder;
  CHECK_FALSE(CheckpointReader::open(folder / "none", kMagic, settings("0.1")));
}

TEST_CASE("checkpoint: other settings are named", "[core][errors]") {
  const TemporaryFolder folder;
  const fs::path path = write_one(folder);
  CHECK(message_of([&] { CheckpointReader::open(path, kMagic, settings("0.2")); }) ==
        path.string() + ": lr: made with 0.1, now 0.2 is asked for; choose another output folder or remove the file");
  RunInfo more = settings("0.1");
  more.add("batch", std::string("8"));
  CHECK_THAT(message_of([&] { CheckpointReader::open(path, kMagic, more); }),
             StartsWith(path.string() + ": batch: made with no such setting, now 8"));
}

TEST_CASE("checkpoint: any damage is noticed", "[core][errors]") {
  const TemporaryFolder folder;
  const fs::path path = write_one(folder);
  const std::string whole = read_file(path);
  const std::string message = path.string() + ": damaged checkpoint; remove it to start this run again";
  for (std::size_t size = 0; size < whole.size(); ++size) {
    folder.write("a.checkpoint", whole.substr(0, size));
    CHECK(message_of([&] { CheckpointReader::open(path, kMagic, settings("0.1")); }) == message);
    std::string flipped = whole;
    flipped[size] = static_cast<char>(flipped[size] ^ 1);
    folder.write("a.checkpoint", flipped);
    CHECK(message_of([&] { CheckpointReader::open(path, kMagic, settings("0.1")); }) == message);
  }
  folder.write("a.checkpoint", whole);
  CHECK(message_of([&] { CheckpointReader::open(path, "iclk-other 1\n", settings("0.1")); }) == message);
  auto reader = CheckpointReader::open(path, kMagic, settings("0.1"));
  reader->count();
  reader->number();
  reader->text();
  std::vector<double> two(2);
  CHECK(message_of([&] { reader->array(two); }) == message);
}

TEST_CASE("checkpoint: settings at the head of a text file", "[core][format]") {
  const TemporaryFolder folder;
  const auto path = folder.write("a.csv", "# iclk-curves 1\n# lr: 0.1\n# note: a: b\nt,c1\n# seed: 3\n");
  const RunInfo info = read_settings(path);
  REQUIRE(info.entries.size() == 2);
  CHECK(*info.find("lr") == "0.1");
  CHECK(*info.find("note") == "a: b");
}
