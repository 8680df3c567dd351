#include "iclk/core/table_file.hpp"

#include <memory>

#include "message_of.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

using namespace iclk;
using namespace iclk::test;

namespace {

const TemporaryFolder& folder() {
  static const TemporaryFolder instance;
  return instance;
}

TextTable read(const std::string& contents) { return iclk::read_table(folder().write("t.csv", contents)); }

/// The message without the path before it.
std::string error_of(const std::string& contents) {
  const auto path = folder().write("t.csv", contents);
  const std::string message = message_of([&] { iclk::read_table(path); });
  REQUIRE_THAT(message, StartsWith(path.string()));
  return message.substr(path.string().size());
}

}  // namespace

TEST_CASE("table: columns - rows - lines and comments", "[core][format]") {
  const TextTable table = read("# made by hand\nN, beta0 ,w0\n100,0,-1\n\n#note\n 200 ,\t0.5,1e-3\n");
  REQUIRE(table.n_rows() == 2);
  REQUIRE(table.n_columns() == 3);
  CHECK(table.columns()[1] == "beta0");
  CHECK(table.find_column("w0") == 2U);
  CHECK_FALSE(table.find_column("W0").has_value());
  CHECK(table.text(1, 0) == "200");
  CHECK(table.header_line() == 2);
  CHECK(table.line(0) == 3);
  CHECK(table.line(1) == 6);
  CHECK(number(table, 1, "beta0") == 0.5);
  CHECK(number(table, 1, 2) == 1e-3);
  REQUIRE(table.comments().size() == 2);
  CHECK(table.comments()[0].text == "made by hand");
  CHECK(table.comments()[1].line == 5);
}

TEST_CASE("table: line ends - byte order mark - separators - missing last line end", "[core][format]") {
  for (const char* contents : {"a,b\n1,2\n3,4\n", "a,b\r\n1,2\r\n3,4\r\n", "a,b\r1,2\r3,4\r", "a,b\n1,2\n3,4",
                               "\xef\xbb\xbf"
                               "a,b\n1,2\n3,4\n",
                               "a\tb\n1\t2\n3\t4\n", "a;b\n1;2\n3;4\n", "\n\na,b\n\n1,2\n  \n3,4\n\n",
                               "\"a\",\"b\"\n\"1\",\"2\"\n3,\"4\"\n"}) {
    INFO(contents);
    const TextTable table = read(contents);
    REQUIRE(table.n_rows() == 2);
    REQUIRE(table.n_columns() == 2);
    CHECK(table.columns()[0] == "a");
    CHECK(number(table, 1, "b") == 4.0);
  }
}

TEST_CASE("table: quoted fields keep separators and doubled quotes", "[core][format]") {
  const TextTable table = read("name,x\n\"a, \"\"b\"\"\" ,1\n\"\",2\n5\" pipe,3\n");
  CHECK(table.text(0, 0) == "a, \"b\"");
  CHECK(table.text(1, 0).empty());
  CHECK(table.text(2, 0) == "5\" pipe");
  CHECK(number(table, 2, "x") == 3.0);
}

TEST_CASE("table: columns without a name are kept and harmless", "[core][format]") {
  const TextTable table = read(",x,\n0,1,2\n");  // the row index that pandas writes
  CHECK(table.n_columns() == 3);
  CHECK(number(table, 0, "x") == 1.0);
}

TEST_CASE("table: a copy reads its own buffer", "[core]") {
  auto original = std::make_unique<TextTable>(read("x\n1\n2\n"));
  const TextTable copy = *original;
  original.reset();
  CHECK(copy.text(1, 0) == "2");
}

TEST_CASE("table: what is not a table is named", "[core][errors]") {
  CHECK(error_of("") == ": expected a table with a header row, got an empty file");
  CHECK(error_of("\n# only\n# comments\n") == ": expected a table with a header row, got no rows");
  CHECK(error_of("a,b\n") == ":1: expected rows below the header, got none");
  CHECK(error_of("a,b\n# none\n\n") == ":3: expected rows below the header, got none");
  CHECK(error_of("a,b\n1,2\n1\n") == ":3: expected 2 fields as in the header, got 1");
  CHECK(error_of("a,b\r\n1,2,3\r\n") == ":2: expected 2 fields as in the header, got 3");
  CHECK(error_of("a,b\n0,5,0,25\n") == ":2: expected 2 fields as in the header, got 4");
  CHECK(error_of("a,b,a\n1,2,3\n") == ":1: expected different column names, got \"a\" twice");
  CHECK(error_of("a,b\n\"1,2\n3,4\n") == ":2: expected a closing quote, got the end of the line");
  CHECK(error_of("a,b\n\"1\"x,2\n") == ":2: expected a separator after the closing quote, got \"x\"");
  const auto missing = folder() / "missing.csv";
  CHECK(message_of([&] { iclk::read_table(missing); }) ==
        missing.string() + ": cannot read: No such file or directory");
  CHECK(message_of([&] { iclk::read_table(folder().path()); }) ==
        folder().path().string() + ": expected a file, got a folder");
}

TEST_CASE("table: what is not text is named", "[core][errors]") {
  using namespace std::string_literals;
  CHECK(error_of("a,b\n1,\0\n"s) == ": expected a text file, got a binary file");
  CHECK(error_of("a,b\n" + std::string(100'000, '1') + "\0,2\n"s) == ": expected a text file, got a binary file");
  CHECK(error_of("\x7f"
                 "ELF\x02\x01") == ": expected a text file, got a binary file");
  CHECK(error_of("\x1f\x8b\x08 gzip") == ": expected a text file, got a gzip file (unpack it first)");
  CHECK(error_of("PK\x03\x04 xlsx") == ": expected a text file, got a zip archive or spreadsheet (export it as CSV)");
  CHECK(error_of("\xff\xfe"
                 "a\0,\0"s) == ": expected a text file, got UTF-16 text (save it as UTF-8)");
  CHECK(error_of("\x93NUMPY") == ": expected a text file, got a NumPy array");
}

TEST_CASE("table: a field that is not a finite number is named with its line and column", "[core][errors]") {
  const TextTable table = read("x,y\n1,abc\n2,nan\n3,1e999\n4,\n5,-inf\n");
  const auto error = [&](std::size_t row) {
    return message_of([&] { number(table, row, "y"); }).substr(table.source().size());
  };
  CHECK(error(0) == ":2: y: expected a number, got \"abc\"");
  CHECK(error(1) == ":3: y: expected a finite number, got \"nan\"");
  CHECK(error(2) == ":4: y: expected a finite number, got \"1e999\"");
  CHECK(error(3) == ":5: y: expected a number, got \"\"");
  CHECK(error(4) == ":6: y: expected a finite number, got \"-inf\"");
  CHECK(message_of([&] { number(table, 0, "z"); }).substr(table.source().size()) ==
        ":1: z: expected a column of this name, got none");
  const TextTable decimals = read("x;y\n1;0,5\n");
  CHECK_THAT(message_of([&] { number(decimals, 0, 1); }),
             EndsWith(":2: y: expected a number, got \"0,5\" (decimals are written with a point)"));
  const TextTable longer = read("x\n1\r2\n" + std::string(60, 'z') + "\n");
  CHECK_THAT(message_of([&] { number(longer, 0, 0); }), EndsWith(":2: x: expected a number, got \"1\\x0d2\""));
  CHECK_THAT(message_of([&] { number(longer, 1, 0); }), EndsWith("got \"" + std::string(40, 'z') + "...\""));
}
