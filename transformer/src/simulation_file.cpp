#include <string>

#include "iclk/core/curve_file.hpp"
#include "iclk/transformer/simulation.hpp"

namespace iclk::transformer {
namespace {

std::string text(const std::optional<double>& value) { return value ? format_number(*value) : "none"; }

void add_cell(std::string& row, const std::optional<double>& value) {
  row += ',';
  if (value) row += format_number(*value);
}

}  // namespace

void write_simulation(const std::filesystem::path& path, const SimulationOptions& options, const Simulation& run) {
  RunInfo head;
  head.add("program", "iclk " + std::string(version()));
  head.add("run", run_identity(options));
  for (const auto& [key, value] : settings_of(options).entries) head.add(key, value);
  head.add("outcome", std::string(name(run.outcome())));
  const SimulationMarkers& markers = run.markers();
  head.add("t_icl", text(markers.t_icl));
  head.add("t_half_loss", text(markers.t_half_loss));
  head.add("t_attention_half", text(markers.t_attention_half));
  head.add("t_accuracy_fade", text(markers.t_accuracy_fade));
  head.add("t_w_max", text(markers.t_w_max));
  head.add("w_max", text(markers.w_max));
  head.add("t_fade", text(markers.t_fade));
  head.add("max_icl_accuracy", markers.max_icl_accuracy);
  const SimulationSample& end = run.samples().back();
  head.add("end_iteration", std::to_string(end.iteration));
  head.add("end_icl_accuracy", end.icl_accuracy);
  head.add("end_icl_loss", end.icl_loss);
  head.add("end_iwl_accuracy", text(end.iwl_accuracy));
  head.add("end_iwl_loss", text(end.iwl_loss));
  head.add("end_c1", end.c1);

  std::string contents = "# iclk-simulation 1\n";
  for (const auto& [key, value] : head.entries) contents += "# " + key + ": " + value + '\n';
  contents += "iteration,time,train_loss,icl_accuracy,icl_loss,iwl_accuracy,iwl_loss,c1,c2,c3";
  for (const std::string& diagnostic : run.diagnostic_names()) contents += ',' + diagnostic;
  contents += '\n';
  for (const SimulationSample& sample : run.samples()) {
    contents += std::to_string(sample.iteration);
    add_cell(contents, sample.time);
    add_cell(contents, sample.train_loss);
    add_cell(contents, sample.icl_accuracy);
    add_cell(contents, sample.icl_loss);
    add_cell(contents, sample.iwl_accuracy);
    add_cell(contents, sample.iwl_loss);
    for (const double value : {sample.c1, sample.c2, sample.c3}) add_cell(contents, value);
    for (const double value : sample.diagnostics) add_cell(contents, value);
    contents += '\n';
  }
  write_file_atomically(path, contents);
}

}  // namespace iclk::transformer
