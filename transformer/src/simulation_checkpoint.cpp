#include "simulation_checkpoint.hpp"

#include <limits>
#include <string_view>

#include "iclk/core/checkpoint_file.hpp"

namespace iclk::transformer {
namespace {

constexpr std::string_view kMagic = "iclk-simulation-checkpoint 1\n";

RunInfo identified(const SimulationOptions& options) {
  RunInfo info;
  info.add("program", "iclk " + std::string(version()));
  for (const auto& [key, value] : settings_of(options).entries) info.add(key, value);
  return info;
}

/// A number that may be missing, as 0 or 1 and the number.
void write_optional(CheckpointWriter& writer, const std::optional<double>& value) {
  writer.count(value ? 1 : 0);
  writer.number(value.value_or(0.0));
}

std::optional<double> read_optional(CheckpointReader& reader) {
  const bool there = reader.count() != 0;
  const double value = reader.number();
  return there ? std::optional(value) : std::nullopt;
}

}  // namespace

void write_checkpoint(const std::filesystem::path& path, const SimulationOptions& options,
                      const SimulationState& state) {
  CheckpointWriter writer(kMagic, identified(options));
  writer.count(state.iteration);
  writer.number(state.loss_sum);
  writer.count(state.samples.size());
  for (const SimulationSample& sample : state.samples) {
    writer.count(sample.iteration);
    for (const double x : {sample.time, sample.icl_accuracy, sample.icl_loss, sample.c1, sample.c2, sample.c3}) {
      writer.number(x);
    }
    for (const auto& x : {sample.train_loss, sample.iwl_accuracy, sample.iwl_loss}) write_optional(writer, x);
    writer.array(sample.diagnostics);
  }
  writer.count(state.parameters.size());
  for (const NamedArray& array : state.parameters) {
    writer.text(array.name);
    writer.array(array.values);
  }
  writer.write(path);
}

std::optional<SimulationState> read_checkpoint(const std::filesystem::path& path, const SimulationOptions& options) {
  auto opened = CheckpointReader::open(path, kMagic, identified(options));
  if (!opened) return std::nullopt;
  CheckpointReader& reader = *opened;
  SimulationState state;
  state.iteration = reader.count();
  state.loss_sum = reader.number();
  state.samples.resize(reader.count());
  for (SimulationSample& sample : state.samples) {
    sample.iteration = reader.count();
    for (double* x : {&sample.time, &sample.icl_accuracy, &sample.icl_loss, &sample.c1, &sample.c2, &sample.c3}) {
      *x = reader.number();
    }
    for (auto* x : {&sample.train_loss, &sample.iwl_accuracy, &sample.iwl_loss}) *x = read_optional(reader);
    sample.diagnostics = reader.array();
  }
  state.parameters.resize(reader.count());
  for (NamedArray& array : state.parameters) {
    array.name = reader.text();
    array.values = reader.array();
  }
  return state;
}

}  // namespace iclk::transformer
