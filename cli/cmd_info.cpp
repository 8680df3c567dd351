#include <CLI/Version.hpp>
#include <Eigen/Core>
#include <algorithm>
#include <boost/version.hpp>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "iclk/core/run_info.hpp"
#include "iclk/mlp_stats/trainer.hpp"
#include "output.hpp"
#include "verbs.hpp"

namespace iclk::cli {
namespace {

std::string compiler() {
#if defined(__clang__)
  return "clang " __clang_version__;
#else
  return "gcc " __VERSION__;
#endif
}

struct Measured {
  const char* name;
  double value;
};

/// Rates of this machine for the paper's MLP, on one thread.
std::vector<Measured> measured_rates() {
  const mlp_stats::TrainingOptions run;
  const mlp_stats::MlpShape shape{.n_features = run.dim, .hidden = run.hidden};
  const double rate = mlp_stats::measured_product_rate(shape, run.batch);
  return {{"matrix_products_gflop_per_s", rate / 1e9},
          {"training_steps_per_s_ceiling", rate / mlp_stats::flops_per_step(shape, run.batch)}};
}

std::string dotted(std::initializer_list<int> numbers) {
  std::string text;
  for (const int n : numbers) text += (text.empty() ? "" : ".") + std::to_string(n);
  return text;
}

Answer info() {
  std::string boost = BOOST_LIB_VERSION;  // "1_74"
  std::replace(boost.begin(), boost.end(), '_', '.');
  const std::vector<std::pair<std::string, std::string>> libraries{
      {"onednn", mlp_stats::onednn_description()},
      {"cuda", mlp_stats::cuda_description()},
      {"eigen", dotted({EIGEN_WORLD_VERSION, EIGEN_MAJOR_VERSION, EIGEN_MINOR_VERSION})},
      {"boost", boost},
      {"cli11", CLI11_VERSION},
      {"nlohmann_json",
       dotted({NLOHMANN_JSON_VERSION_MAJOR, NLOHMANN_JSON_VERSION_MINOR, NLOHMANN_JSON_VERSION_PATCH})}};
  const std::vector<std::string> backends{std::string(mlp_stats::name(mlp_stats::BackendKind::onednn)),
                                          std::string(mlp_stats::name(mlp_stats::BackendKind::eigen))};
  const unsigned threads = std::max(1U, std::thread::hardware_concurrency());

  Json json = {{"schema", "iclk-info 1"},     {"version", version()},      {"build_type", ICLK_BUILD_TYPE},
               {"compiler", compiler()},      {"threads", threads},        {"backends", backends},
               {"libraries", Json::object()}, {"measured", Json::object()}};
  CsvText csv({"name", "value"});
  PrintedTable table({}, "l");
  const auto add = [&](const std::string& name, const std::string& value) {
    table.add_row({name, value});
    csv.cell(std::string_view(name)).cell(std::string_view(value)).end_row();
  };
  add("version", std::string(version()));
  add("build_type", ICLK_BUILD_TYPE);
  add("compiler", compiler());
  add("threads", std::to_string(threads));
  add("backends", backends[0] + ", " + backends[1]);
  for (const auto& [name, value] : libraries) {
    json["libraries"][name] = value;
    add(name, value);
  }
  for (const auto& [name, value] : measured_rates()) {
    json["measured"][name] = json_number(value);
    add(name, human(value));
  }
  return {table.str(), std::move(json), std::move(csv).take()};
}

}  // namespace

Action declare_info(VerbOptions& options) {
  const auto destinations = std::make_shared<Destinations>();
  options.explain("version, build, libraries and the machine's measured rates",
                  "Says what this program is made of and how fast this machine is for training: the rate of the matrix "
                  "products of one training step of the paper's MLP, measured now on one thread, and the number of SGD "
                  "steps per second that it would allow if nothing else took time.");
  declare_destinations(options, *destinations);
  options.example("iclk info --json -", "for a bug report");
  return [destinations] {
    check_destinations(*destinations, {});
    write_answer(*destinations, info());
    return Exit::answered;
  };
}

}  // namespace iclk::cli
