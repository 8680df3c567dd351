#include "iclk/core/error.hpp"

#include "support/catch.hpp"

using namespace iclk;

TEST_CASE("error: message reads like a compiler's with the parts that apply", "[core][errors]") {
  const Error full(Location{"k500.csv", 17, "c1"}, "expected a number in (0, 1), got \"1.3\"");
  REQUIRE(std::string(full.what()) == "k500.csv:17: c1: expected a number in (0, 1), got \"1.3\"");
  REQUIRE(std::string(Error(Location{"k500.csv", {}, {}}, "is empty").what()) == "k500.csv: is empty");
  REQUIRE(std::string(Error(Location{"k500.csv", 2, {}}, "is empty").what()) == "k500.csv:2: is empty");
  REQUIRE(std::string(Error("no curves").what()) == "no curves");
  REQUIRE(std::string(field_error("--lr", "expected a positive number, got 0").what()) ==
          "--lr: expected a positive number, got 0");
}

TEST_CASE("error: keeps its parts for programs", "[core][errors]") {
  const Error error(Location{"a.csv", 3, "time"}, "falls");
  REQUIRE(error.location().file == "a.csv");
  REQUIRE(error.location().line == 3U);
  REQUIRE(error.location().field == "time");
  REQUIRE(error.problem() == "falls");
}
