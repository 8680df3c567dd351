#include "iclk/core/checkpoint_file.hpp"

#include <bit>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

#include "iclk/core/curve_file.hpp"
#include "iclk/core/error.hpp"

namespace iclk {
namespace {

static_assert(std::endian::native == std::endian::little, "checkpoints are written as they lie in memory");

template <class T>
void append(std::string& buffer, T value) {
  buffer.append(reinterpret_cast<const char*>(&value), sizeof value);
}

template <class T>
T value_of(std::string_view bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

}  // namespace

CheckpointWriter::CheckpointWriter(std::string_view magic, const RunInfo& settings) {
  buffer_.append(magic);
  count(settings.entries.size());
  for (const auto& [key, value] : settings.entries) {
    text(key);
    text(value);
  }
}

void CheckpointWriter::count(std::uint64_t value) { append(buffer_, value); }
void CheckpointWriter::number(double value) { append(buffer_, value); }

void CheckpointWriter::text(std::string_view text) {
  count(text.size());
  buffer_.append(text);
}

void CheckpointWriter::array(std::span<const double> values) {
  count(values.size());
  buffer_.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(double));
}

void CheckpointWriter::write(const std::filesystem::path& path) {
  append(buffer_, fnv1a(buffer_));
  write_file_atomically(path, buffer_);
}

std::optional<CheckpointReader> CheckpointReader::open(const std::filesystem::path& path, std::string_view magic,
                                                       const RunInfo& settings) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    if (!std::filesystem::exists(path)) return std::nullopt;
    throw Error(Location{.file = path.string(), .line = {}, .field = {}}, "cannot be read");
  }
  std::ostringstream contents;
  contents << file.rdbuf();

  CheckpointReader reader(path, std::move(contents).str());
  if (reader.bytes_.size() < magic.size() + sizeof(std::uint64_t)) reader.damaged();
  const std::size_t body = reader.bytes_.size() - sizeof(std::uint64_t);
  const auto checksum = value_of<std::uint64_t>(std::string_view(reader.bytes_).substr(body));
  reader.bytes_.resize(body);
  if (reader.take(magic.size()) != magic || checksum != fnv1a(reader.bytes_)) reader.damaged();

  RunInfo found;
  const std::uint64_t n_entries = reader.count();
  for (std::uint64_t i = 0; i < n_entries; ++i) {
    std::string key = reader.text();
    found.add(std::move(key), reader.text());
  }
  require_same_settings(path, found, settings);
  return reader;
}

void CheckpointReader::damaged() const {
  throw Error(Location{.file = path_.string(), .line = {}, .field = {}},
              "damaged checkpoint; remove it to start this run again");
}

std::string_view CheckpointReader::take(std::size_t n) {
  if (n > bytes_.size() - position_) damaged();
  const auto taken = std::string_view(bytes_).substr(position_, n);
  position_ += n;
  return taken;
}

std::uint64_t CheckpointReader::count() { return value_of<std::uint64_t>(take(sizeof(std::uint64_t))); }
double CheckpointReader::number() { return value_of<double>(take(sizeof(double))); }

std::string CheckpointReader::text() {
  const std::uint64_t size = count();
  return std::string(take(size));
}

void CheckpointReader::array(std::span<double> values) {
  if (count() != values.size()) damaged();
  const auto taken = take(values.size() * sizeof(double));
  if (!values.empty()) std::memcpy(values.data(), taken.data(), taken.size());
}

std::vector<double> CheckpointReader::array() {
  const std::uint64_t size = count();
  if (size > bytes_.size() / sizeof(double)) damaged();
  std::vector<double> values(size);
  const auto taken = take(size * sizeof(double));
  if (!values.empty()) std::memcpy(values.data(), taken.data(), taken.size());
  return values;
}

RunInfo read_settings(const std::filesystem::path& path) {
  std::ifstream file(path);
  RunInfo info;
  std::string line;
  while (std::getline(file, line) && line.starts_with("# ")) {
    const auto colon = line.find(": ");
    if (colon != std::string::npos) info.add(line.substr(2, colon - 2), line.substr(colon + 2));
  }
  return info;
}

void require_same_settings(const std::filesystem::path& path, const RunInfo& found, const RunInfo& wanted) {
  for (const auto& [key, value] : wanted.entries) {
    const std::string* there = found.find(key);
    if (there == nullptr || *there != value) {
      throw Error(Location{.file = path.string(), .line = {}, .field = key},
                  "made with " + (there == nullptr ? std::string("no such setting") : *there) + ", now " + value +
                      " is asked for; choose another output folder or remove the file");
    }
  }
}

}  // namespace iclk
