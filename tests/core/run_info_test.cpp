#include "iclk/core/run_info.hpp"

#include <array>
#include <cmath>
#include <limits>

#include "iclk/core/random.hpp"
#include "support/catch.hpp"

using namespace iclk;

TEST_CASE("run info: keeps its order and finds by key", "[core]") {
  RunInfo info;
  info.add("n_items", 500);
  info.add("backend", "onednn");
  info.add("weight_decay", 1e-10);
  REQUIRE(info.entries.size() == 3);
  REQUIRE(info.entries[0] == std::pair<std::string, std::string>("n_items", "500"));
  REQUIRE(info.entries[2].second == "1e-10");
  REQUIRE(*info.find("backend") == "onednn");
  REQUIRE(info.find("seed") == nullptr);
}

TEST_CASE("run info: the hash is that of the published test vectors", "[core]") {
  // draft-eastlake-fnv, 64-bit FNV-1a
  REQUIRE(fnv1a("") == 0xcbf29ce484222325ULL);
  REQUIRE(fnv1a("a") == 0xaf63dc4c8601ec8cULL);
  REQUIRE(fnv1a("foobar") == 0x85944171f73967e8ULL);
}

TEST_CASE("run info: the version has three parts", "[core]") {
  std::string text(version());
  REQUIRE(std::count(text.begin(), text.end(), '.') == 2);
}

TEST_CASE("numbers: written with the fewest digits that read back exactly", "[core][format]") {
  REQUIRE(format_number(0.1) == "0.1");
  REQUIRE(format_number(1e-10) == "1e-10");
  REQUIRE(format_number(128) == "128");
  REQUIRE(format_number(-0.0) == "-0");
  REQUIRE(format_number(std::numeric_limits<double>::infinity()) == "inf");
  Rng rng(1, RandomPurpose::test, 0);
  for (int i = 0; i < 10'000; ++i) {
    const double value = std::ldexp(rng.normal(), static_cast<int>(rng.below(600)) - 300);
    REQUIRE(*parse_number(format_number(value)) == value);
  }
  for (const double value : {5e-324, 2.2250738585072014e-308, 1.7976931348623157e308}) {
    REQUIRE(*parse_number(format_number(value)) == value);
  }
}

TEST_CASE("numbers: only a whole text is a number", "[core][format][errors]") {
  for (const char* text : {"", " ", "1.3x", " 1", "1 ", "0,5", "+-5", "++5", "--5", "0x10", "1e", "e5", ".", "one"}) {
    INFO(text);
    REQUIRE_FALSE(parse_number(text).has_value());
  }
  REQUIRE(parse_number("+0.5") == 0.5);
  REQUIRE(parse_number("-1E3") == -1000.0);
  REQUIRE(parse_number(".5") == 0.5);
  REQUIRE(parse_number("5.") == 5.0);
  REQUIRE(std::isnan(*parse_number("nan")));
  REQUIRE(std::isinf(*parse_number("-inf")));
}

TEST_CASE("numbers: beyond the range of a double they are zero or infinite", "[core][format][limits]") {
  for (const char* text : {"1e-400", "0.1e-400", "1e-99999999999999999999", "123.4e-500", "1e-330"}) {
    INFO(text);
    REQUIRE(parse_number(text) == 0.0);
  }
  for (const char* text : {"1e400", "0.001e400", "1e99999999999999999999", "1e+309", "1.8e308"}) {
    INFO(text);
    REQUIRE(parse_number(text) == std::numeric_limits<double>::infinity());
  }
  REQUIRE(parse_number("-1e400") == -std::numeric_limits<double>::infinity());
  REQUIRE(std::signbit(*parse_number("-1e-400")));
  REQUIRE(parse_number("0." + std::string(400, '0') + '1') == 0.0);
  REQUIRE(parse_number(std::string(400, '1')) == std::numeric_limits<double>::infinity());
}
