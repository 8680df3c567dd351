#include "checkpoint.hpp"

#include <bit>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

#include "iclk/core/error.hpp"

namespace iclk::mlp_stats {
namespace {

static_assert(std::endian::native == std::endian::little, "checkpoints are written as they lie in memory");

constexpr std::string_view kMagic = "iclk-checkpoint 1\n";

std::uint64_t fnv1a(std::string_view bytes) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return hash;
}

class Writer {
 public:
  void bytes(std::string_view text) { buffer_.append(text); }
  template <class T>
  void value(const T& v) {
    static_assert(std::is_arithmetic_v<T>);
    buffer_.append(reinterpret_cast<const char*>(&v), sizeof v);
  }
  void text(std::string_view t) {
    value<std::uint64_t>(t.size());
    bytes(t);
  }
  void array(const std::vector<double>& values) {
    value<std::uint64_t>(values.size());
    buffer_.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(double));
  }
  std::string finish() {
    value(fnv1a(buffer_));
    return std::move(buffer_);
  }

 private:
  std::string buffer_;
};

class Reader {
 public:
  Reader(const std::filesystem::path& path, std::string_view bytes) : path_(path), bytes_(bytes) {}

  [[noreturn]] void damaged() const {
    throw Error(Location{.file = path_.string(), .line = {}, .field = {}},
                "damaged checkpoint; remove it to start this run again");
  }
  std::string_view take(std::size_t n) {
    if (n > bytes_.size()) damaged();
    const auto taken = bytes_.substr(0, n);
    bytes_.remove_prefix(n);
    return taken;
  }
  template <class T>
  T value() {
    T v;
    std::memcpy(&v, take(sizeof v).data(), sizeof v);
    return v;
  }
  std::string text() { return std::string(take(value<std::uint64_t>())); }
  void array(std::vector<double>& values) {
    if (value<std::uint64_t>() != values.size()) damaged();
    const auto taken = take(values.size() * sizeof(double));
    std::memcpy(values.data(), taken.data(), taken.size());
  }

 private:
  const std::filesystem::path& path_;
  std::string_view bytes_;
};

}  // namespace

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

void write_checkpoint(const std::filesystem::path& path, const TrainingOptions& options, const TrainingState& state) {
  Writer writer;
  writer.bytes(kMagic);
  const RunInfo info = run_info(options);
  writer.value<std::uint64_t>(info.entries.size());
  for (const auto& [key, value] : info.entries) {
    writer.text(key);
    writer.text(value);
  }
  writer.value(state.iteration);
  writer.value<std::uint64_t>(state.samples.size());
  for (const CurveSample& sample : state.samples) {
    writer.value(sample.iteration);
    const OrderParameters& v = sample.values;
    for (const double x : {sample.time, v.c1, v.c2, v.c3, v.loss, v.accuracy, v.log_c1, v.log_c3}) writer.value(x);
  }
  const MlpParameters& p = state.parameters;
  writer.value<std::uint64_t>(p.shape.n_features);
  writer.value<std::uint64_t>(p.shape.hidden);
  for (const auto* array : {&p.w1, &p.b1, &p.w2, &p.b2, &p.w3}) writer.array(*array);
  writer.value(p.b3.front());
  write_file_atomically(path, writer.finish());
}

std::optional<TrainingState> read_checkpoint(const std::filesystem::path& path, const TrainingOptions& options) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    if (!std::filesystem::exists(path)) return std::nullopt;
    throw Error(Location{.file = path.string(), .line = {}, .field = {}}, "cannot be read");
  }
  std::ostringstream contents;
  contents << file.rdbuf();
  const std::string bytes = std::move(contents).str();

  Reader reader(path, bytes);
  if (bytes.size() < kMagic.size() + sizeof(std::uint64_t) || reader.take(kMagic.size()) != kMagic) reader.damaged();
  std::uint64_t checksum = 0;
  const std::size_t body = bytes.size() - sizeof checksum;
  std::memcpy(&checksum, bytes.data() + body, sizeof checksum);
  if (checksum != fnv1a(std::string_view(bytes).substr(0, body))) reader.damaged();

  RunInfo info;
  const auto n_entries = reader.value<std::uint64_t>();
  for (std::uint64_t i = 0; i < n_entries; ++i) {
    std::string key = reader.text();
    info.add(std::move(key), reader.text());
  }
  require_same_settings(path, info, run_info(options));

  const auto iteration = reader.value<std::uint64_t>();
  std::vector<CurveSample> samples(reader.value<std::uint64_t>());
  for (CurveSample& sample : samples) {
    sample.iteration = reader.value<std::uint64_t>();
    OrderParameters& v = sample.values;
    for (double* x : {&sample.time, &v.c1, &v.c2, &v.c3, &v.loss, &v.accuracy, &v.log_c1, &v.log_c3}) {
      *x = reader.value<double>();
    }
  }
  MlpShape shape;
  shape.n_features = reader.value<std::uint64_t>();
  shape.hidden = reader.value<std::uint64_t>();
  TrainingState state{.iteration = iteration, .samples = std::move(samples), .parameters = MlpParameters(shape)};
  MlpParameters& p = state.parameters;
  for (auto* array : {&p.w1, &p.b1, &p.w2, &p.b2, &p.w3}) reader.array(*array);
  p.b3.front() = reader.value<double>();
  return state;
}

}  // namespace iclk::mlp_stats
