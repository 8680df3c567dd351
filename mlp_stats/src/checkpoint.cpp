#include "checkpoint.hpp"

#include <string_view>

#include "iclk/core/checkpoint_file.hpp"

namespace iclk::mlp_stats {
namespace {

constexpr std::string_view kMagic = "iclk-checkpoint 1\n";

}  // namespace

void write_checkpoint(const std::filesystem::path& path, const TrainingOptions& options, const TrainingState& state) {
  CheckpointWriter writer(kMagic, run_info(options));
  writer.count(state.iteration);
  writer.count(state.samples.size());
  for (const CurveSample& sample : state.samples) {
    writer.count(sample.iteration);
    const OrderParameters& v = sample.values;
    for (const double x : {sample.time, v.c1, v.c2, v.c3, v.loss, v.accuracy, v.log_c1, v.log_c3}) writer.number(x);
  }
  const MlpParameters& p = state.parameters;
  writer.count(p.shape.n_features);
  writer.count(p.shape.hidden);
  for (const auto* array : {&p.w1, &p.b1, &p.w2, &p.b2, &p.w3}) writer.array(*array);
  writer.number(p.b3.front());
  writer.write(path);
}

std::optional<TrainingState> read_checkpoint(const std::filesystem::path& path, const TrainingOptions& options) {
  auto opened = CheckpointReader::open(path, kMagic, run_info(options));
  if (!opened) return std::nullopt;
  CheckpointReader& reader = *opened;
  const std::uint64_t iteration = reader.count();
  std::vector<CurveSample> samples(reader.count());
  for (CurveSample& sample : samples) {
    sample.iteration = reader.count();
    OrderParameters& v = sample.values;
    for (double* x : {&sample.time, &v.c1, &v.c2, &v.c3, &v.loss, &v.accuracy, &v.log_c1, &v.log_c3}) {
      *x = reader.number();
    }
  }
  MlpShape shape;
  shape.n_features = reader.count();
  shape.hidden = reader.count();
  TrainingState state{.iteration = iteration, .samples = std::move(samples), .parameters = MlpParameters(shape)};
  MlpParameters& p = state.parameters;
  for (auto* array : {&p.w1, &p.b1, &p.w2, &p.b2, &p.w3}) reader.array(*array);
  p.b3.front() = reader.number();
  return state;
}

}  // namespace iclk::mlp_stats
